#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lb/stream/stall.h"

#define LIMIT_MS 30000u

static void a_peer_that_takes_nothing_has_stalled_after_the_limit(void **state)
{
    (void)state;
    struct stall s = {0};
    assert_false(stall_judge(&s, 500, true, 1000, LIMIT_MS));
    assert_true(stall_is_watched(&s));
    assert_false(stall_judge(&s, 500, true, 30999, LIMIT_MS));
    assert_true(stall_judge(&s, 500, true, 31000, LIMIT_MS));
}

static void a_slow_peer_has_not_stalled(void **state)
{
    (void)state;
    struct stall s = {0};
    for (uint32_t i = 0; i < 1000; i++)
        assert_false(stall_judge(&s, i, true, 1000 + UINT64_C(29000) * i, LIMIT_MS));
}

static void a_flow_with_nothing_waiting_is_not_watched(void **state)
{
    (void)state;
    struct stall s = {0};
    assert_false(stall_judge(&s, 500, true, 1000, LIMIT_MS));
    assert_false(stall_judge(&s, 500, false, 90000, LIMIT_MS));
    assert_false(stall_is_watched(&s));
    /* and begins anew when something waits again */
    assert_false(stall_judge(&s, 500, true, 95000, LIMIT_MS));
    assert_false(stall_judge(&s, 500, true, 124999, LIMIT_MS));
    assert_true(stall_judge(&s, 500, true, 125000, LIMIT_MS));
}

static void without_a_limit_nothing_has_stalled(void **state)
{
    (void)state;
    struct stall s = {0};
    assert_false(stall_judge(&s, 500, true, 1000, 0));
    assert_false(stall_judge(&s, 500, true, 4000000000u, 0));
}

static void time_and_counts_may_pass_32_bits(void **state)
{
    (void)state;
    struct stall s = {0};
    uint64_t now_ms = UINT64_C(5) << 32; /* cut to 0, which would mean "not watched" */
    assert_false(stall_judge(&s, UINT32_MAX, true, now_ms, LIMIT_MS));
    assert_true(stall_is_watched(&s));
    assert_false(stall_judge(&s, 3, true, now_ms + 29000, LIMIT_MS));
    now_ms = (UINT64_C(6) << 32) - 1000;
    assert_false(stall_judge(&s, 4, true, now_ms, LIMIT_MS));
    assert_false(stall_judge(&s, 4, true, now_ms + 29999, LIMIT_MS));
    assert_true(stall_judge(&s, 4, true, now_ms + 30000, LIMIT_MS));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_peer_that_takes_nothing_has_stalled_after_the_limit),
        cmocka_unit_test(a_slow_peer_has_not_stalled),
        cmocka_unit_test(a_flow_with_nothing_waiting_is_not_watched),
        cmocka_unit_test(without_a_limit_nothing_has_stalled),
        cmocka_unit_test(time_and_counts_may_pass_32_bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
