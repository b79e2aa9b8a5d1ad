/* The clocks tick in milliseconds and agree with the kernel's own. */
#include "common/base/clock.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <time.h>

#include <cmocka.h>

static void clocks_count_milliseconds_forward(void **state)
{
    uint64_t monotonic = clock_monotonic_ms();
    uint64_t boottime = clock_boottime_ms();
    (void)state;
    poll(NULL, 0, 20);
    assert_in_range(clock_monotonic_ms() - monotonic, 19, 10000);
    assert_in_range(clock_boottime_ms() - boottime, 19, 10000);
}

static void the_finer_clocks_are_the_same_one(void **state)
{
    uint64_t ms = clock_monotonic_ms();
    uint64_t us = clock_monotonic_us();
    uint64_t ns = clock_monotonic_ns();
    (void)state;
    assert_true(us / 1000 >= ms && ns / 1000 >= us);
    assert_true(clock_monotonic_ms() >= ns / 1000000);
}

static void boottime_is_never_behind_monotonic(void **state)
{
    uint64_t monotonic = clock_monotonic_ms();
    (void)state;
    assert_true(clock_boottime_ms() >= monotonic);
}

static void realtime_is_the_wall_clock(void **state)
{
    uint64_t before_s = (uint64_t)time(NULL);
    uint64_t now_s = clock_realtime_ms() / 1000;
    (void)state;
    assert_in_range(now_s, before_s > 0 ? before_s - 1 : 0, before_s + 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clocks_count_milliseconds_forward),
        cmocka_unit_test(the_finer_clocks_are_the_same_one),
        cmocka_unit_test(boottime_is_never_behind_monotonic),
        cmocka_unit_test(realtime_is_the_wall_clock),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
