/* address: what is taken apart, what passes a configuration's check, and literal addresses. */
#include "common/net/address.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void host_and_port_are_found(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum address_form form;
        const char *host, *port; /* NULL: none */
        bool bracketed;
    } table[] = {
        {"", ADDRESS_OK, "", NULL, false},
        {"host", ADDRESS_OK, "host", NULL, false},
        {"host:", ADDRESS_OK, "host", "", false},
        {"host:80", ADDRESS_OK, "host", "80", false},
        {"a:b:c", ADDRESS_OK, "a", "b:c", false},
        {"[::1]", ADDRESS_OK, "::1", NULL, true},
        {"[::1]:80", ADDRESS_OK, "::1", "80", true},
        {"[]", ADDRESS_OK, "", NULL, true},
        {"[::1", ADDRESS_UNCLOSED, NULL, NULL, false},
        {"[::1]80", ADDRESS_TRAILING, NULL, NULL, false},
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct address_parts p;
        enum address_form form = address_split(table[i].text, strlen(table[i].text), &p);
        assert_int_equal(form, table[i].form);
        if (form != ADDRESS_OK)
            continue;
        assert_int_equal(p.bracketed, table[i].bracketed);
        assert_int_equal(p.host_len, strlen(table[i].host));
        assert_memory_equal(p.host, table[i].host, p.host_len);
        assert_int_equal(p.port == NULL, table[i].port == NULL);
        if (p.port != NULL) {
            assert_int_equal(p.port_len, strlen(table[i].port));
            assert_memory_equal(p.port, table[i].port, p.port_len);
        }
    }
}

static void nothing_is_looked_at_behind_the_text(void **state)
{
    (void)state;
    struct address_parts p;
    assert_int_equal(address_split("host:80", 4, &p), ADDRESS_OK);
    assert_null(p.port);
    assert_int_equal(address_split("[::1]:80", 4, &p), ADDRESS_UNCLOSED);
    assert_int_equal(address_split("[::1]:80", 5, &p), ADDRESS_OK);
    assert_null(p.port);
}

static void ports_are_numbers_up_to_65535(void **state)
{
    (void)state;
    uint16_t port;
    assert_true(address_parse_port("65535", 5, &port));
    assert_int_equal(port, 65535);
    assert_true(address_parse_port("0", 1, &port));
    assert_int_equal(port, 0);
    assert_false(address_parse_port("65536", 5, &port));
    assert_false(address_parse_port("99999999999999999999", 20, &port));
    assert_false(address_parse_port("", 0, &port));
    assert_false(address_parse_port("+1", 2, &port));
    assert_false(address_parse_port("1 ", 2, &port));
}

static void addresses_are_host_and_port(void **state)
{
    (void)state;
    static const char *const good[] = {
        "127.0.0.1:1883",         "*:1883", "[::]:1", "[fe80::1%eth0]:80",
        "broker-1.example:65535", "a_b:0"};
    static const char *const bad[] = {"",        "1883",   ":1883",      "a:",    "a:b",
                                      "a:65536", "::1:80", "[::1]",      "[x]:1", "a b:1",
                                      "[]:1",    "a:1 ",   "http://a:1", "**:1"};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        assert_null(address_check(good[i]));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_non_null(address_check(bad[i]));
}

static void addresses_are_parsed_and_formatted(void **state)
{
    (void)state;
    static const struct {
        const char *text, *formatted; /* NULL: not an address */
    } table[] = {
        {"10.0.0.3:1883", "10.0.0.3:1883"},
        {"[fe80::1]:1883", "[fe80::1]:1883"},
        {"*:80", NULL},
        {"10.0.0.3", NULL},
        {"10.0.0.3:", NULL},
        {"10.0.0.3:65536", NULL},
        {"fe80::1:1883", NULL},
        {"host:1883", NULL},
        {":1883", NULL},
        {"10.0.0.3:+1", NULL},
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct sockaddr_storage addr;
        socklen_t len;
        char text[ADDRESS_TEXT_MAX];
        bool ok = address_parse(table[i].text, &addr, &len);
        assert_int_equal(ok, table[i].formatted != NULL);
        if (!ok)
            continue;
        address_format(&addr, text, sizeof(text));
        assert_string_equal(text, table[i].formatted);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(host_and_port_are_found),
        cmocka_unit_test(nothing_is_looked_at_behind_the_text),
        cmocka_unit_test(ports_are_numbers_up_to_65535),
        cmocka_unit_test(addresses_are_host_and_port),
        cmocka_unit_test(addresses_are_parsed_and_formatted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
