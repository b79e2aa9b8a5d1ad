/* Redis' clock as seen from this host. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "broker/fleet/node/fleet_clock.h"
#include "common/base/clock.h"

enum { AHEAD = 1000000 }; /* Redis' clock, of ours */

static void nothing_known_bounds_nothing(void **state)
{
    struct fleet_clock c = {0};
    struct fleet_moment m = fleet_clock_at(&c, 5000);
    (void)state;
    assert_true(m.earliest == 0);
    assert_true(m.latest == UINT64_MAX);
}

static void the_shortest_round_trip_bounds_best(void **state)
{
    struct fleet_clock c = {0};
    (void)state;
    fleet_clock_note(&c, 1000, 1400, AHEAD + 1390); /* the answer was quick, the question wasn't */
    fleet_clock_note(&c, 2000, 2010, AHEAD + 2004);
    fleet_clock_note(&c, 3000, 3900, AHEAD + 3010);
    struct fleet_moment m = fleet_clock_at(&c, 1234);
    assert_in_range(AHEAD + 1234, m.earliest, m.latest);
    assert_true(m.latest - m.earliest <= 14);
}

static void an_old_answer_doesnt_count_for_ever(void **state)
{
    struct fleet_clock c = {0};
    (void)state;
    fleet_clock_note(&c, 1000, 1000, AHEAD + 1000);
    for (uint64_t at = 2000; at < 2000 + 1000 * FLEET_CLOCK_SAMPLES; at += 1000)
        fleet_clock_note(&c, at, at + 50, AHEAD + at + 20);
    struct fleet_moment m = fleet_clock_at(&c, 0);
    assert_true(m.latest - m.earliest >= 50);
}

static void a_clock_that_was_set_is_believed_at_once(void **state)
{
    struct fleet_clock c = {0};
    (void)state;
    for (uint64_t at = 1000; at < 9000; at += 1000)
        fleet_clock_note(&c, at, at + 1, AHEAD + at);
    fleet_clock_note(&c, 9000, 9040, 9020);
    struct fleet_moment m = fleet_clock_at(&c, 9000);
    assert_in_range(9000, m.earliest, m.latest);
    assert_true(m.latest < 10000);
    fleet_clock_forget(&c);
    assert_true(fleet_clock_at(&c, 0).latest == UINT64_MAX);
}

static void now_is_redis_now(void **state)
{
    enum { HOUR = 3600000 };
    struct fleet_clock c = {0};
    uint64_t boot = clock_boottime_ms();

    (void)state;
    assert_false(c.is_known);
    assert_in_range(fleet_clock_now_ms(&c) + 5000, clock_realtime_ms(), clock_realtime_ms() + 5000);
    fleet_clock_note(&c, boot, boot + 10, boot + HOUR + 5);
    assert_true(c.is_known);
    boot = clock_boottime_ms();
    assert_in_range(fleet_clock_now_ms(&c), boot + HOUR - 20, boot + HOUR + 5000);
}

/* Another server answers: its clock is about the same, and surely better known than this host's. */
static void now_goes_on_when_the_bounds_are_forgotten(void **state)
{
    enum { HOUR = 3600000 };
    struct fleet_clock c = {0};
    uint64_t boot = clock_boottime_ms();

    (void)state;
    fleet_clock_note(&c, boot, boot + 10, boot + HOUR);
    fleet_clock_forget(&c);
    boot = clock_boottime_ms();
    assert_in_range(fleet_clock_now_ms(&c), boot + HOUR - 20, boot + HOUR + 5000);
    fleet_clock_note(&c, boot, boot + 10, boot + 2 * HOUR);
    boot = clock_boottime_ms();
    assert_in_range(fleet_clock_now_ms(&c), boot + 2 * HOUR - 20, boot + 2 * HOUR + 5000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_known_bounds_nothing),
        cmocka_unit_test(the_shortest_round_trip_bounds_best),
        cmocka_unit_test(an_old_answer_doesnt_count_for_ever),
        cmocka_unit_test(a_clock_that_was_set_is_believed_at_once),
        cmocka_unit_test(now_is_redis_now),
        cmocka_unit_test(now_goes_on_when_the_bounds_are_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
