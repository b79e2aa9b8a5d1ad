/* timebox: bounded by the CPU time that was used, not by the time that passed. */
#include "common/base/timebox.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <time.h>

#include <cmocka.h>

#include "common/base/clock.h"

static void burn_us(uint64_t us)
{
    uint64_t end = clock_thread_cpu_ns() + us * 1000;
    while (clock_thread_cpu_ns() < end)
        ;
}

static void ends_once_its_cpu_time_is_used(void **state)
{
    (void)state;
    struct timebox t;
    uint64_t begin = clock_thread_cpu_ns();
    timebox_open(&t, 2000);
    while (!timebox_spend(&t, TIMEBOX_LOOK_US))
        burn_us(50);
    uint64_t used = clock_thread_cpu_ns() - begin;
    assert_true(used >= 2000 * 1000);
    assert_true(used < 20 * 1000 * 1000);
    assert_true(timebox_is_over(&t));
    assert_true(timebox_spend(&t, 0)); /* and stays so */
}

static void waiting_isnt_counted(void **state)
{
    (void)state;
    struct timespec pause = {.tv_nsec = 30 * 1000 * 1000};
    struct timebox t;
    timebox_open(&t, 20000);
    nanosleep(&pause, NULL);
    assert_false(timebox_look(&t));
    burn_us(21000);
    assert_true(timebox_look(&t));
}

static void small_costs_dont_look_at_the_clock(void **state)
{
    (void)state;
    struct timebox t;
    timebox_open_at(&t, 0, 0, 0); /* over long since */
    for (int i = 1; i < TIMEBOX_LOOK_US; i++)
        assert_false(timebox_spend(&t, 1));
    assert_true(timebox_spend(&t, 1));
}

static void a_box_may_begin_in_the_past(void **state)
{
    (void)state;
    struct timebox t;
    uint64_t wall = clock_monotonic_ns();
    uint64_t cpu = clock_thread_cpu_ns();
    burn_us(3000);
    timebox_open_at(&t, wall, cpu, 2000);
    assert_true(timebox_look(&t));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ends_once_its_cpu_time_is_used),
        cmocka_unit_test(waiting_isnt_counted),
        cmocka_unit_test(small_costs_dont_look_at_the_clock),
        cmocka_unit_test(a_box_may_begin_in_the_past),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
