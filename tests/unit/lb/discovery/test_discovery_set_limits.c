/* How many names and addresses a backend's servers may be found under, and what is left out. */
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

static struct discovery_set *set;
static struct discovered out[DISCOVERY_KEPT_MAX + 1];
static struct discovery_result result;

static int setup(void **state)
{
    (void)state;
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

static void end(size_t most)
{
    assert_true(discovery_set_end(set, DNS_NO_NAME, 1000, 1000, out, most, &result));
}

static void more_than_was_asked_for_is_left_out_and_counted(void **state)
{
    (void)state;
    struct sockaddr_storage first;
    socklen_t len;
    assert_true(address_parse("10.0.0.11:1", &first, &len));
    discovery_set_begin(set);
    struct discovery_target *t = discovery_set_name(set, "a", 1, 5);
    for (unsigned i = 20; i > 10; i--) {
        char address[32];
        (void)snprintf(address, sizeof(address), "10.0.0.%u:1", i);
        add(t, address);
    }
    answer(t, ARES_SUCCESS, ARES_ENODATA);
    end(8);
    assert_true(discovery_same_address(&out[0].addr, &first)); /* the same ones each time */
    assert_int_equal(result.count, 8);
    assert_int_equal(result.left_out, 2);
}

static void targets_and_addresses_have_a_most(void **state)
{
    (void)state;
    char host[300];
    discovery_set_begin(set);
    for (unsigned i = 0; i < DISCOVERY_TARGETS_MAX; i++) {
        (void)snprintf(host, sizeof(host), "t%u", i);
        assert_non_null(discovery_set_name(set, host, 1, 5));
    }
    assert_null(discovery_set_name(set, "one-more", 1, 5));
    struct discovery_target *t = discovery_set_name(set, "t7", 1, 5); /* it is known */
    assert_non_null(t);
    for (unsigned i = 0; i <= DISCOVERY_KEPT_MAX; i++) {
        (void)snprintf(host, sizeof(host), "10.0.%u.%u:1", i / 256, i % 256);
        add(t, host);
    }
    answer(t, ARES_SUCCESS, ARES_ENODATA);
    end(DISCOVERY_KEPT_MAX + 1);
    assert_int_equal(result.count, DISCOVERY_KEPT_MAX);
    assert_int_equal(result.left_out, 2); /* a target and an address */
}

static void a_name_too_long_for_its_key_is_left_out(void **state)
{
    (void)state;
    char host[300];
    memset(host, 'h', sizeof(host));
    discovery_set_begin(set);
    host[270] = '\0'; /* with ":1" one too many */
    assert_null(discovery_set_name(set, host, 1, 5));
    host[269] = '\0';
    assert_non_null(discovery_set_name(set, host, 1, 5));
    end(8);
    assert_int_equal(result.left_out, 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(more_than_was_asked_for_is_left_out_and_counted),
        TEST(targets_and_addresses_have_a_most),
        TEST(a_name_too_long_for_its_key_is_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
