#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <netinet/in.h>
#include <unistd.h>

#include "common/net/bind_address.h"

static const char *text_of(const struct bind_address *a)
{
    static char text[80];
    char host[INET6_ADDRSTRLEN];
    if (a->addr.ss_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&a->addr;
        inet_ntop(AF_INET6, &v6->sin6_addr, host, sizeof(host));
        snprintf(text, sizeof(text), "[%s]:%u", host, ntohs(v6->sin6_port));
    } else {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)&a->addr;
        inet_ntop(AF_INET, &v4->sin_addr, host, sizeof(host));
        snprintf(text, sizeof(text), "%s:%u", host, ntohs(v4->sin_port));
    }
    return text;
}

static void star_and_localhost_are_both_families(void **state)
{
    static const struct {
        const char *text, *first, *second;
    } table[] = {
        {"*:1883", "0.0.0.0:1883", "[::]:1883"},
        {"localhost:80", "127.0.0.1:80", "[::1]:80"},
        {"LocalHost:80", "127.0.0.1:80", "[::1]:80"},
        {"[::ffff:10.0.0.3]:80", "10.0.0.3:80", NULL},
        {"10.0.0.3:1883", "10.0.0.3:1883", NULL},
        {"0.0.0.0:1", "0.0.0.0:1", NULL},
        {"[::]:1883", "[::]:1883", NULL},
        {"[fe80::1]:1883", "[fe80::1]:1883", NULL},
        {"host:1883", NULL, NULL},
        {"10.0.0.3", NULL, NULL},
        {"fe80::1:1883", NULL, NULL},
        {"10.0.0.3:65536", NULL, NULL},
        {":1883", NULL, NULL},
        {"", NULL, NULL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct bind_addresses a;
        if (bind_parse(table[i].text, &a) != (table[i].first != NULL))
            fail_msg("%s", table[i].text);
        if (table[i].first == NULL)
            continue;
        assert_int_equal(a.count, table[i].second != NULL ? 2 : 1);
        assert_string_equal(text_of(&a.items[0]), table[i].first);
        if (table[i].second != NULL)
            assert_string_equal(text_of(&a.items[1]), table[i].second);
    }
}

static void names_are_resolved_only_when_asked_for(void **state)
{
    (void)state;
    struct bind_addresses a;
    assert_true(bind_resolve("127.0.0.1:5", &a));
    assert_true(bind_resolve("localhost:5", &a));
    assert_string_equal(text_of(&a.items[0]), "127.0.0.1:5");
    assert_false(bind_resolve("nowhere", &a));
}

/* The first is never another family's: a socket of IPv6 that took both would refuse IPv4's. */
static void both_families_of_one_port_can_be_bound(void **state)
{
    (void)state;
    struct bind_addresses a;
    assert_true(bind_parse("*:0", &a));
    bind_drop_missing(&a);
    int first = bind_open(&a.items[0]);
    assert_true(first >= 0);
    if (a.count == 2) {
        struct sockaddr_in bound;
        socklen_t len = sizeof(bound);
        assert_int_equal(getsockname(first, (struct sockaddr *)&bound, &len), 0);
        ((struct sockaddr_in6 *)&a.items[1].addr)->sin6_port = bound.sin_port;
        int second = bind_open(&a.items[1]);
        assert_true(second >= 0);
        close(second);
    }
    close(first);
}

static void what_this_host_has_not_is_dropped_but_not_all(void **state)
{
    (void)state;
    struct bind_addresses a;
    struct bind_addresses b;
    assert_true(bind_parse("127.0.0.1:5", &a));
    assert_true(bind_parse("192.0.2.1:5", &b)); /* of documentation: nobody has it */
    a.items[a.count++] = b.items[0];
    bind_drop_missing(&a);
    assert_int_equal(a.count, 1);
    assert_string_equal(text_of(&a.items[0]), "127.0.0.1:5");
    bind_drop_missing(&b);
    assert_int_equal(b.count, 1); /* binding it says why not */
}

static void one_address_is_claimed_once(void **state)
{
    static const struct {
        const char *a, *b;
        bool apart;
    } table[] = {
        {"127.0.0.1:7", "127.0.0.1:7", false},
        {"127.0.0.1:7", "127.0.0.1:8", true},
        {"127.0.0.1:7", "127.0.0.2:7", true},
        {"*:7", "0.0.0.0:7", false},
        {"*:7", "[::]:7", false},
        {"0.0.0.0:7", "[::]:7", true},
        {"*:7", "127.0.0.1:7", false},
        {"0.0.0.0:7", "10.0.0.1:7", false},
        {"[::]:7", "[::1]:7", false},
        {"[::]:7", "127.0.0.1:7", true},
        {"localhost:7", "127.0.0.1:7", false},
        {"localhost:7", "[::1]:7", false},
        {"localhost:7", "*:7", false},
        {"localhost:7", "10.0.0.1:7", true},
        {"[fe80::1]:7", "[fe80:0::1]:7", false},
        {"*:0", "*:0", true},
        {"LOCALHOST:7", "127.0.0.1:7", false},
        {"[::ffff:127.0.0.1]:7", "127.0.0.1:7", false},
        {"[::ffff:127.0.0.1]:7", "[::]:7", true},
        {"broker:7", "broker:7", false},
        {"broker:7", "Broker:7", false},
        {"broker:7", "*:7", true}, /* nobody is asked */
    };
    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct bind_claim claims[] = {
            {.text = table[i].a, .at = {.line = 3, .column = 5}, .path = "listeners[0].bind"},
            {.text = table[i].b, .at = {.line = 9, .column = 5}, .path = "admin.bind"}};
        struct config_error err = {0};
        if (bind_check_apart(claims, 2, "x.yaml", &err) != table[i].apart)
            fail_msg("%s and %s", table[i].a, table[i].b);
        if (table[i].apart)
            continue;
        assert_int_equal(err.line, 9);
        assert_non_null(strstr(err.text, "x.yaml:9"));
        assert_non_null(strstr(err.text, "admin.bind"));
        assert_non_null(strstr(err.text, "listeners[0].bind"));
    }
}

static void a_default_that_is_in_the_way_is_told_at_the_line_that_is_there(void **state)
{
    (void)state;
    struct config_error err = {0};
    struct bind_claim claims[] = {
        {.text = "*:9901", .at = {.line = 3, .column = 5}, .path = "listeners[0].bind"},
        {.text = "127.0.0.1:9901", .path = "admin.bind"}};
    assert_false(bind_check_apart(claims, 2, "x.yaml", &err));
    assert_int_equal(err.line, 3);
    assert_non_null(strstr(err.text, "taken by admin.bind (127.0.0.1:9901)"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(star_and_localhost_are_both_families),
        cmocka_unit_test(names_are_resolved_only_when_asked_for),
        cmocka_unit_test(both_families_of_one_port_can_be_bound),
        cmocka_unit_test(what_this_host_has_not_is_dropped_but_not_all),
        cmocka_unit_test(one_address_is_claimed_once),
        cmocka_unit_test(a_default_that_is_in_the_way_is_told_at_the_line_that_is_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
