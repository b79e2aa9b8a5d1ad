/* backoff: waits double, are spread, end at a bound, and begin anew after a connection. */
#include "common/base/backoff.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static struct backoff backoff_of(uint64_t min_ms, uint64_t max_ms)
{
    return (struct backoff){.min_ms = min_ms, .max_ms = max_ms};
}

/* `random` that makes a wait of ms as long as it may be. */
static uint64_t whole(uint64_t ms)
{
    return ms / 2;
}

static void waits_double_up_to_the_longest(void **state)
{
    (void)state;
    static const uint64_t expected[] = {100, 200, 400, 800, 1000, 1000};
    struct backoff b = backoff_of(100, 1000);
    for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
        assert_int_equal(backoff_fail(&b, true, whole(expected[i])), expected[i]);
        assert_int_equal(b.wait_ms, expected[i]);
    }
}

static void a_wait_is_spread_over_its_second_half(void **state)
{
    (void)state;
    for (uint64_t random = 0; random <= 200; random++) {
        struct backoff b = backoff_of(100, 1000);
        assert_in_range(backoff_fail(&b, true, random), 50, 100);
    }
    struct backoff shortest = backoff_of(100, 1000);
    assert_int_equal(backoff_fail(&shortest, true, 0), 50);
    struct backoff any = backoff_of(100, 1000);
    assert_in_range(backoff_fail(&any, true, UINT64_MAX), 50, 100);
}

static void only_the_first_failure_may_go_without_a_wait(void **state)
{
    (void)state;
    struct backoff b = backoff_of(100, 1000);
    assert_int_equal(backoff_fail(&b, false, whole(100)), 0);
    assert_int_equal(backoff_fail(&b, false, whole(200)), 200);
    assert_int_equal(backoff_fail(&b, false, whole(400)), 400);
}

static void a_steady_connection_ends_the_row(void **state)
{
    (void)state;
    struct backoff b = backoff_of(100, 1000);
    for (int i = 0; i < 5; i++)
        backoff_fail(&b, true, 0);
    backoff_was_up(&b, BACKOFF_STEADY_MS);
    assert_int_equal(backoff_fail(&b, false, 0), 0);
    assert_int_equal(b.failures, 1);
}

static void a_connection_that_was_up_for_a_moment_only_is_waited_for(void **state)
{
    (void)state;
    struct backoff b = backoff_of(100, 1000);
    for (int i = 0; i < 5; i++)
        backoff_fail(&b, true, 0);
    backoff_was_up(&b, BACKOFF_STEADY_MS - 1);
    assert_int_equal(backoff_fail(&b, false, whole(200)), 200);
}

static void an_unfit_server_is_waited_for_much_longer(void **state)
{
    (void)state;
    struct backoff b = backoff_of(100, 100000);
    backoff_unfit(&b);
    assert_int_equal(backoff_fail(&b, true, whole(1600)), 1600);
}

static void very_many_failures_do_not_overflow(void **state)
{
    (void)state;
    struct backoff b = backoff_of(60000, 600000);
    for (int i = 0; i < 1000; i++)
        assert_in_range(backoff_fail(&b, true, UINT64_MAX), 30000, 600000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(waits_double_up_to_the_longest),
        cmocka_unit_test(a_wait_is_spread_over_its_second_half),
        cmocka_unit_test(only_the_first_failure_may_go_without_a_wait),
        cmocka_unit_test(a_steady_connection_ends_the_row),
        cmocka_unit_test(a_connection_that_was_up_for_a_moment_only_is_waited_for),
        cmocka_unit_test(an_unfit_server_is_waited_for_much_longer),
        cmocka_unit_test(very_many_failures_do_not_overflow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
