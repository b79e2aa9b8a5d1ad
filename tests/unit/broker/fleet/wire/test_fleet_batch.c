/* fleet_batch: numbers grow whatever they name, and say what must have come before. */
#include "broker/fleet/wire/fleet_batch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const enum fleet_batch_stream MESSAGES = FLEET_BATCH_MESSAGES,
                                     REQUESTS = FLEET_BATCH_REQUESTS;

static void a_number_has_what_was_put_into_it(void **state)
{
    static const uint64_t calls[] = {1, 2, FLEET_BATCH_FAR, (uint64_t)1 << 40};
    (void)state;
    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
        uint64_t before = calls[i] - 1;
        uint64_t n = fleet_batch_number(REQUESTS, calls[i], before);
        assert_int_equal(fleet_batch_call(n), calls[i]);
        assert_int_equal(fleet_batch_before(n), before);
        assert_int_equal(fleet_batch_stream(n), REQUESTS);
        n = fleet_batch_number(MESSAGES, calls[i], 0);
        assert_int_equal(fleet_batch_call(n), calls[i]);
        assert_int_equal(fleet_batch_before(n), 0);
        assert_int_equal(fleet_batch_stream(n), MESSAGES);
    }
}

/* Brokers that know no more than that drop a batch whose number isn't above the last one. */
static void numbers_grow_with_the_calls(void **state)
{
    uint64_t last = 0;
    (void)state;
    for (uint64_t call = 1; call < 100; call++) {
        uint64_t n = fleet_batch_number(call % 3 == 0 ? REQUESTS : MESSAGES, call,
                                        call % 2 == 0 ? call / 2 : 0);
        assert_true(n > last);
        last = n;
    }
}

static void a_batch_follows_what_it_names(void **state)
{
    uint64_t last = fleet_batch_number(MESSAGES, 7, 3);
    (void)state;
    assert_true(fleet_batch_follows(fleet_batch_number(MESSAGES, 9, 7), last));
    assert_true(fleet_batch_follows(fleet_batch_number(MESSAGES, 9, 5), last));
    assert_false(fleet_batch_follows(fleet_batch_number(MESSAGES, 9, 8), last));
    assert_true(fleet_batch_follows(fleet_batch_number(MESSAGES, 9, 0), last));
    assert_false(fleet_batch_follows(fleet_batch_number(MESSAGES, 9, 8), 0));
    assert_true(
        fleet_batch_follows(fleet_batch_names_none(fleet_batch_number(MESSAGES, 9, 8)), last));
}

static void a_number_of_before_names_none(void **state)
{
    (void)state;
    for (uint64_t n = 1; n < (uint64_t)1 << 40; n = n * 3 + 1) {
        assert_int_equal(fleet_batch_before(n), 0);
        assert_int_equal(fleet_batch_stream(n), MESSAGES);
        assert_true(fleet_batch_follows(n, n - 1));
    }
}

static void what_is_too_far_cant_be_named(void **state)
{
    (void)state;
    assert_true(fleet_batch_may_name(FLEET_BATCH_FAR + 1, 1));
    assert_false(fleet_batch_may_name(FLEET_BATCH_FAR + 2, 1));
    assert_true(fleet_batch_may_name(FLEET_BATCH_FAR + 2, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_number_has_what_was_put_into_it),
        cmocka_unit_test(numbers_grow_with_the_calls),
        cmocka_unit_test(a_batch_follows_what_it_names),
        cmocka_unit_test(a_number_of_before_names_none),
        cmocka_unit_test(what_is_too_far_cant_be_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
