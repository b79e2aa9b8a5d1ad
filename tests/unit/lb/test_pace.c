/* pace: a worker rests for a trickle from many silent clients, and for nothing else. */
#include "lb/pace.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { FLOWS = 1000 };

/* A worker's clients. */
struct rig {
    struct pace pace;
    uint64_t now_us;
    uint64_t heard_ms[FLOWS];
};

static void say(struct rig *r, unsigned flow)
{
    pace_note_burst(&r->pace, r->heard_ms[flow], r->now_us / 1000);
    r->heard_ms[flow] = r->now_us / 1000;
}

static void rig_init(struct rig *r)
{
    *r = (struct rig){.now_us = 1000000};
}

/* For a fifth of a second: turns `gap_us` apart, with `bursts` in each; the clients from `first`
 * on take turns, `count` of them. Whether the last turn was told to rest. */
static bool run(struct rig *r, unsigned gap_us, unsigned bursts, unsigned first, unsigned count)
{
    unsigned next = 0;
    bool rests = false;
    for (unsigned t = 0; t < 200000 / gap_us; t++) {
        r->now_us += gap_us;
        for (unsigned b = 0; b < bursts; b++)
            say(r, first + next++ % count);
        rests = pace_turn(&r->pace, r->now_us / 1000);
    }
    return rests;
}

static void a_trickle_from_many_silent_clients_gathers(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r);
    assert_true(run(&r, 50, 1, 0, FLOWS));  /* each says something every 50 ms */
    assert_true(run(&r, 200, 4, 0, FLOWS)); /* also while resting makes the turns fewer */
    assert_true(run(&r, 100, 1, 0, 50));    /* every 5 ms */
}

static void clients_that_wait_for_answers_are_served_at_once(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r);
    assert_false(run(&r, 50, 1, 0, 4));  /* one in a round trip of 0.2 ms */
    assert_false(run(&r, 50, 1, 0, 40)); /* of 2 ms */
}

static void a_subscriber_that_acknowledges_all_of_it_is_one_voice(void **state)
{
    (void)state;
    struct rig r;
    bool rests = false;
    rig_init(&r);
    for (unsigned t = 0; t < 2000; t++) {
        r.now_us += 100;
        say(&r, t % 900);
        say(&r, 999);
        rests = pace_turn(&r.pace, r.now_us / 1000);
    }
    assert_true(rests);
}

static void clients_in_a_hurry_outvote_silent_ones_from_an_eighth_on(void **state)
{
    (void)state;
    struct rig r;
    bool rests = true;
    rig_init(&r);
    for (unsigned t = 0; t < 2000; t++) { /* 200 silent clients in a window, and 40 others */
        r.now_us += 100;
        say(&r, t % 800);
        say(&r, 900 + t % 20);
        say(&r, 920 + t % 20);
        rests = pace_turn(&r.pace, r.now_us / 1000);
    }
    assert_false(rests);
}

static void a_calm_worker_answers_at_once(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r);
    assert_false(run(&r, 1000, 1, 0, FLOWS));
}

static void full_turns_need_no_rest(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r);
    assert_false(run(&r, 500, 100, 0, FLOWS));
}

static void it_ends_with_the_trickle(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r);
    assert_true(run(&r, 50, 1, 0, FLOWS));
    assert_false(run(&r, 50, 1, 0, 4));
    assert_true(run(&r, 50, 1, 0, FLOWS));
    r.now_us += 1000000; /* nothing came for a while */
    say(&r, 0);
    assert_false(pace_turn(&r.pace, r.now_us / 1000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_trickle_from_many_silent_clients_gathers),
        cmocka_unit_test(clients_that_wait_for_answers_are_served_at_once),
        cmocka_unit_test(a_subscriber_that_acknowledges_all_of_it_is_one_voice),
        cmocka_unit_test(clients_in_a_hurry_outvote_silent_ones_from_an_eighth_on),
        cmocka_unit_test(a_calm_worker_answers_at_once),
        cmocka_unit_test(full_turns_need_no_rest),
        cmocka_unit_test(it_ends_with_the_trickle),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
