/* Deadlines of the timer wheel. Time is an argument: nothing here sleeps. */
#include "common/base/wheel.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

struct probe {
    struct wheel_timer timer;
    unsigned fired;
    struct wheel *again; /* set once more when it fires */
    uint64_t again_at_ms;
    struct probe *cancels;
};

static void on_due(struct wheel_timer *t)
{
    struct probe *p = (struct probe *)t;
    p->fired++;
    if (p->again != NULL && p->fired == 1)
        wheel_set(p->again, t, p->again_at_ms);
    if (p->cancels != NULL)
        wheel_cancel(&p->cancels->timer);
}

static struct probe probe_new(void)
{
    return (struct probe){.timer.due = on_due};
}

static void fires_once_and_never_early(void **state)
{
    (void)state;
    static struct wheel w;
    struct probe p = probe_new();
    wheel_init(&w, 1000);
    wheel_set(&w, &p.timer, 1500);
    for (uint64_t now = 1000; now < 1500; now++)
        wheel_advance(&w, now);
    assert_int_equal(p.fired, 0);
    wheel_advance(&w, 1500 + WHEEL_TICK_MS);
    assert_int_equal(p.fired, 1);
    wheel_advance(&w, 90000);
    assert_int_equal(p.fired, 1);
}

static void waits_for_more_than_a_round(void **state)
{
    (void)state;
    static struct wheel w;
    struct probe p = probe_new();
    uint64_t at = 7 + 5 * WHEEL_TICK_MS * WHEEL_SLOTS;
    wheel_init(&w, 0);
    wheel_set(&w, &p.timer, at);
    uint64_t now = 0;
    while (p.fired == 0 && now < 2 * at) {
        int wait = wheel_wait_ms(&w, now);
        assert_true(wait >= 0);
        now += wait > 0 ? (uint64_t)wait : 1;
        wheel_advance(&w, now);
    }
    assert_in_range(now, at, at + WHEEL_TICK_MS);
}

static void sleeps_for_ever_without_timers(void **state)
{
    (void)state;
    static struct wheel w;
    struct probe p = probe_new();
    wheel_init(&w, 5);
    assert_int_equal(wheel_wait_ms(&w, 5), -1);
    wheel_set(&w, &p.timer, 100);
    wheel_cancel(&p.timer);
    wheel_advance(&w, 200); /* the slot's mark goes with its tick */
    assert_int_equal(wheel_wait_ms(&w, 200), -1);
    assert_int_equal(p.fired, 0);
}

static void timer_may_set_itself_and_cancel_another(void **state)
{
    (void)state;
    static struct wheel w;
    struct probe again = probe_new();
    struct probe victim = probe_new();
    struct probe killer = probe_new();
    wheel_init(&w, 0);
    again.again = &w;
    again.again_at_ms = 100; /* over already when it is set: the next tick */
    killer.cancels = &victim;
    wheel_set(&w, &again.timer, 100);
    wheel_set(&w, &victim.timer, 200); /* lists are last in, first out: the killer comes first */
    wheel_set(&w, &killer.timer, 200);
    wheel_advance(&w, 112);
    assert_int_equal(again.fired, 1);
    wheel_advance(&w, 300);
    assert_int_equal(again.fired, 2);
    assert_int_equal(killer.fired, 1);
    assert_int_equal(victim.fired, 0);
}

static void many_random_deadlines_all_come_true_in_time(void **state)
{
    (void)state;
    enum { COUNT = 2000 };
    static struct wheel w;
    static struct probe probes[COUNT];
    static uint64_t at[COUNT];
    uint64_t now = 123456;
    srandom(1);
    wheel_init(&w, now);
    for (int i = 0; i < COUNT; i++) {
        probes[i] = probe_new();
        at[i] = now + (uint64_t)random() % 60000;
        wheel_set(&w, &probes[i].timer, at[i]);
    }
    while (now < 123456 + 61000) {
        now += (uint64_t)random() % 700;
        wheel_advance(&w, now);
        for (int i = 0; i < COUNT; i++) {
            if (at[i] + WHEEL_TICK_MS <= now)
                assert_int_equal(probes[i].fired, 1);
            else if (at[i] > now)
                assert_int_equal(probes[i].fired, 0);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fires_once_and_never_early),
        cmocka_unit_test(waits_for_more_than_a_round),
        cmocka_unit_test(sleeps_for_ever_without_timers),
        cmocka_unit_test(timer_may_set_itself_and_cancel_another),
        cmocka_unit_test(many_random_deadlines_all_come_true_in_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
