/* How many there are at once by a key, and how fast they come. */
#include "broker/base/tally.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static int set_up(void **state)
{
    *state = tally_new();
    return *state != NULL ? 0 : -1;
}

static int tear_down(void **state)
{
    tally_free(*state);
    return 0;
}

static void so_many_are_taken_at_once(void **state)
{
    struct tally *t = *state;
    const struct tally_bounds two = {.at_once = 2};
    assert_int_equal(tally_come(t, 7, &two, 0, 1), TALLY_TAKEN);
    assert_int_equal(tally_come(t, 7, &two, 0, 1), TALLY_TAKEN);
    assert_int_equal(tally_come(t, 7, &two, 0, 1), TALLY_TOO_MANY);
    assert_int_equal(tally_come(t, 8, &two, 0, 1), TALLY_TAKEN);
    assert_int_equal(tally_count(t, 7), 2);
    tally_go(t, 7, 2);
    assert_int_equal(tally_come(t, 7, &two, 0, 2), TALLY_TAKEN);
    assert_int_equal(tally_come(t, 7, &two, 0, 2), TALLY_TOO_MANY);
}

static void one_that_replaces_another_is_taken(void **state)
{
    struct tally *t = *state;
    const struct tally_bounds one = {.at_once = 1};
    assert_int_equal(tally_come(t, 7, &one, 0, 1), TALLY_TAKEN);
    assert_int_equal(tally_come(t, 7, &one, 1, 1), TALLY_TAKEN);
    assert_int_equal(tally_come(t, 7, &one, 1, 1), TALLY_TOO_MANY);
}

static void without_bounds_all_are_taken(void **state)
{
    struct tally *t = *state;
    const struct tally_bounds none = {0};
    for (int i = 0; i < 1000; i++)
        assert_int_equal(tally_come(t, 7, &none, 0, 1), TALLY_TAKEN);
}

static int taken_of(struct tally *t, uint64_t key, uint32_t per_second, int tries, uint64_t now_ms)
{
    const struct tally_bounds bounds = {.per_second = per_second};
    int taken = 0;
    for (int i = 0; i < tries; i++) {
        if (tally_come(t, key, &bounds, 0, now_ms) != TALLY_TAKEN)
            continue;
        taken++;
        tally_go(t, key, now_ms);
    }
    return taken;
}

static void a_seconds_worth_may_come_at_once(void **state)
{
    struct tally *t = *state;
    assert_int_equal(taken_of(t, 7, 10, 50, 1000), 10);
    assert_int_equal(taken_of(t, 7, 10, 50, 1050), 0);
    assert_int_equal(taken_of(t, 7, 10, 50, 1100), 1);
    assert_int_equal(taken_of(t, 7, 10, 50, 1600), 5);
    assert_int_equal(taken_of(t, 7, 10, 50, 9000), 10);
    assert_int_equal(taken_of(t, 8, 1, 50, 9000), 1);
    assert_int_equal(taken_of(t, 8, 1, 50, 9999), 0);
    assert_int_equal(taken_of(t, 8, 1, 50, 10000), 1);
}

static void who_is_refused_doesnt_wait_longer(void **state)
{
    struct tally *t = *state;
    assert_int_equal(taken_of(t, 7, 2, 2, 1000), 2);
    for (uint64_t now_ms = 1000; now_ms < 1500; now_ms += 10)
        assert_int_equal(taken_of(t, 7, 2, 5, now_ms), 0);
    assert_int_equal(taken_of(t, 7, 2, 5, 1500), 1);
}

static void who_is_gone_is_forgotten(void **state)
{
    struct tally *t = *state;
    const struct tally_bounds none = {0};
    for (uint64_t key = 1; key <= 100; key++) {
        assert_int_equal(tally_come(t, key, &none, 0, 1), TALLY_TAKEN);
        tally_go(t, key, 1);
    }
    assert_true(tally_size(t) <= 2);
}

static void a_crowd_that_came_fast_is_bounded(void **state)
{
    struct tally *t = *state;
    for (uint64_t key = 1; key <= 70000; key++)
        assert_int_equal(taken_of(t, key, 1, 1, 1000), 1);
    assert_true(tally_size(t) <= 65540);
    assert_int_equal(taken_of(t, 70000, 1, 1, 1000), 0); /* the newest are kept */
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(so_many_are_taken_at_once),         TEST(one_that_replaces_another_is_taken),
        TEST(without_bounds_all_are_taken),      TEST(a_seconds_worth_may_come_at_once),
        TEST(who_is_refused_doesnt_wait_longer), TEST(who_is_gone_is_forgotten),
        TEST(a_crowd_that_came_fast_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
