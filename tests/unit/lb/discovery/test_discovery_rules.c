#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <ares.h>
#include <cmocka.h>

#include "common/net/address.h"
#include "lb/config/lb_config.h"
#include "lb/discovery/discovery_rules.h"

#define HOLD_MS 30000u

static enum discovery_verdict judge(struct discovery_memory *m, enum dns_answer answer,
                                    uint64_t now_ms)
{
    return discovery_judge(m, answer, DNS_NONE, now_ms, HOLD_MS);
}

static void what_a_status_means(void **state)
{
    static const struct {
        int status;
        size_t count;
        bool own_trouble;
        enum dns_answer answer;
    } table[] = {
        {ARES_SUCCESS, 2, false, DNS_ADDRESSES},
        {ARES_SUCCESS, 2, true, DNS_ADDRESSES}, /* whoever answers has been asked */
        {ARES_SUCCESS, 0, false, DNS_NONE},
        {ARES_ENODATA, 0, false, DNS_NONE},
        {ARES_ENOTFOUND, 0, false, DNS_NO_NAME},
        {ARES_ESERVFAIL, 0, false, DNS_FAILED},
        {ARES_EREFUSED, 0, false, DNS_FAILED},
        {ARES_ENOTIMP, 0, false, DNS_FAILED},
        {ARES_EFORMERR, 0, false, DNS_FAILED},
        {ARES_EBADRESP, 0, false, DNS_FAILED},
        {ARES_ETIMEOUT, 0, false, DNS_FAILED},
        {ARES_ECANCELLED, 0, false, DNS_FAILED},       /* our deadline: silence as well */
        {ARES_ECONNREFUSED, 0, false, DNS_FAILED},     /* also a truncated answer without TCP */
        {ARES_ECONNREFUSED, 0, true, DNS_OWN_TROUBLE}, /* what c-ares makes of EMFILE */
        {ARES_ENOTFOUND, 0, true, DNS_OWN_TROUBLE},    /* the hosts file couldn't be opened */
        {ARES_ENODATA, 0, true, DNS_OWN_TROUBLE},
        {ARES_ETIMEOUT, 0, true, DNS_OWN_TROUBLE},
        {ARES_ENOMEM, 0, false, DNS_OWN_TROUBLE},
        {ARES_EFILE, 0, false, DNS_OWN_TROUBLE},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
        assert_int_equal(discovery_answer_of(table[i].status, table[i].count, table[i].own_trouble),
                         table[i].answer);
}

static void a_good_answer_replaces_the_set(void **state)
{
    (void)state;
    struct discovery_memory m = {0};
    assert_int_equal(judge(&m, DNS_ADDRESSES, 1000), DISCOVERY_REPLACE);
    assert_int_equal(judge(&m, DNS_ADDRESSES, 2000), DISCOVERY_REPLACE);
}

static void failures_and_empty_answers_keep_the_last_good_one_for_hold(void **state)
{
    static const enum dns_answer answers[] = {DNS_NONE, DNS_NO_NAME, DNS_FAILED};
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct discovery_memory m = {0};
        judge(&m, DNS_ADDRESSES, 1000);
        assert_int_equal(judge(&m, answers[i], 2000), DISCOVERY_KEEP);
        assert_int_equal(judge(&m, answers[i], 30999), DISCOVERY_KEEP);
        assert_int_equal(judge(&m, answers[i], 31000), DISCOVERY_EXPIRE);
        assert_int_equal(judge(&m, answers[i], 32000), DISCOVERY_KEEP); /* told once */
    }
}

static void a_good_answer_restarts_the_hold(void **state)
{
    (void)state;
    struct discovery_memory m = {0};
    judge(&m, DNS_ADDRESSES, 1000);
    judge(&m, DNS_FAILED, 30000);
    judge(&m, DNS_ADDRESSES, 30500);
    assert_int_equal(judge(&m, DNS_FAILED, 60000), DISCOVERY_KEEP);
    assert_int_equal(judge(&m, DNS_FAILED, 60500), DISCOVERY_EXPIRE);
}

static void trouble_before_any_good_answer_changes_nothing(void **state)
{
    (void)state;
    struct discovery_memory m = {0};
    assert_int_equal(discovery_judge(&m, DNS_FAILED, DNS_FAILED, 1000, 0), DISCOVERY_KEEP);
    assert_int_equal(discovery_judge(&m, DNS_NONE, DNS_FAILED, 99000, 0), DISCOVERY_KEEP);
}

static void our_own_trouble_does_not_count_as_time(void **state)
{
    (void)state;
    struct discovery_memory m = {0};
    judge(&m, DNS_ADDRESSES, 1000);
    judge(&m, DNS_FAILED, 11000); /* 10 s of the hold are over */
    for (uint64_t now_ms = 12000; now_ms <= 500000; now_ms += 1000)
        assert_int_equal(judge(&m, DNS_OWN_TROUBLE, now_ms), DISCOVERY_KEEP);
    assert_int_equal(judge(&m, DNS_FAILED, 519999), DISCOVERY_KEEP);
    assert_int_equal(judge(&m, DNS_FAILED, 520000), DISCOVERY_EXPIRE);
}

static void a_family_that_is_left_out_goes_at_once_if_the_other_one_is_there(void **state)
{
    (void)state;
    struct discovery_memory m = {0};
    judge(&m, DNS_ADDRESSES, 1000);
    assert_int_equal(discovery_judge(&m, DNS_NONE, DNS_ADDRESSES, 2000, HOLD_MS),
                     DISCOVERY_REPLACE);
    /* "no such name" beside addresses contradicts itself, and an error says nothing */
    judge(&m, DNS_ADDRESSES, 3000);
    assert_int_equal(discovery_judge(&m, DNS_NO_NAME, DNS_ADDRESSES, 4000, HOLD_MS),
                     DISCOVERY_KEEP);
    assert_int_equal(discovery_judge(&m, DNS_FAILED, DNS_ADDRESSES, 4000, HOLD_MS), DISCOVERY_KEEP);
}

static struct discovered make(const char *address, unsigned weight)
{
    struct discovered d = {.weight = weight};
    assert_true(address_parse(address, &d.addr, &d.addrlen));
    return d;
}

static void duplicates_are_dropped_and_order_does_not_matter(void **state)
{
    (void)state;
    struct discovered found[] = {make("10.0.0.2:1883", 1), make("[::1]:1883", 1),
                                 make("10.0.0.1:1883", 1), make("10.0.0.2:1883", 1),
                                 make("10.0.0.2:1884", 1), make("[::1]:1883", 1)};
    assert_int_equal(discovery_normalize(found, 6), 4);
    char text[ADDRESS_TEXT_MAX];
    address_format(&found[0].addr, text, sizeof(text));
    assert_string_equal(text, "10.0.0.1:1883");
    assert_int_equal(discovery_normalize(found, 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_status_means),
        cmocka_unit_test(a_good_answer_replaces_the_set),
        cmocka_unit_test(failures_and_empty_answers_keep_the_last_good_one_for_hold),
        cmocka_unit_test(a_good_answer_restarts_the_hold),
        cmocka_unit_test(trouble_before_any_good_answer_changes_nothing),
        cmocka_unit_test(our_own_trouble_does_not_count_as_time),
        cmocka_unit_test(a_family_that_is_left_out_goes_at_once_if_the_other_one_is_there),
        cmocka_unit_test(duplicates_are_dropped_and_order_does_not_matter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
