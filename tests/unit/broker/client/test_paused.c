/* paused: who waits for the store goes on in the order in which it came, and nobody who left is among them. */
#include "broker/client/paused.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { CLIENTS = 1000 };

/* What is known of a client here is where it keeps its place. */
static uint32_t places[CLIENTS];

static struct client *client(unsigned number)
{
    return (struct client *)(void *)&places[number];
}

static void add(struct paused *p, unsigned from, unsigned end)
{
    for (unsigned i = from; i < end; i++)
        assert_true(paused_add(p, client(i), &places[i]));
}

static void leave(struct paused *p, unsigned number)
{
    paused_remove(p, places[number]);
}

/* The number of the one that has waited longest, which goes on; -1: nobody waits. */
static long next(struct paused *p)
{
    struct client *c = paused_first(p);
    if (c == NULL)
        return -1;
    uint32_t *place = (uint32_t *)(void *)c;
    paused_remove(p, *place);
    return place - places;
}

static void who_came_first_goes_on_first(void **state)
{
    (void)state;
    struct paused *p = paused_new();
    assert_null(paused_first(p));
    add(p, 0, CLIENTS);
    assert_int_equal(paused_count(p), CLIENTS);
    assert_ptr_equal(paused_first(p), client(0)); /* it stays until it is removed */
    for (unsigned i = 0; i < CLIENTS; i++)
        assert_int_equal(next(p), i);
    assert_int_equal(next(p), -1);
    assert_int_equal(paused_count(p), 0);
    paused_free(p);
}

static void who_left_is_passed_over(void **state)
{
    (void)state;
    struct paused *p = paused_new();
    add(p, 0, 6);
    leave(p, 0);
    leave(p, 1);
    leave(p, 4);
    assert_int_equal(paused_count(p), 3);
    assert_int_equal(next(p), 2);
    assert_int_equal(next(p), 3);
    assert_int_equal(next(p), 5);
    assert_int_equal(next(p), -1);
    paused_free(p);
}

static void who_comes_again_waits_anew(void **state)
{
    (void)state;
    struct paused *p = paused_new();
    add(p, 0, 3);
    leave(p, 0);
    add(p, 0, 1);
    assert_int_equal(next(p), 1);
    assert_int_equal(next(p), 2);
    assert_int_equal(next(p), 0);
    paused_free(p);
}

/* While the store is away clients come and go: the places of those who left are used again. */
static void its_size_follows_from_how_many_wait(void **state)
{
    (void)state;
    struct paused *p = paused_new();
    add(p, 0, 40); /* they stay */
    for (unsigned round = 0; round < 10000; round++) {
        unsigned passing = 40 + round % 60;
        add(p, passing, passing + 1);
        assert_in_range(places[passing], 40, 4 * 41 - 1);
        leave(p, passing);
    }
    assert_int_equal(paused_count(p), 40);
    for (unsigned i = 0; i < 40; i++)
        assert_int_equal(next(p), i);
    add(p, 7, 8);
    assert_int_equal(places[7], 0); /* from the beginning again */
    paused_free(p);
}

/* Each knows its place also when they were moved. */
static void who_was_moved_can_still_leave(void **state)
{
    (void)state;
    struct paused *p = paused_new();
    add(p, 0, 64);
    for (unsigned i = 0; i < 64; i += 2)
        leave(p, i);
    add(p, 64, 65); /* behind the last place: they are moved together */
    assert_int_equal(places[1], 0);
    assert_int_equal(places[64], 32);
    leave(p, 3);
    leave(p, 64);
    assert_int_equal(next(p), 1);
    assert_int_equal(next(p), 5);
    assert_int_equal(paused_count(p), 29);
    paused_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_came_first_goes_on_first),
        cmocka_unit_test(who_left_is_passed_over),
        cmocka_unit_test(who_comes_again_waits_anew),
        cmocka_unit_test(its_size_follows_from_how_many_wait),
        cmocka_unit_test(who_was_moved_can_still_leave),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
