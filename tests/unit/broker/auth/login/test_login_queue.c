/* login_queue: guessing slows down guesses only, whoever guesses from wherever. A pop stands for
 * one hash: how many come before somebody's turn is how long he waits. */
#include "broker/auth/login/login_queue.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "broker/base/id_set.h"

enum { CAMPUS = 1, HOME = 2, ELSEWHERE = 3, ANNA = 101, BOB = 102, FIRST_NAME = 1000 };

static struct login_origin from(uint64_t source, uint64_t name)
{
    return (struct login_origin){.source = source, .name = name};
}

static struct login_origin failed(struct login_origin o, bool source, bool name)
{
    o.source_failed = source;
    o.name_failed = name;
    return o;
}

static struct login_queue *fresh(void)
{
    struct login_queue *q = login_queue_new();
    assert_non_null(q);
    return q;
}

static void push(struct login_queue *q, struct login_place *place, struct login_origin o)
{
    *place = (struct login_place){0};
    assert_true(login_queue_push(q, place, &o));
}

/* Pops until it is this one's turn: how many were popped with it. */
static unsigned turns_until(struct login_queue *q, const struct login_place *place)
{
    for (unsigned n = 1;; n++) {
        const struct login_place *popped = login_queue_pop(q);
        assert_non_null(popped);
        if (popped == place)
            return n;
    }
}

static void drain(struct login_queue *q)
{
    while (login_queue_pop(q) != NULL)
        ;
    assert_int_equal(login_queue_count(q), 0);
    login_queue_free(q);
}

static void without_failures_first_come_is_first_served(void **state)
{
    struct login_place places[100];
    struct login_queue *q = fresh();
    (void)state;
    for (size_t i = 0; i < 100; i++)
        push(q, &places[i], from(CAMPUS, FIRST_NAME + i));
    for (size_t i = 0; i < 100; i++)
        assert_ptr_equal(login_queue_pop(q), &places[i]);
    assert_null(login_queue_pop(q));
    drain(q);
}

static void one_who_sends_many_takes_turns_with_others(void **state)
{
    struct login_place many[100];
    struct login_place one;
    struct login_queue *q = fresh();
    (void)state;
    for (size_t i = 0; i < 100; i++)
        push(q, &many[i], from(CAMPUS, BOB));
    push(q, &one, from(HOME, ANNA));
    assert_int_equal(turns_until(q, &one), 2);
    drain(q);
}

/* A campus has one address. */
static void another_user_behind_the_same_address_hardly_waits(void **state)
{
    struct login_place guesses[200];
    struct login_place anna;
    struct login_queue *q = fresh();
    (void)state;
    for (size_t i = 0; i < 200; i++)
        push(q, &guesses[i], failed(from(CAMPUS, BOB), true, true));
    push(q, &anna, failed(from(CAMPUS, ANNA), true, false));
    assert_true(turns_until(q, &anna) <= 2);
    drain(q);
}

/* The first failure comes when all wait already. */
static void a_failure_moves_who_waits_already(void **state)
{
    struct login_place guesses[200];
    struct login_place anna;
    struct login_place home;
    struct login_queue *q = fresh();
    (void)state;
    for (size_t i = 0; i < 200; i++)
        push(q, &guesses[i], from(CAMPUS, FIRST_NAME + i % 50));
    push(q, &anna, from(CAMPUS, ANNA));
    push(q, &home, from(HOME, BOB));
    struct id_set sources = {0};
    id_set_add(&sources, CAMPUS);
    for (size_t i = 0; i < 50; i++)
        login_queue_failed(q, &sources, FIRST_NAME + i);
    id_set_fini(&sources);
    assert_int_equal(turns_until(q, &home), 1);
    assert_true(turns_until(q, &anna) <= 2);
    drain(q);
}

static void the_owner_of_the_name_that_is_guessed_at_gets_in(void **state)
{
    struct login_place guesses[200];
    struct login_place owner;
    struct login_queue *q = fresh();
    (void)state;
    for (size_t i = 0; i < 200; i++) /* from everywhere */
        push(q, &guesses[i], failed(from(ELSEWHERE + i, BOB), true, true));
    push(q, &owner, failed(from(HOME, BOB), false, true));
    assert_true(turns_until(q, &owner) <= 2);
    drain(q);
}

/* Nothing but the password tells him from who guesses. */
static void the_owner_behind_the_same_address_is_next_but_one(void **state)
{
    struct login_place guesses[200];
    struct login_place owner;
    struct login_queue *q = fresh();
    (void)state;
    for (size_t i = 0; i < 200; i++)
        push(q, &guesses[i], failed(from(CAMPUS, BOB), true, true));
    assert_non_null(login_queue_pop(q));
    push(q, &owner, failed(from(CAMPUS, BOB), true, true));
    assert_true(turns_until(q, &owner) <= 2);
    drain(q);
}

/* Every rank has its share, whatever the others do. */
static void no_rank_starves(void **state)
{
    static const bool flags[LOGIN_RANKS][2] = {
        {false, false}, {true, false}, {false, true}, {true, true}};
    static const unsigned shares[LOGIN_RANKS] = {8, 4, 2, 1};
    struct login_place places[LOGIN_RANKS][60];
    unsigned served[LOGIN_RANKS] = {0};
    struct login_queue *q = fresh();
    (void)state;
    for (size_t r = 0; r < LOGIN_RANKS; r++)
        for (size_t i = 0; i < 60; i++)
            push(q, &places[r][i], failed(from(10 * r + 1, 10 * r + 2), flags[r][0], flags[r][1]));
    for (unsigned i = 0; i < 60; i++) {
        const struct login_place *p = login_queue_pop(q);
        served[(size_t)(p - &places[0][0]) / 60]++;
    }
    for (size_t r = 0; r < LOGIN_RANKS; r++)
        assert_int_equal(served[r], 4 * shares[r]);
    drain(q);
}

static void who_leaves_is_gone_and_its_group_with_it(void **state)
{
    struct login_place a;
    struct login_place b;
    struct login_queue *q = fresh();
    (void)state;
    push(q, &a, from(HOME, ANNA));
    push(q, &b, from(HOME, ANNA));
    login_queue_remove(q, &a);
    login_queue_remove(q, &a); /* harmless */
    assert_ptr_equal(login_queue_pop(q), &b);
    assert_null(login_queue_pop(q));
    push(q, &a, from(HOME, ANNA));
    assert_ptr_equal(login_queue_pop(q), &a);
    drain(q);
}

static void in_a_crowd_the_worst_give_way(void **state)
{
    struct login_place guesses[10];
    struct login_place fleet[5];
    struct login_origin clean = from(HOME, ANNA);
    struct login_origin guess = failed(from(CAMPUS, BOB), true, true);
    struct login_queue *q = fresh();
    (void)state;
    assert_null(login_queue_crowded(q, &clean));
    for (size_t i = 0; i < 5; i++)
        push(q, &fleet[i], from(ELSEWHERE, FIRST_NAME + i));
    assert_null(login_queue_crowded(q, &clean)); /* as good as the others, and later */
    for (size_t i = 0; i < 10; i++)
        push(q, &guesses[i], guess);
    assert_ptr_equal(login_queue_crowded(q, &clean), &guesses[0]);
    assert_null(login_queue_crowded(q, &guess)); /* of the longest group itself */
    struct login_origin another = failed(from(HOME, BOB), true, true);
    assert_ptr_equal(login_queue_crowded(q, &another), &guesses[0]);
    drain(q);
}

static void ahead_are_those_of_the_own_rank_and_better(void **state)
{
    struct login_place places[3];
    struct login_origin clean = from(HOME, ANNA);
    struct login_origin guess = failed(from(CAMPUS, BOB), true, true);
    struct login_queue *q = fresh();
    (void)state;
    push(q, &places[0], clean);
    push(q, &places[1], guess);
    push(q, &places[2], guess);
    assert_int_equal(login_queue_ahead(q, &clean), 1);
    assert_int_equal(login_queue_ahead(q, &guess), 3);
    drain(q);
}

/* Thousands may wait with the same wrong password, each with an address of its own. */
static void one_failure_of_many_sources_is_one_walk(void **state)
{
    enum { GROUPS = 1000, SOURCES = 5000 };
    static struct login_place places[GROUPS];
    struct id_set sources = {.key = 7};
    struct login_queue *q = fresh();
    (void)state;
    for (size_t i = 0; i < GROUPS; i++)
        push(q, &places[i], from(1 + i, FIRST_NAME + i));
    for (size_t i = 0; i < SOURCES; i++)
        assert_true(id_set_add(&sources, 1 + GROUPS / 2 + i));
    sources.probes = 0;
    login_queue_failed(q, &sources, BOB);
    assert_true(sources.probes <= 4 * GROUPS);
    struct login_origin clean = from(ELSEWHERE + GROUPS + SOURCES, ANNA);
    assert_int_equal(login_queue_ahead(q, &clean), GROUPS / 2); /* the others were moved */
    id_set_fini(&sources);
    drain(q);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_failures_first_come_is_first_served),
        cmocka_unit_test(one_who_sends_many_takes_turns_with_others),
        cmocka_unit_test(another_user_behind_the_same_address_hardly_waits),
        cmocka_unit_test(a_failure_moves_who_waits_already),
        cmocka_unit_test(one_failure_of_many_sources_is_one_walk),
        cmocka_unit_test(the_owner_of_the_name_that_is_guessed_at_gets_in),
        cmocka_unit_test(the_owner_behind_the_same_address_is_next_but_one),
        cmocka_unit_test(no_rank_starves),
        cmocka_unit_test(who_leaves_is_gone_and_its_group_with_it),
        cmocka_unit_test(in_a_crowd_the_worst_give_way),
        cmocka_unit_test(ahead_are_those_of_the_own_rank_and_better),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
