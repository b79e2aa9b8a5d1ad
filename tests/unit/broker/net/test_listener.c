/* listener: connections over loopback, within its bounds, and what it says of its addresses. */
#include "broker/net/listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <event2/event.h>

#include "broker/base/broker_config.h"
#include "common/base/clock.h"
#include "common/net/peer.h"

enum { CONNECTIONS = 70 };

struct bed {
    struct event_base *base;
    struct listener_config config;
    struct listener *listener;
    char bind[32], err[128];
    struct sockaddr_in address;
    int accepted[CONNECTIONS], theirs[CONNECTIONS];
    size_t accepted_count, count;
    struct peer peer; /* of the last one */
};

static void on_accepted(void *arg, struct listener *l, int fd, const struct peer *peer)
{
    struct bed *b = arg;
    assert_ptr_equal(l, b->listener);
    b->accepted[b->accepted_count++] = fd;
    b->peer = *peer;
}

/* A port that nobody has. */
static void find_port(struct bed *b)
{
    socklen_t len = sizeof(b->address);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    b->address =
        (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    assert_int_equal(bind(fd, (struct sockaddr *)&b->address, len), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&b->address, &len), 0);
    close(fd);
    snprintf(b->bind, sizeof(b->bind), "127.0.0.1:%u", ntohs(b->address.sin_port));
}

static bool listen_at(struct bed *b, char *address)
{
    struct listener_owner owner = {.base = b->base, .accepted = on_accepted, .arg = b};
    b->config.bind = address;
    b->listener = listener_new(&owner, &b->config, b->err, sizeof(b->err));
    return b->listener != NULL && listener_open(b->listener, b->err, sizeof(b->err));
}

static int set_up(void **state)
{
    struct bed *b = calloc(1, sizeof(*b));
    b->base = event_base_new();
    b->config.max_connections = 2;
    find_port(b);
    *state = b;
    return listen_at(b, b->bind) ? 0 : -1;
}

static int tear_down(void **state)
{
    struct bed *b = *state;
    listener_free(b->listener);
    for (size_t i = 0; i < b->accepted_count; i++)
        close(b->accepted[i]);
    for (size_t i = 0; i < b->count; i++)
        close(b->theirs[i]);
    event_base_free(b->base);
    free(b);
    return 0;
}

/* In the kernel's queue when it returns. */
static void come(struct bed *b)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&b->address, sizeof(b->address)), 0);
    b->theirs[b->count++] = fd;
}

static void turn(struct bed *b)
{
    event_base_loop(b->base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
}

/* ---- accepting -------------------------------------------------------------------------------- */

static void a_connection_comes_with_its_address(void **state)
{
    struct bed *b = *state;
    struct sockaddr_in from;
    socklen_t len = sizeof(from);
    char text[PEER_TEXT_MAX], expected[PEER_TEXT_MAX];
    turn(b);
    assert_int_equal(b->accepted_count, 0);
    come(b);
    turn(b);
    assert_int_equal(b->accepted_count, 1);
    getsockname(b->theirs[0], (struct sockaddr *)&from, &len);
    snprintf(expected, sizeof(expected), "127.0.0.1:%u", ntohs(from.sin_port));
    assert_string_equal(peer_text(&b->peer, text), expected);
}

static void a_turn_accepts_64_at_most(void **state)
{
    struct bed *b = *state;
    for (int i = 0; i < CONNECTIONS; i++)
        come(b);
    turn(b);
    assert_int_equal(b->accepted_count, 64);
    turn(b);
    assert_int_equal(b->accepted_count, CONNECTIONS);
}

/* It looks again a moment later, and not all the time. */
static void without_descriptors_it_rests(void **state)
{
    struct bed *b = *state;
    struct rlimit before, none;
    come(b);
    int next = dup(0); /* the lowest one that is free */
    close(next);
    getrlimit(RLIMIT_NOFILE, &before);
    none = before;
    none.rlim_cur = (rlim_t)next;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    uint64_t began_ms = clock_monotonic_ms();
    turn(b);
    setrlimit(RLIMIT_NOFILE, &before);
    assert_int_equal(b->accepted_count, 0);
    turn(b);
    if (clock_monotonic_ms() - began_ms < 100) /* or this process stood still */
        assert_int_equal(b->accepted_count, 0);
    while (b->accepted_count == 0)
        event_base_loop(b->base, EVLOOP_ONCE);
    assert_int_equal(b->accepted_count, 1);
}

static void once_stopped_it_takes_nobody(void **state)
{
    struct bed *b = *state;
    listener_stop(b->listener);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&b->address, sizeof(b->address)), -1);
    assert_int_equal(errno, ECONNREFUSED);
    close(fd);
    listener_stop(b->listener);
}

/* ---- bounds and trust ------------------------------------------------------------------------- */

static void it_is_full_with_as_many_clients_as_it_may_have(void **state)
{
    struct bed *b = *state;
    assert_false(listener_is_full(b->listener));
    listener_client_came(b->listener);
    assert_false(listener_is_full(b->listener));
    listener_client_came(b->listener);
    assert_true(listener_is_full(b->listener));
    listener_client_gone(b->listener);
    assert_false(listener_is_full(b->listener));
}

static bool trusts(struct bed *b, const char *address)
{
    struct sockaddr_in from = {.sin_family = AF_INET};
    inet_pton(AF_INET, address, &from.sin_addr);
    struct peer peer = peer_from_sockaddr((struct sockaddr *)&from);
    return listener_trusts(b->listener, &peer);
}

static void it_trusts_the_networks_of_its_configuration(void **state)
{
    static char *networks[] = {(char *)"10.0.0.0/8", (char *)"192.0.2.7"};
    struct bed *b = *state;
    assert_false(trusts(b, "10.1.2.3")); /* there are none */
    listener_free(b->listener);
    b->config.trusted_proxies.items = networks;
    b->config.trusted_proxies.count = 2;
    assert_true(listen_at(b, b->bind));
    assert_true(trusts(b, "10.1.2.3"));
    assert_true(trusts(b, "192.0.2.7"));
    assert_false(trusts(b, "192.0.2.8"));
    assert_false(trusts(b, "11.0.0.0"));
}

/* ---- addresses -------------------------------------------------------------------------------- */

static void what_it_cant_listen_at_is_said(void **state)
{
    struct bed *b = *state;
    struct listener *first = b->listener;
    assert_false(listen_at(b, b->bind)); /* which is taken */
    assert_non_null(strstr(b->err, b->bind));
    assert_non_null(strstr(b->err, "can't listen"));
    assert_false(listen_at(b, (char *)"nonsense"));
    assert_non_null(strstr(b->err, "not an address of this host"));
    b->listener = first;
    b->config.bind = b->bind;
}

static void loopback_addresses_are_known(void **state)
{
    (void)state;
    assert_true(listener_is_loopback("127.0.0.1:1883"));
    assert_true(listener_is_loopback("127.9.9.9:1883"));
    assert_true(listener_is_loopback("[::1]:1883"));
    assert_true(listener_is_loopback("localhost:1883"));
    assert_false(listener_is_loopback("0.0.0.0:1883"));
    assert_false(listener_is_loopback("*:1883"));
    assert_false(listener_is_loopback("[::]:1883"));
    assert_false(listener_is_loopback("10.0.0.1:1883"));
    assert_false(listener_is_loopback("nonsense"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_connection_comes_with_its_address),
        TEST(a_turn_accepts_64_at_most),
        TEST(without_descriptors_it_rests),
        TEST(once_stopped_it_takes_nobody),
        TEST(it_is_full_with_as_many_clients_as_it_may_have),
        TEST(it_trusts_the_networks_of_its_configuration),
        TEST(what_it_cant_listen_at_is_said),
        cmocka_unit_test(loopback_addresses_are_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
