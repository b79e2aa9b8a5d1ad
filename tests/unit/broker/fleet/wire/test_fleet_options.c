/* fleet_options: a subscription's options are read as they were written; what is cut or empty harms nothing. */
#include "broker/fleet/wire/fleet_options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "broker/store/store.h"

static void assert_comes_back(const struct store_subscription *sub, size_t len)
{
    struct fleet_options o = fleet_options_write(sub);
    struct store_subscription again = {0};
    assert_int_equal(o.len, len);
    fleet_options_read(o.bytes, o.len, &again);
    assert_int_equal(again.qos, sub->qos);
    assert_int_equal(again.no_local, sub->no_local);
    assert_int_equal(again.retain_as_published, sub->retain_as_published);
    assert_int_equal(again.subscription_id, sub->subscription_id);
}

static void options_come_back_each_by_itself(void **state)
{
    (void)state;
    for (uint8_t qos = 0; qos < 3; qos++)
        assert_comes_back(&(struct store_subscription){.qos = qos}, 1);
    assert_comes_back(&(struct store_subscription){.no_local = true}, 1);
    assert_comes_back(&(struct store_subscription){.retain_as_published = true}, 1);
    assert_comes_back(&(struct store_subscription){.subscription_id = 1}, 5);
    assert_comes_back(&(struct store_subscription){.subscription_id = 268435455}, 5);
    assert_comes_back(
        &(struct store_subscription){
            .qos = 2, .no_local = true, .retain_as_published = true, .subscription_id = 0x01020304},
        5);
}

/* The stored format: scripts and other brokers read it. */
static void the_bytes_are_flags_and_an_identifier(void **state)
{
    struct store_subscription sub = {
        .qos = 1, .no_local = true, .retain_as_published = true, .subscription_id = 0x01020304};
    struct fleet_options o = fleet_options_write(&sub);
    (void)state;
    assert_memory_equal(o.bytes, "\x1d\x01\x02\x03\x04", 5);
}

static void no_bytes_are_no_options(void **state)
{
    struct store_subscription sub = {0};
    (void)state;
    fleet_options_read("\x1d", 0, &sub);
    assert_int_equal(sub.qos, 0);
    assert_false(sub.no_local);
}

static void an_identifier_that_was_cut_is_none(void **state)
{
    struct store_subscription sub = {0};
    (void)state;
    fleet_options_read("\x11\x01\x02\x03\x04", 4, &sub);
    assert_int_equal(sub.qos, 1);
    assert_int_equal(sub.subscription_id, 0);
    fleet_options_read("\x01\x01\x02\x03\x04", 5, &sub); /* not said to be one */
    assert_int_equal(sub.subscription_id, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_come_back_each_by_itself),
        cmocka_unit_test(the_bytes_are_flags_and_an_identifier),
        cmocka_unit_test(no_bytes_are_no_options),
        cmocka_unit_test(an_identifier_that_was_cut_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
