/* pace: a worker rests for a trickle from many silent clients, where that was seen to pay, and for
 * nothing else. */
#include "common/base/pace.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "common/mqtt/mqtt.h"

enum { CLIENTS = 1000, PUBLISH = MQTT_PUBLISH << 4, PUBACK = MQTT_PUBACK << 4, REST_US = 250 };

/* A worker's clients, and what its work costs. */
struct rig {
    struct pace pace;
    uint64_t now_us;
    uint64_t cpu_ns;
    uint64_t burst_ns[2]; /* CPU time of a burst, without rests and with */
    uint64_t turns[2];    /* so far, without rests and with */
    unsigned rest_us;
    unsigned next;
    struct pace_client clients[CLIENTS];
};

/* Waking up is most of what a burst costs here, as where nothing shares a core. */
static void rig_init(struct rig *r)
{
    *r = (struct rig){.now_us = 1000000, .burst_ns = {33000, 12000}, .rest_us = REST_US};
}

static void say(struct rig *r, unsigned client, uint8_t first)
{
    pace_note_burst(&r->pace, &r->clients[client], first, r->now_us / 1000);
    r->cpu_ns += r->burst_ns[r->pace.resting];
}

static bool turn(struct rig *r)
{
    r->turns[r->pace.resting]++;
    r->pace.turns++;
    if (r->now_us / 1000 - r->pace.window_ms >= PACE_WINDOW_MS)
        pace_next_window(&r->pace, r->now_us / 1000, r->cpu_ns);
    r->pace.rested_ns = r->pace.resting ? r->rest_us * 1000ull : 0;
    return r->pace.resting;
}

/* For so many ms: turns `gap_us` apart, with `bursts` in each, of the first `count` clients in
 * turn; `other` says something in each turn, too. Whether the last turn was told to rest. */
static bool run_with(struct rig *r, unsigned ms, unsigned gap_us, unsigned bursts, unsigned count,
                     uint8_t other)
{
    bool rests = false;
    for (uint64_t end_us = r->now_us + ms * 1000ull; r->now_us < end_us;) {
        r->now_us += gap_us;
        for (unsigned b = 0; b < bursts; b++)
            say(r, r->next++ % count, PUBLISH);
        if (other != 0)
            say(r, CLIENTS - 1, other);
        rests = turn(r);
    }
    return rests;
}

static bool run(struct rig *r, unsigned gap_us, unsigned bursts, unsigned count)
{
    return run_with(r, 3000, gap_us, bursts, count, 0);
}

/* Turns that rested, of a hundred. */
static double rested_percent(const struct rig *r)
{
    return 100.0 * (double)r->turns[true] / (double)(r->turns[true] + r->turns[false]);
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
    assert_int_equal(r.turns[true], 0);
}

static void a_single_client_in_a_hurry_keeps_the_worker_awake(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r);
    assert_false(run_with(&r, 3000, 100, 1, 900, PUBLISH));
    assert_int_equal(r.turns[true], 0);
    assert_true(run(&r, 100, 1, 900)); /* until it is done */
    assert_false(run_with(&r, 50, 100, 1, 900, PUBLISH));
}

static void a_subscriber_that_acknowledges_everything_is_in_no_hurry(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r);
    assert_true(run_with(&r, 3000, 100, 1, 900, PUBACK));
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
        assert_true(turn(&r));
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

static void nothing_rests_before_the_load_has_lasted_for_two_seconds(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r);
    run_with(&r, 1900, 100, 1, 900, 0);
    assert_int_equal(r.turns[true], 0);
}

/* 50 clients, each every 5.7 ms, on a core of their own: a rest saves little there, and each message
 * waits for it. */
static void rests_that_save_less_than_they_make_wait_end_with_the_trial(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r);
    r.burst_ns[true] = 21500;
    assert_false(run_with(&r, 20000, 114, 1, 50, 0));
    assert_in_range(r.turns[true], 1, 500);
    rig_init(&r);
    r.burst_ns[true] = 21500;
    r.rest_us = 50; /* the same saving for a short wait */
    assert_true(run_with(&r, 20000, 114, 1, 50, 0));
}

/* The same saving, and the same wait, of clients that have nothing more to say for 100 ms. */
static void who_speaks_seldom_does_not_feel_a_rest(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r);
    r.burst_ns[true] = 21500;
    assert_true(run_with(&r, 20000, 114, 1, 900, 0));
    for (unsigned t = 0; t < 200000; t++) { /* of ten bursts two are of a few that speak often */
        r.now_us += 114;
        say(&r, t % 5 == 0 ? (t / 5) % 10 : 10 + t % 890, PUBLISH);
        turn(&r);
    }
    assert_false(r.pace.resting);
}

static void a_small_part_of_the_cpu_time_is_not_worth_it(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r);
    r.burst_ns[false] = 200000;
    r.burst_ns[true] = 150000;
    assert_false(run(&r, 250, 1, 900));
}

/* A subscriber acknowledges once a turn what it got in it, and rests make turns fewer: by all bursts,
 * each would cost the same with rests as without. */
static void acknowledgements_that_rests_make_fewer_are_no_measure(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r);
    r.burst_ns[0] = r.burst_ns[1] = 15000;
    for (unsigned t = 0; t < 60000; t++) {
        unsigned bursts = r.pace.resting ? 3 : 1;
        r.now_us += 100 * bursts;
        for (unsigned b = 0; b < bursts; b++)
            say(&r, r.next++ % 900, PUBLISH);
        say(&r, CLIENTS - 1, PUBACK);
        say(&r, CLIENTS - 2, PUBACK);
        turn(&r);
    }
    assert_true(r.pace.pays);
}

static void a_short_lapse_is_no_other_load(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r);
    assert_true(run(&r, 100, 1, 900));
    r.turns[0] = r.turns[1] = 0;
    for (unsigned i = 0; i < 10; i++) {
        run_with(&r, PACE_WINDOW_MS, 500, 20, 900, 0); /* a window of full turns */
        run_with(&r, 150, 100, 1, 900, 0);
    }
    assert_true(rested_percent(&r) > 85); /* no trial each time */
}

/* So that nobody's 99th percentile sees them. */
static void trials_become_rare_where_they_show_no_gain(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r);
    r.burst_ns[true] = 30000;
    run_with(&r, 3000, 100, 1, 900, 0);
    assert_true(rested_percent(&r) > 0 && rested_percent(&r) < 1);
    r.turns[0] = r.turns[1] = 0;
    run_with(&r, 600000, 200, 1, 900, 0);
    assert_true(r.turns[true] > 0 && rested_percent(&r) < 0.05);
}

static void a_gain_that_comes_later_is_found(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r);
    r.burst_ns[true] = 30000;
    assert_false(run_with(&r, 11000, 100, 1, 900, 0)); /* two trials */
    r.burst_ns[true] = 10000;
    assert_true(run_with(&r, 33000, 100, 1, 900, 0));
}

static void rests_end_soon_when_they_pay_no_longer(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r);
    assert_true(run(&r, 100, 1, 900));
    r.burst_ns[true] = 30000;
    assert_false(run(&r, 100, 1, 900));
}

/* A window with half the messages costs half, whether it rests or not. */
static void a_load_that_becomes_less_is_no_gain(void **state)
{
    (void)state;
    for (unsigned first = 0; first < 2; first++) {
        struct rig r;
        rig_init(&r);
        r.burst_ns[true] = r.burst_ns[false];
        r.rest_us = 1;
        for (unsigned i = first; i < 3000; i++) /* every other window has fewer */
            run_with(&r, PACE_WINDOW_MS, i % 2 == 0 ? 50 : 200, 1, 900, 0);
        assert_true(rested_percent(&r) < 1);
    }
}

/* A trickle that comes and goes begins trials again and again, and ends none. */
static void trials_that_are_cut_short_count(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r);
    for (unsigned i = 0; i < 2000; i++) {
        run_with(&r, 2 * PACE_WINDOW_MS, 100, 1, 900, 0);
        run_with(&r, 2 * PACE_WINDOW_MS, 2000, 1, 900, 0);
    }
    assert_true(rested_percent(&r) < 1);
}

static void it_ends_with_the_trickle(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r);
    assert_true(run(&r, 50, 1, 900));
    assert_false(run(&r, 50, 1, 4));
    assert_true(run_with(&r, 200, 50, 1, 900, 0)); /* tried again at once */
    assert_false(run(&r, 50, 1, 4));
    r.burst_ns[true] = 30000; /* the next one is of another kind */
    r.turns[0] = r.turns[1] = 0;
    assert_false(run_with(&r, 500, 50, 1, 900, 0));
    assert_true(rested_percent(&r) < 10);
    r.burst_ns[true] = 12000;
    assert_true(run_with(&r, 9000, 50, 1, 900, 0));
    r.now_us += 1000000; /* nothing came for a while */
    say(&r, 0, PUBLISH);
    assert_false(turn(&r));
}

static void the_clock_of_a_client_goes_round(void **state)
{
    (void)state;
    const uint64_t last_ms = PACE_CLOCK_MASK;
    struct pace pace = {0};
    struct pace_client c = {0};
    pace_note_burst(&pace, &c, PUBLISH, last_ms);
    assert_int_equal(pace.patient, 1);
    assert_int_equal(c.haste, 0);
    pace_note_burst(&pace, &c, PUBLISH, last_ms + PACE_SILENT_MS - 1); /* it begins anew */
    assert_int_equal(pace.patient, 1);
    assert_int_equal(c.haste, 1);
    pace_note_burst(&pace, &c, PUBLISH, last_ms + PACE_SILENT_MS + PACE_PATIENT_MS);
    assert_int_equal(pace.patient, 2);
    assert_int_equal(c.haste, 0);
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
        cmocka_unit_test(nothing_rests_before_the_load_has_lasted_for_two_seconds),
        cmocka_unit_test(rests_that_save_less_than_they_make_wait_end_with_the_trial),
        cmocka_unit_test(who_speaks_seldom_does_not_feel_a_rest),
        cmocka_unit_test(acknowledgements_that_rests_make_fewer_are_no_measure),
        cmocka_unit_test(a_short_lapse_is_no_other_load),
        cmocka_unit_test(a_small_part_of_the_cpu_time_is_not_worth_it),
        cmocka_unit_test(trials_become_rare_where_they_show_no_gain),
        cmocka_unit_test(a_gain_that_comes_later_is_found),
        cmocka_unit_test(rests_end_soon_when_they_pay_no_longer),
        cmocka_unit_test(a_load_that_becomes_less_is_no_gain),
        cmocka_unit_test(trials_that_are_cut_short_count),
        cmocka_unit_test(it_ends_with_the_trickle),
        cmocka_unit_test(the_clock_of_a_client_goes_round),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
