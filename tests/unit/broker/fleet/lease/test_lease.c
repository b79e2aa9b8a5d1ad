/* lease: when a node is unsure of itself, and when it suspects another (rules 1 and 2), without
 * clocks or Redis. */
#include "broker/fleet/lease/lease.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { LEASE = 5000, INTERVAL = 1000, START = 100000 };

static struct lease started(void)
{
    struct lease l;
    lease_start(&l, LEASE, INTERVAL, START);
    return l;
}

/* Beats each second, each answered after 10 ms, until `until`. */
static void beat_until(struct lease *l, uint64_t *now, uint64_t until)
{
    for (; *now < until; *now += 10) {
        if (lease_beat_is_due(l, *now)) {
            lease_beat_sent(l, *now);
            lease_beat_answered(l, *now + 10);
        }
    }
}

static void a_node_is_unsure_after_four_fifths_of_the_lease(void **state)
{
    struct lease l = started();
    (void)state;
    assert_false(lease_is_unsure(&l, START + 4000));
    assert_true(lease_is_unsure(&l, START + 4001));
}

static void an_answer_renews_from_when_the_beat_was_sent(void **state)
{
    struct lease l = started();
    (void)state;
    lease_beat_sent(&l, START + 3000);
    lease_beat_answered(&l, START + 6000);
    assert_false(lease_is_unsure(&l, START + 7000));
    assert_true(lease_is_unsure(&l, START + 7001));
}

static void a_counter_that_stands_for_a_lease_makes_a_suspect(void **state)
{
    struct lease l = started();
    uint64_t now = START;
    (void)state;
    beat_until(&l, &now, START + 8000);
    assert_false(lease_suspects(&l, START + 3001, now));
    assert_true(lease_suspects(&l, START + 3000, now));
}

static void a_missed_beat_restarts_the_window(void **state)
{
    struct lease l = started();
    uint64_t now = START;
    (void)state;
    beat_until(&l, &now, START + 6000);
    assert_true(lease_suspects(&l, START, now));
    lease_beat_sent(&l, START + 6000);
    assert_false(lease_beat_is_due(&l, START + 7000)); /* not answered: missed */
    assert_false(lease_suspects(&l, START, START + 7000));
    lease_beat_answered(&l, START + 7500);
    assert_false(lease_suspects(&l, START, START + 12000));
    now = START + 8000;
    beat_until(&l, &now, START + 12600);
    assert_true(lease_suspects(&l, START, now));
}

static void a_late_answer_restarts_the_window(void **state)
{
    struct lease l = started();
    (void)state;
    lease_beat_sent(&l, START + 1000);
    lease_beat_answered(&l, START + 2500);
    assert_int_equal(l.window_ms, START + 2500);
}

static void a_lost_connection_restarts_the_window_and_beats_at_once(void **state)
{
    struct lease l = started();
    (void)state;
    lease_beat_sent(&l, START + 5000);
    lease_beat_lost(&l);
    assert_true(lease_beat_is_due(&l, START + 5000));
    assert_false(lease_suspects(&l, START, START + 9000));
    lease_beat_sent(&l, START + 6000);
    lease_beat_answered(&l, START + 6001);
    assert_int_equal(l.window_ms, START + 6001);
}

static void sleep_makes_no_suspects(void **state)
{
    struct lease l = started();
    uint64_t now = START;
    (void)state;
    beat_until(&l, &now, START + 2000);
    now = START + 60000; /* SIGSTOP, a suspended machine */
    assert_true(lease_is_unsure(&l, now));
    assert_true(lease_beat_is_due(&l, now));
    lease_beat_sent(&l, now);
    lease_beat_answered(&l, now + 1);
    assert_false(lease_is_unsure(&l, now + 1));
    assert_false(lease_suspects(&l, START + 2000, now + 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_node_is_unsure_after_four_fifths_of_the_lease),
        cmocka_unit_test(an_answer_renews_from_when_the_beat_was_sent),
        cmocka_unit_test(a_counter_that_stands_for_a_lease_makes_a_suspect),
        cmocka_unit_test(a_missed_beat_restarts_the_window),
        cmocka_unit_test(a_late_answer_restarts_the_window),
        cmocka_unit_test(a_lost_connection_restarts_the_window_and_beats_at_once),
        cmocka_unit_test(sleep_makes_no_suspects),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
