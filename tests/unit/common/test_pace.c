/* pace: a worker rests for a trickle from many silent clients, and for nothing else. */
#include "common/pace.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "common/mqtt.h"

enum { CLIENTS = 1000, PUBLISH = MQTT_PUBLISH << 4, PUBACK = MQTT_PUBACK << 4 };

/* A worker's clients. */
struct rig {
    struct pace pace;
    uint64_t now_us;
    uint64_t cpu_ns;
    unsigned rest_load; /* percent of the time that a worker uses when it rests; 20 otherwise */
    struct pace_client clients[CLIENTS];
};

static void say(struct rig *r, unsigned client, uint8_t first)
{
    pace_note_burst(&r->pace, &r->clients[client], first, r->now_us / 1000);
}

static void rig_init(struct rig *r)
{
    *r = (struct rig){.now_us = 1000000, .rest_load = 10};
}

static bool turn(struct rig *r, unsigned gap_us)
{
    r->cpu_ns += gap_us * 10u * (r->pace.resting ? r->rest_load : 20);
    r->pace.turns++;
    if (r->now_us / 1000 - r->pace.window_ms >= PACE_WINDOW_MS)
        pace_next_window(&r->pace, r->now_us / 1000, r->cpu_ns);
    return r->pace.resting;
}

/* For 0.6 s: turns `gap_us` apart, with `bursts` in each, of the first `count`
 * clients in turn; `other` says something in each turn, too. Whether the last turn was told to
 * rest. */
static bool run_with(struct rig *r, unsigned gap_us, unsigned bursts, unsigned count, uint8_t other)
{
    unsigned next = 0;
    bool rests = false;
    for (unsigned t = 0; t < 600000 / gap_us; t++) {
        r->now_us += gap_us;
        for (unsigned b = 0; b < bursts; b++)
            say(r, next++ % count, PUBLISH);
        if (other != 0)
            say(r, CLIENTS - 1, other);
        rests = turn(r, gap_us);
    }
    return rests;
}

static bool run(struct rig *r, unsigned gap_us, unsigned bursts, unsigned count)
{
    return run_with(r, gap_us, bursts, count, 0);
}

static void a_trickle_from_many_silent_clients_gathers(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r);
    assert_true(run(&r, 50, 1, 900));  /* each says something every 45 ms */
    assert_true(run(&r, 200, 4, 900)); /* also while resting makes the turns fewer */
    assert_true(run(&r, 100, 1, 50));  /* every 5 ms */
}

static void clients_that_wait_for_answers_are_served_at_once(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r);
    assert_false(run(&r, 50, 1, 4));  /* one in a round trip of 0.2 ms */
    assert_false(run(&r, 50, 1, 40)); /* of 2 ms */
}

static void a_single_client_in_a_hurry_keeps_the_worker_awake(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r);
    assert_false(run_with(&r, 100, 1, 900, PUBLISH));
    assert_true(run(&r, 100, 1, 900)); /* until it is done */
}

static void a_subscriber_that_acknowledges_everything_is_in_no_hurry(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r);
    assert_true(run_with(&r, 100, 1, 900, PUBACK));
}

static void a_few_packets_in_a_row_are_no_hurry(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r);
    assert_true(run(&r, 100, 1, 900));
    for (unsigned t = 0; t < 400;
         t++) { /* SUBSCRIBE and PUBLISH after CONNECT, one after another */
        r.now_us += 100;
        say(&r, t % 900, PUBLISH);
        say(&r, 900 + t / 5, PUBLISH);
        assert_true(turn(&r, 100));
    }
}

static void a_calm_worker_answers_at_once(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r);
    assert_false(run(&r, 1000, 1, 900));
}

static void full_turns_need_no_rest(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r);
    assert_false(run(&r, 500, 100, 900));
}

static void rests_that_save_nothing_end(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r);
    r.rest_load = 19;
    assert_false(run(&r, 100, 1, 900));
    r.rest_load = 10; /* found out in the next cycle */
    unsigned rested = 0;
    for (unsigned i = 0; i < 20; i++)
        rested += run(&r, 100, 1, 900);
    assert_in_range(rested, 9, 18);
}

static void it_ends_with_the_trickle(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r);
    assert_true(run(&r, 50, 1, 900));
    assert_false(run(&r, 50, 1, 4));
    assert_true(run(&r, 50, 1, 900));
    r.now_us += 1000000; /* nothing came for a while */
    say(&r, 0, PUBLISH);
    assert_false(turn(&r, 100));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_trickle_from_many_silent_clients_gathers),
        cmocka_unit_test(clients_that_wait_for_answers_are_served_at_once),
        cmocka_unit_test(a_single_client_in_a_hurry_keeps_the_worker_awake),
        cmocka_unit_test(a_subscriber_that_acknowledges_everything_is_in_no_hurry),
        cmocka_unit_test(a_few_packets_in_a_row_are_no_hurry),
        cmocka_unit_test(a_calm_worker_answers_at_once),
        cmocka_unit_test(full_turns_need_no_rest),
        cmocka_unit_test(rests_that_save_nothing_end),
        cmocka_unit_test(it_ends_with_the_trickle),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
