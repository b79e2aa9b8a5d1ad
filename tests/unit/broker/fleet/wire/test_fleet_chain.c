/* fleet_chain: a call names the one before it, and none goes past one that wasn't done. */
#include "broker/fleet/wire/fleet_chain.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void a_call_names_the_one_that_isnt_answered(void **state)
{
    struct fleet_chain c = {0};
    (void)state;
    assert_int_equal(fleet_chain_send(&c, 3), 0);
    assert_int_equal(fleet_chain_send(&c, 8), 3);
    fleet_chain_answered(&c, 3, true);
    assert_int_equal(fleet_chain_send(&c, 9), 8);
    fleet_chain_answered(&c, 8, true);
    fleet_chain_answered(&c, 9, true);
    assert_int_equal(fleet_chain_send(&c, 10), 0);
}

static void a_broken_one_sends_nothing_until_all_are_answered(void **state)
{
    struct fleet_chain c = {0};
    (void)state;
    for (uint64_t n = 1; n <= 3; n++)
        fleet_chain_send(&c, n);
    assert_true(fleet_chain_is_open(&c));
    fleet_chain_answered(&c, 1, false);
    assert_false(fleet_chain_is_open(&c));
    fleet_chain_answered(&c, 2, true);
    assert_false(fleet_chain_is_open(&c));
    fleet_chain_answered(&c, 3, false);
    assert_true(fleet_chain_is_open(&c));
    assert_int_equal(fleet_chain_send(&c, 4), 0);
}

static void the_last_one_under_way_breaks_nothing(void **state)
{
    struct fleet_chain c = {0};
    (void)state;
    fleet_chain_send(&c, 1);
    fleet_chain_answered(&c, 1, false);
    assert_true(fleet_chain_is_open(&c));
}

static void what_was_answered_neednt_be_named_again(void **state)
{
    struct fleet_chain c = {0};
    (void)state;
    fleet_chain_send(&c, 1);
    fleet_chain_send(&c, 2);
    fleet_chain_send(&c, 3);
    assert_false(fleet_chain_has_done(&c, 1));
    fleet_chain_answered(&c, 1, true);
    assert_true(fleet_chain_has_done(&c, 1));
    assert_false(fleet_chain_has_done(&c, 2));
    fleet_chain_answered(&c, 2, false); /* the third one is still to be refused */
    assert_false(fleet_chain_has_done(&c, 2));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_call_names_the_one_that_isnt_answered),
        cmocka_unit_test(a_broken_one_sends_nothing_until_all_are_answered),
        cmocka_unit_test(the_last_one_under_way_breaks_nothing),
        cmocka_unit_test(what_was_answered_neednt_be_named_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
