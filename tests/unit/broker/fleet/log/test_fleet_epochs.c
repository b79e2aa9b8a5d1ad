/* fleet_epochs: what is said late of a session can be told, for a time and within a bound. */
#include "broker/fleet/log/fleet_epochs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static bool pass(struct fleet_epochs *e, const char *client, uint64_t epoch, uint64_t now_ms)
{
    struct mqtt_slice id = {.data = (const uint8_t *)client, .len = (uint32_t)strlen(client)};
    return fleet_epochs_pass(e, id, epoch, now_ms);
}

static void what_an_older_connection_says_is_late(void **state)
{
    struct fleet_epochs *e = fleet_epochs_new(42, 0);
    (void)state;
    assert_true(pass(e, "a", 10, 1));
    assert_true(pass(e, "a", 10, 2)); /* the same connection again */
    assert_true(pass(e, "a", 11, 3));
    assert_false(pass(e, "a", 10, 4));
    assert_true(pass(e, "b", 1, 5)); /* another client's have nothing to do with it */
    assert_false(pass(e, "a", 1, 6));
    fleet_epochs_free(e);
}

static void it_is_remembered_for_its_time_and_no_longer_than_twice_that(void **state)
{
    struct fleet_epochs *e = fleet_epochs_new(42, 0);
    uint64_t keep = FLEET_EPOCHS_KEEP_MS;
    (void)state;
    assert_true(pass(e, "a", 10, keep - 1));
    assert_false(pass(e, "a", 9, keep + 1)); /* turned once */
    assert_true(pass(e, "b", 1, 2 * keep - 10));
    assert_false(pass(e, "a", 9, 2 * keep - 1));
    assert_true(pass(e, "b", 1, 2 * keep + 10));
    assert_true(pass(e, "a", 9, 2 * keep + 20));
    fleet_epochs_free(e);
}

static void what_is_said_again_is_remembered_anew(void **state)
{
    struct fleet_epochs *e = fleet_epochs_new(42, 0);
    uint64_t keep = FLEET_EPOCHS_KEEP_MS;
    (void)state;
    for (uint64_t now = 1; now < 10 * keep; now += keep / 2)
        assert_true(pass(e, "a", 10, now));
    assert_false(pass(e, "a", 9, 10 * keep));
    fleet_epochs_free(e);
}

static void many_sessions_stay_within_the_bound(void **state)
{
    struct fleet_epochs *e = fleet_epochs_new(42, 0);
    char id[24];
    (void)state;
    for (unsigned i = 0; i < 3 * FLEET_EPOCHS_MAX; i++) {
        snprintf(id, sizeof(id), "client%u", i);
        assert_true(pass(e, id, 5, 1));
    }
    assert_true(e->young.count + e->old.count <= 2 * (size_t)FLEET_EPOCHS_MAX);
    assert_true(e->young.size + e->old.size <= 4 * (size_t)FLEET_EPOCHS_MAX);
    assert_false(pass(e, id, 4, 1)); /* the newest are there */
    fleet_epochs_free(e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_an_older_connection_says_is_late),
        cmocka_unit_test(it_is_remembered_for_its_time_and_no_longer_than_twice_that),
        cmocka_unit_test(what_is_said_again_is_remembered_anew),
        cmocka_unit_test(many_sessions_stay_within_the_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
