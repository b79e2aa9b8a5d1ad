/*
 * The names a backend's servers are found under, and what holds of what each of them brought. How many
 * there may be: test_discovery_set_limits.c.
 */
#include "lb/discovery/discovery_set.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <ares.h>
#include <cmocka.h>

#include "common/net/address.h"

#define HOLD_MS 1000u

static struct discovery_set *set;
static struct discovered out[8];
static struct discovery_result result;
static uint64_t now_ms;

static int setup(void **state)
{
    (void)state;
    now_ms = 100000;
    set = discovery_set_new();
    return set != NULL ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    discovery_set_free(set);
    discovery_set_free(NULL);
    return 0;
}

static void add(struct discovery_target *t, const char *text)
{
    struct sockaddr_storage addr;
    socklen_t len;
    assert_true(address_parse(text, &addr, &len));
    discovery_set_add(set, t, (const struct sockaddr *)&addr, len);
}

/* How both families of a target were answered. */
static void answer(struct discovery_target *t, int v4, int v6)
{
    discovery_set_answer(t, DISCOVERY_V4, v4, false);
    discovery_set_answer(t, DISCOVERY_V6, v6, false);
}

/* The addresses that hold, and their weights: "10.0.0.1:1=5 ..." */
static const char *end(enum dns_answer unnamed)
{
    static char text[512];
    size_t used = 0;
    text[0] = '\0';
    assert_true(discovery_set_end(set, unnamed, now_ms, HOLD_MS, out, 8, &result));
    for (size_t i = 0; i < result.count; i++) {
        char address[ADDRESS_TEXT_MAX];
        address_format(&out[i].addr, address, sizeof(address));
        used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%s=%u", i > 0 ? " " : "",
                                 address, out[i].weight);
    }
    return text;
}

/* A question that names host:1 and finds 10.0.0.<last> there. */
static struct discovery_target *find(const char *host, unsigned last)
{
    char address[32];
    struct discovery_target *t = discovery_set_name(set, host, 1, 5);
    assert_non_null(t);
    (void)snprintf(address, sizeof(address), "10.0.0.%u:9", last);
    add(t, address);
    answer(t, ARES_SUCCESS, ARES_ENODATA);
    return t;
}

static void addresses_get_their_targets_port_and_weight_and_are_sorted(void **state)
{
    (void)state;
    discovery_set_begin(set);
    struct discovery_target *t = discovery_set_name(set, "a", 1883, 7);
    add(t, "10.0.0.2:9");
    add(t, "10.0.0.1:9");
    add(t, "10.0.0.2:9");
    add(t, "[::1]:9");
    answer(t, ARES_SUCCESS, ARES_SUCCESS);
    assert_string_equal(end(DNS_NO_NAME), "10.0.0.1:1883=7 10.0.0.2:1883=7 [::1]:1883=7");
    assert_int_equal(result.left_out, 0);
    assert_false(discovery_target_in_trouble(t));
}

static void a_target_that_is_named_twice_has_its_first_weight(void **state)
{
    (void)state;
    discovery_set_begin(set);
    struct discovery_target *t = find("a", 1);
    assert_ptr_equal(discovery_set_name(set, "a", 1, 9), t);
    assert_ptr_not_equal(discovery_set_name(set, "a", 2, 9), t);
    assert_string_equal(end(DNS_NO_NAME), "10.0.0.1:1=5");
    discovery_set_begin(set); /* the next question may change it */
    assert_ptr_equal(discovery_set_name(set, "a", 1, 9), t);
    add(t, "10.0.0.1:9");
    answer(t, ARES_SUCCESS, ARES_ENODATA);
    assert_string_equal(end(DNS_NO_NAME), "10.0.0.1:1=9");
}

static void other_families_and_cut_addresses_are_ignored(void **state)
{
    (void)state;
    struct sockaddr_storage addr = {.ss_family = AF_UNIX};
    struct sockaddr_in cut = {.sin_family = AF_INET};
    discovery_set_begin(set);
    struct discovery_target *t = find("a", 1);
    discovery_set_add(set, t, (const struct sockaddr *)&addr, sizeof(addr));
    discovery_set_add(set, t, (const struct sockaddr *)&cut, sizeof(cut) - 1);
    assert_string_equal(end(DNS_NO_NAME), "10.0.0.1:1=5");
    assert_int_equal(result.left_out, 0);
}

static void a_new_answer_replaces_the_old_one_at_once(void **state)
{
    (void)state;
    discovery_set_begin(set);
    find("a", 1);
    assert_string_equal(end(DNS_NO_NAME), "10.0.0.1:1=5");
    discovery_set_begin(set);
    find("a", 2);
    assert_string_equal(end(DNS_NO_NAME), "10.0.0.2:1=5");
}

/* A question that names host:1, of which nothing can be found out. */
static struct discovery_target *fail_to_find(const char *host)
{
    discovery_set_begin(set);
    struct discovery_target *t = discovery_set_name(set, host, 1, 5);
    add(t, "10.0.0.9:1"); /* brought before the lookup failed */
    answer(t, ARES_ESERVFAIL, ARES_ESERVFAIL);
    assert_int_equal(t->status, ARES_ESERVFAIL);
    return t;
}

static void what_a_failed_lookup_doesnt_bring_is_held_and_then_expires(void **state)
{
    (void)state;
    discovery_set_begin(set);
    find("a", 1);
    end(DNS_NO_NAME);
    now_ms += HOLD_MS - 1;
    const struct discovery_target *t = fail_to_find("a");
    assert_string_equal(end(DNS_NO_NAME), "10.0.0.1:1=5");
    assert_true(discovery_target_in_trouble(t) && !t->expired);
    now_ms += 1;
    t = fail_to_find("a");
    assert_string_equal(end(DNS_NO_NAME), "");
    assert_true(discovery_target_in_trouble(t) && t->expired);
}

static void time_in_which_we_could_not_ask_does_not_count(void **state)
{
    (void)state;
    discovery_set_begin(set);
    find("a", 1);
    end(DNS_NO_NAME);
    now_ms += 10 * HOLD_MS;
    discovery_set_begin(set);
    struct discovery_target *t = discovery_set_name(set, "a", 1, 5);
    discovery_set_answer(t, DISCOVERY_V4, ARES_ECONNREFUSED, true);
    discovery_set_answer(t, DISCOVERY_V6, ARES_ECONNREFUSED, true);
    assert_string_equal(end(DNS_NO_NAME), "10.0.0.1:1=5");
    now_ms += HOLD_MS - 1;
    fail_to_find("a");
    assert_string_equal(end(DNS_NO_NAME), "10.0.0.1:1=5");
}

static void one_family_in_trouble_is_held_while_the_other_changes(void **state)
{
    (void)state;
    discovery_set_begin(set);
    struct discovery_target *t = discovery_set_name(set, "a", 1, 5);
    add(t, "10.0.0.1:1");
    add(t, "[::1]:1");
    answer(t, ARES_SUCCESS, ARES_SUCCESS);
    end(DNS_NO_NAME);
    discovery_set_begin(set);
    t = discovery_set_name(set, "a", 1, 5);
    add(t, "10.0.0.2:1");
    answer(t, ARES_SUCCESS, ARES_ESERVFAIL);
    assert_string_equal(end(DNS_NO_NAME), "10.0.0.2:1=5 [::1]:1=5");
    assert_true(discovery_target_in_trouble(t));
    discovery_set_begin(set);
    t = discovery_set_name(set, "a", 1, 5);
    add(t, "10.0.0.2:1");
    answer(t, ARES_SUCCESS, ARES_ENODATA); /* now it is said that there is none */
    assert_string_equal(end(DNS_NO_NAME), "10.0.0.2:1=5");
    assert_false(discovery_target_in_trouble(t));
}

static void who_is_not_named_any_more_goes_when_another_one_has_addresses(void **state)
{
    (void)state;
    discovery_set_begin(set);
    find("old", 1);
    end(DNS_NO_NAME);
    fail_to_find("new");
    assert_string_equal(end(DNS_ADDRESSES), "10.0.0.1:1=5"); /* the new one has none yet */
    discovery_set_begin(set);
    find("new", 2);
    assert_string_equal(end(DNS_ADDRESSES), "10.0.0.2:1=5");
    assert_string_equal(discovery_set_first(set)->key, "new:1");
    assert_null(discovery_set_next(discovery_set_first(set)));
}

static void who_is_not_named_is_held_as_long_as_no_answer_was_good(void **state)
{
    (void)state;
    discovery_set_begin(set);
    find("a", 1);
    end(DNS_NO_NAME);
    now_ms += HOLD_MS - 1;
    discovery_set_begin(set);
    assert_string_equal(end(DNS_ADDRESSES), "10.0.0.1:1=5"); /* a good answer that named nobody */
    now_ms += 1;
    discovery_set_begin(set);
    assert_string_equal(end(DNS_OWN_TROUBLE), "10.0.0.1:1=5"); /* this time doesn't count */
    now_ms += 1;
    discovery_set_begin(set);
    assert_string_equal(end(DNS_FAILED), "");
    discovery_set_begin(set);
    assert_null(discovery_set_first(set)); /* nothing holds it any more */
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(addresses_get_their_targets_port_and_weight_and_are_sorted),
        TEST(a_target_that_is_named_twice_has_its_first_weight),
        TEST(other_families_and_cut_addresses_are_ignored),
        TEST(a_new_answer_replaces_the_old_one_at_once),
        TEST(what_a_failed_lookup_doesnt_bring_is_held_and_then_expires),
        TEST(time_in_which_we_could_not_ask_does_not_count),
        TEST(one_family_in_trouble_is_held_while_the_other_changes),
        TEST(who_is_not_named_any_more_goes_when_another_one_has_addresses),
        TEST(who_is_not_named_is_held_as_long_as_no_answer_was_good),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
