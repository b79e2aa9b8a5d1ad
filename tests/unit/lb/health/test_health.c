#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lb/health/health.h"

static const struct health_rule rule = {
    .rise = 2, .fall = 3, .interval_ms = 2000, .fast_interval_ms = 250};

static struct health up_server(void)
{
    struct health h;
    health_init(&h);
    assert_int_equal(health_record(&h, &rule, true), HEALTH_WENT_UP);
    return h;
}

static void new_server_goes_up_after_one_pass(void **state)
{
    (void)state;
    struct health h;
    health_init(&h);
    assert_int_equal(h.state, SERVER_CHECKING);
    assert_int_equal(health_record(&h, &rule, true), HEALTH_WENT_UP);
    assert_int_equal(h.state, SERVER_UP);
}

static void new_server_that_fails_first_still_needs_one_pass(void **state)
{
    (void)state;
    struct health h;
    health_init(&h);
    for (unsigned i = 1; i < rule.fall; i++)
        assert_int_equal(health_record(&h, &rule, false), HEALTH_UNCHANGED);
    assert_int_equal(health_record(&h, &rule, false), HEALTH_WENT_DOWN);
    assert_int_equal(health_record(&h, &rule, true), HEALTH_WENT_UP);
}

static void server_goes_down_after_fall_failures_in_a_row(void **state)
{
    (void)state;
    struct health h = up_server();
    assert_int_equal(health_record(&h, &rule, false), HEALTH_UNCHANGED);
    assert_int_equal(health_record(&h, &rule, false), HEALTH_UNCHANGED);
    assert_int_equal(health_record(&h, &rule, true), HEALTH_UNCHANGED); /* the streak is broken */
    assert_int_equal(health_record(&h, &rule, false), HEALTH_UNCHANGED);
    assert_int_equal(health_record(&h, &rule, false), HEALTH_UNCHANGED);
    assert_int_equal(health_record(&h, &rule, false), HEALTH_WENT_DOWN);
}

static void server_goes_up_after_rise_passes_in_a_row(void **state)
{
    (void)state;
    struct health h = up_server();
    assert_int_equal(health_refused(&h), HEALTH_WENT_DOWN);
    assert_int_equal(health_record(&h, &rule, true), HEALTH_UNCHANGED);
    assert_int_equal(health_record(&h, &rule, false), HEALTH_UNCHANGED);
    assert_int_equal(health_record(&h, &rule, true), HEALTH_UNCHANGED);
    assert_int_equal(health_record(&h, &rule, true), HEALTH_WENT_UP);
}

static void one_refused_connect_marks_down_once(void **state)
{
    (void)state;
    struct health h = up_server();
    assert_int_equal(health_refused(&h), HEALTH_WENT_DOWN);
    assert_int_equal(health_refused(&h), HEALTH_UNCHANGED);
    assert_int_equal(h.state, SERVER_DOWN);
}

static void a_refused_connect_says_nothing_about_a_new_server(void **state)
{
    (void)state;
    struct health h;
    health_init(&h);
    assert_int_equal(health_refused(&h), HEALTH_UNCHANGED);
    assert_int_equal(h.state, SERVER_CHECKING);
}

static void assert_interval(const struct health *h, uint64_t ms)
{
    for (uint32_t random = 0; random < 10000; random += 7)
        assert_in_range(health_delay_ms(h, &rule, random), ms - ms / 10, ms + ms / 10);
}

static void checks_are_faster_while_in_doubt(void **state)
{
    (void)state;
    struct health h;
    health_init(&h);
    assert_interval(&h, 250);
    h = up_server();
    assert_interval(&h, 2000);
    health_record(&h, &rule, false); /* a streak begins */
    assert_interval(&h, 250);
    health_record(&h, &rule, true);
    assert_interval(&h, 2000);
    health_refused(&h);
    assert_interval(&h, 250);
}

static void a_server_that_stays_down_is_checked_at_leisure(void **state)
{
    (void)state;
    struct health h = up_server();
    health_refused(&h);
    for (unsigned i = 0; i < HEALTH_FAST_CHECKS; i++) {
        assert_interval(&h, 250);
        health_record(&h, &rule, false);
    }
    assert_interval(&h, 2000);
    health_record(&h, &rule, true); /* coming back: in doubt again */
    assert_interval(&h, 250);
}

static void jitter_reaches_both_sides_of_the_interval(void **state)
{
    (void)state;
    struct health h = up_server();
    assert_int_equal(health_delay_ms(&h, &rule, 0), 1800);
    assert_int_equal(health_delay_ms(&h, &rule, 400), 2200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(new_server_goes_up_after_one_pass),
        cmocka_unit_test(new_server_that_fails_first_still_needs_one_pass),
        cmocka_unit_test(server_goes_down_after_fall_failures_in_a_row),
        cmocka_unit_test(server_goes_up_after_rise_passes_in_a_row),
        cmocka_unit_test(one_refused_connect_marks_down_once),
        cmocka_unit_test(a_refused_connect_says_nothing_about_a_new_server),
        cmocka_unit_test(checks_are_faster_while_in_doubt),
        cmocka_unit_test(a_server_that_stays_down_is_checked_at_leisure),
        cmocka_unit_test(jitter_reaches_both_sides_of_the_interval),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
