/* redis_timing: when a silence counts, whose it is, and which answer ends a sample. */
#include "common/redis/redis_timing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void silence_counts_only_while_an_answer_is_awaited(void **state)
{
    (void)state;
    struct redis_timing t = {0};
    redis_timing_begin(&t, 1000);
    assert_int_equal(redis_timing_silent_ms(&t, false, 5000), 0);
    assert_int_equal(redis_timing_silent_ms(&t, true, 5000), 0);
    assert_int_equal(redis_timing_silent_ms(&t, true, 5300), 300);
    redis_timing_progress(&t, 5300);
    assert_int_equal(redis_timing_silent_ms(&t, true, 5400), 100);
    assert_int_equal(redis_timing_silent_ms(&t, false, 9000), 0);
    assert_int_equal(redis_timing_silent_ms(&t, true, 9001), 1);
}

static void a_long_while_without_a_look_is_a_sleep(void **state)
{
    (void)state;
    struct redis_timing t = {0};
    redis_timing_look(&t, 1000);
    assert_false(redis_timing_look(&t, 1000));
    assert_false(redis_timing_look(&t, 1000 + REDIS_TIMING_SLEPT_MS));
    assert_true(redis_timing_look(&t, 1001 + 2 * REDIS_TIMING_SLEPT_MS));
    assert_false(redis_timing_look(&t, 1002 + 2 * REDIS_TIMING_SLEPT_MS));
}

static void reading_that_stood_still_is_as_a_sleep_and_no_silence(void **state)
{
    (void)state;
    struct redis_timing t = {0};
    redis_timing_begin(&t, 1000);
    redis_timing_look(&t, 9000);
    redis_timing_resume(&t, 9000);
    assert_int_equal(redis_timing_silent_ms(&t, true, 9010), 10);
    assert_true(redis_timing_look(&t, 9010));
    assert_false(redis_timing_look(&t, 9020));
}

static void a_sample_ends_with_the_last_answer_of_its_write(void **state)
{
    (void)state;
    struct redis_timing t = {0};
    redis_timing_begin(&t, 1000);
    assert_false(redis_timing_is_sampling(&t));
    assert_false(redis_timing_answered(&t));
    redis_timing_sample(&t, 3, 77);
    assert_true(redis_timing_is_sampling(&t));
    assert_false(redis_timing_answered(&t));
    assert_false(redis_timing_answered(&t));
    assert_true(redis_timing_answered(&t));
    assert_int_equal(t.sample_us, 77);
    assert_false(redis_timing_is_sampling(&t));
    assert_false(redis_timing_answered(&t));
}

static void what_has_no_answer_is_no_sample(void **state)
{
    (void)state;
    struct redis_timing t = {0};
    redis_timing_sample(&t, 0, 77);
    assert_false(redis_timing_is_sampling(&t));
}

static void a_new_connection_forgets_the_sample(void **state)
{
    (void)state;
    struct redis_timing t = {0};
    redis_timing_sample(&t, 2, 77);
    redis_timing_begin(&t, 1000);
    assert_false(redis_timing_is_sampling(&t));
    assert_false(redis_timing_answered(&t));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(silence_counts_only_while_an_answer_is_awaited),
        cmocka_unit_test(a_long_while_without_a_look_is_a_sleep),
        cmocka_unit_test(reading_that_stood_still_is_as_a_sleep_and_no_silence),
        cmocka_unit_test(a_sample_ends_with_the_last_answer_of_its_write),
        cmocka_unit_test(what_has_no_answer_is_no_sample),
        cmocka_unit_test(a_new_connection_forgets_the_sample),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
