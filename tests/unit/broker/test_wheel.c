/* wheel: deadlines come out once, never early, also far ones and after a long sleep. */
#include "broker/wheel.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct item {
    struct wheel_entry entry;
    int fired;
};

static void on_due(struct wheel_entry *e, void *arg)
{
    (void)arg;
    ((struct item *)e)->fired++;
}

static void a_deadline_comes_out_once_and_not_early(void **state)
{
    (void)state;
    static struct wheel w;
    struct item a = {0};
    wheel_init(&w, 1000);
    wheel_set(&w, &a.entry, 1450);
    for (uint64_t now = 1000; now < 1450; now += 10)
        wheel_advance(&w, now, on_due, NULL);
    assert_int_equal(a.fired, 0);
    wheel_advance(&w, 1450 + WHEEL_TICK_MS, on_due, NULL);
    assert_int_equal(a.fired, 1);
    assert_false(wheel_is_set(&a.entry));
    wheel_advance(&w, 100000, on_due, NULL);
    assert_int_equal(a.fired, 1);
}

static void a_deadline_beyond_the_horizon_waits_its_time(void **state)
{
    (void)state;
    static struct wheel w;
    struct item a = {0};
    wheel_init(&w, 0);
    wheel_set(&w, &a.entry, 600000);
    for (uint64_t now = 0; now < 600000; now += 50)
        wheel_advance(&w, now, on_due, NULL);
    assert_int_equal(a.fired, 0);
    wheel_advance(&w, 600000 + WHEEL_TICK_MS, on_due, NULL);
    assert_int_equal(a.fired, 1);
}

static void a_cancelled_or_moved_deadline_is_forgotten(void **state)
{
    (void)state;
    static struct wheel w;
    struct item a = {0};
    struct item b = {0};
    wheel_init(&w, 0);
    wheel_set(&w, &a.entry, 500);
    wheel_set(&w, &b.entry, 500);
    wheel_cancel(&a.entry);
    wheel_set(&w, &b.entry, 5000);
    wheel_advance(&w, 1000, on_due, NULL);
    assert_int_equal(a.fired + b.fired, 0);
    wheel_advance(&w, 5200, on_due, NULL);
    assert_int_equal(b.fired, 1);
}

static void a_long_sleep_lets_everything_due_out(void **state)
{
    (void)state;
    static struct wheel w;
    static struct item items[1000];
    wheel_init(&w, 0);
    for (uint64_t i = 0; i < 1000; i++)
        wheel_set(&w, &items[i].entry, i * 100);
    wheel_advance(&w, 10000000, on_due, NULL);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(items[i].fired, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_deadline_comes_out_once_and_not_early),
        cmocka_unit_test(a_deadline_beyond_the_horizon_waits_its_time),
        cmocka_unit_test(a_cancelled_or_moved_deadline_is_forgotten),
        cmocka_unit_test(a_long_sleep_lets_everything_due_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
