/* load_average: what there is per minute, over 1, 5 and 15 minutes. */
#include "broker/base/load_average.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static bool is_about(double have, double want)
{
    return fabs(have - want) < 0.01;
}

/* So much at each of these steps. */
static void steps(struct load_average *a, int count, uint64_t each, uint64_t ms)
{
    for (int i = 0; i < count; i++)
        load_average_step(a, a->total + each, ms);
}

static void without_load_they_stay_at_0(void **state)
{
    struct load_average a = {0};
    (void)state;
    steps(&a, 10, 0, 10000);
    for (int i = 0; i < LOAD_WINDOWS; i++)
        assert_true(a.per_minute[i] == 0);
}

/* 10 in 10 s are 60 in a minute, of which the first step takes 1 - exp(-10 s / window). */
static void the_first_step_weighs_as_its_part_of_the_window(void **state)
{
    struct load_average a = {0};
    (void)state;
    load_average_step(&a, 10, 10000);
    assert_true(is_about(a.per_minute[LOAD_1MIN], 9.21));
    assert_true(is_about(a.per_minute[LOAD_5MIN], 1.97));
    assert_true(is_about(a.per_minute[LOAD_15MIN], 0.66));
}

static void a_steady_load_is_reached_by_the_short_window_first(void **state)
{
    struct load_average a = {0};
    (void)state;
    steps(&a, 60, 10, 10000); /* 10 minutes */
    assert_true(is_about(a.per_minute[LOAD_1MIN], 60));
    assert_true(is_about(a.per_minute[LOAD_5MIN], 60 * (1 - exp(-2))));
    assert_true(is_about(a.per_minute[LOAD_15MIN], 60 * (1 - exp(-2.0 / 3))));
    steps(&a, 1200, 10, 10000);
    for (int i = 0; i < LOAD_WINDOWS; i++)
        assert_true(is_about(a.per_minute[i], 60));
}

static void what_was_is_forgotten_by_and_by(void **state)
{
    struct load_average a = {.per_minute = {100, 100, 100}};
    (void)state;
    steps(&a, 6, 0, 10000);
    assert_true(is_about(a.per_minute[LOAD_1MIN], 100 * exp(-1)));
    assert_true(is_about(a.per_minute[LOAD_5MIN], 100 * exp(-0.2)));
    assert_true(is_about(a.per_minute[LOAD_15MIN], 100 * exp(-1.0 / 15)));
}

/* How often it is stepped doesn't matter. */
static void short_and_long_steps_come_to_the_same(void **state)
{
    struct load_average often = {0};
    struct load_average seldom = {0};
    (void)state;
    steps(&often, 600, 1, 100);
    steps(&seldom, 2, 300, 30000);
    for (int i = 0; i < LOAD_WINDOWS; i++)
        assert_true(is_about(often.per_minute[i], seldom.per_minute[i]));
}

static void no_time_is_no_step(void **state)
{
    struct load_average a = {.total = 5, .per_minute = {1, 2, 3}};
    (void)state;
    load_average_step(&a, 50, 0);
    assert_int_equal(a.total, 5);
    assert_true(a.per_minute[LOAD_1MIN] == 1);
    load_average_step(&a, 50, 60000); /* nothing was lost */
    assert_true(is_about(a.per_minute[LOAD_1MIN], exp(-1) + 45 * (1 - exp(-1))));
}

static void the_windows_have_mosquittos_names(void **state)
{
    (void)state;
    assert_string_equal(load_window_names[LOAD_1MIN], "1min");
    assert_string_equal(load_window_names[LOAD_5MIN], "5min");
    assert_string_equal(load_window_names[LOAD_15MIN], "15min");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_load_they_stay_at_0),
        cmocka_unit_test(the_first_step_weighs_as_its_part_of_the_window),
        cmocka_unit_test(a_steady_load_is_reached_by_the_short_window_first),
        cmocka_unit_test(what_was_is_forgotten_by_and_by),
        cmocka_unit_test(short_and_long_steps_come_to_the_same),
        cmocka_unit_test(no_time_is_no_step),
        cmocka_unit_test(the_windows_have_mosquittos_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
