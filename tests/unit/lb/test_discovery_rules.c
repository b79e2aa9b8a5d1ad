#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lb/address.h"
#include "lb/discovery_rules.h"
#include "lb/lb_config.h"

#define HOLD_MS 30000u

static void a_good_answer_replaces_the_set(void **state)
{
    (void)state;
    struct discovery_memory m = {0};
    assert_int_equal(discovery_judge(&m, true, 3, 1000, HOLD_MS), DISCOVERY_REPLACE);
    assert_int_equal(discovery_judge(&m, true, 1, 2000, HOLD_MS), DISCOVERY_REPLACE);
}

static void failures_and_empty_answers_keep_the_last_good_one_for_hold(void **state)
{
    (void)state;
    struct discovery_memory m = {0};
    discovery_judge(&m, true, 3, 1000, HOLD_MS);
    assert_int_equal(discovery_judge(&m, false, 0, 2000, HOLD_MS), DISCOVERY_KEEP);
    assert_int_equal(discovery_judge(&m, true, 0, 30999, HOLD_MS), DISCOVERY_KEEP);
    assert_int_equal(discovery_judge(&m, false, 0, 31000, HOLD_MS), DISCOVERY_EXPIRE);
    assert_int_equal(discovery_judge(&m, false, 0, 32000, HOLD_MS), DISCOVERY_KEEP); /* told once */
}

static void a_good_answer_restarts_the_hold(void **state)
{
    (void)state;
    struct discovery_memory m = {0};
    discovery_judge(&m, true, 3, 1000, HOLD_MS);
    discovery_judge(&m, false, 0, 30000, HOLD_MS);
    discovery_judge(&m, true, 2, 30500, HOLD_MS);
    assert_int_equal(discovery_judge(&m, false, 0, 60000, HOLD_MS), DISCOVERY_KEEP);
    assert_int_equal(discovery_judge(&m, false, 0, 60500, HOLD_MS), DISCOVERY_EXPIRE);
}

static void trouble_before_any_good_answer_changes_nothing(void **state)
{
    (void)state;
    struct discovery_memory m = {0};
    assert_int_equal(discovery_judge(&m, false, 0, 1000, 0), DISCOVERY_KEEP);
    assert_int_equal(discovery_judge(&m, true, 0, 99000, 0), DISCOVERY_KEEP);
}

static void a_partial_answer_does_not_count_as_good(void **state)
{
    (void)state;
    struct discovery_memory m = {0};
    discovery_judge(&m, true, 3, 1000, HOLD_MS);
    assert_int_equal(discovery_judge(&m, false, 2, 2000, HOLD_MS), DISCOVERY_KEEP);
}

static struct discovered make(const char *address, unsigned weight)
{
    struct discovered d = {.weight = weight};
    assert_true(lb_address_parse(address, &d.addr, &d.addrlen));
    return d;
}

static void duplicates_are_dropped_and_order_does_not_matter(void **state)
{
    (void)state;
    struct discovered found[] = {make("10.0.0.2:1883", 1), make("[::1]:1883", 1),
                                 make("10.0.0.1:1883", 1), make("10.0.0.2:1883", 1),
                                 make("10.0.0.2:1884", 1), make("[::1]:1883", 1)};
    assert_int_equal(discovery_normalize(found, 6), 4);
    char text[LB_ADDRESS_MAX];
    lb_address_format(&found[0].addr, text, sizeof(text));
    assert_string_equal(text, "10.0.0.1:1883");
    assert_int_equal(discovery_normalize(found, 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_answer_replaces_the_set),
        cmocka_unit_test(failures_and_empty_answers_keep_the_last_good_one_for_hold),
        cmocka_unit_test(a_good_answer_restarts_the_hold),
        cmocka_unit_test(trouble_before_any_good_answer_changes_nothing),
        cmocka_unit_test(a_partial_answer_does_not_count_as_good),
        cmocka_unit_test(duplicates_are_dropped_and_order_does_not_matter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
