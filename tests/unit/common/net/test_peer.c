/* peer: networks and who is in them. */
#include "common/net/peer.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct peer v4(const char *text)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(1883)};
    inet_pton(AF_INET, text, &in.sin_addr);
    return peer_from_sockaddr((const struct sockaddr *)&in);
}

static struct peer v6(const char *text)
{
    struct sockaddr_in6 in = {.sin6_family = AF_INET6, .sin6_port = htons(1883)};
    inet_pton(AF_INET6, text, &in.sin6_addr);
    return peer_from_sockaddr((const struct sockaddr *)&in);
}

static bool in(const char *network, struct peer p)
{
    struct network n;
    assert_true(network_parse(network, &n));
    return network_contains(&n, &p);
}

static void networks_contain_their_addresses_only(void **state)
{
    (void)state;
    assert_true(in("10.0.0.0/8", v4("10.255.1.2")));
    assert_false(in("10.0.0.0/8", v4("11.0.0.1")));
    assert_true(in("192.168.1.128/25", v4("192.168.1.129")));
    assert_false(in("192.168.1.128/25", v4("192.168.1.127")));
    assert_true(in("127.0.0.1", v4("127.0.0.1")));
    assert_false(in("127.0.0.1", v4("127.0.0.2")));
    assert_true(in("0.0.0.0/0", v4("8.8.8.8")));
    assert_false(in("0.0.0.0/0", v6("2001:db8::1")));
    assert_true(in("10.0.0.0/8", v6("::ffff:10.1.2.3")));
    assert_true(in("2001:db8::/33", v6("2001:db8:7fff::1")));
    assert_false(in("2001:db8::/33", v6("2001:db8:8000::1")));
    assert_true(in("::1", v6("::1")));
}

static void what_is_no_network_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"",  "10.0.0.0/33", "10.0.0/8",   "::/129",
                                      "a", "10.0.0.0/",   "1.2.3.4/-1", "1.2.3.4/8x"};
    struct network n;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(network_parse(bad[i], &n));
}

static void addresses_are_written_as_people_do(void **state)
{
    (void)state;
    char text[PEER_TEXT_MAX];
    struct peer a = v4("192.0.2.1");
    struct peer b = v6("2001:db8::1");
    assert_string_equal(peer_text(&a, text), "192.0.2.1:1883");
    assert_string_equal(peer_text(&b, text), "[2001:db8::1]:1883");
}

/* Who has one address of an IPv6 network has them all. */
static void a_source_is_an_address_or_a_64(void **state)
{
    uint8_t a[16];
    uint8_t b[16];
    static const struct {
        const char *a, *b;
        bool same;
    } cases[] = {{"2001:db8:1:2::1", "2001:db8:1:2:ffff::9", true},
                 {"2001:db8:1:2::1", "2001:db8:1:3::1", false},
                 {"::ffff:10.0.0.1", "::ffff:10.0.0.2", false}};
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct peer pa = v6(cases[i].a);
        struct peer pb = v6(cases[i].b);
        peer_source(&pa, a);
        peer_source(&pb, b);
        assert_int_equal(memcmp(a, b, sizeof(a)) == 0, cases[i].same);
    }
    struct peer v4_peer = v4("10.0.0.1");
    struct peer mapped = v6("::ffff:10.0.0.1");
    peer_source(&v4_peer, a);
    peer_source(&mapped, b);
    assert_memory_equal(a, b, sizeof(a));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_source_is_an_address_or_a_64),
        cmocka_unit_test(networks_contain_their_addresses_only),
        cmocka_unit_test(what_is_no_network_is_refused),
        cmocka_unit_test(addresses_are_written_as_people_do),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
