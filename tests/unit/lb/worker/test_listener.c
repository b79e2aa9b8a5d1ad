/* An address that accepts: how its sockets are made, and how many flows it has places for. */
#include "lb/worker/listener.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/net/address.h"

#define SOCKETS 3

static int fds[SOCKETS];
static char err[128];

static struct listener *open_at(const char *text)
{
    struct sockaddr_storage addr;
    socklen_t len;
    assert_true(address_parse(text, &addr, &len));
    for (int i = 0; i < SOCKETS; i++)
        fds[i] = -1;
    err[0] = '\0';
    return listener_open(&addr, len, 16, fds, SOCKETS, err, sizeof(err));
}

static void close_all(struct listener *l)
{
    for (int i = 0; i < SOCKETS; i++)
        close(fds[i]);
    listener_unref(l);
}

static int option(int fd, int level, int name)
{
    int value = -1;
    socklen_t len = sizeof(value);
    assert_int_equal(getsockopt(fd, level, name, &value, &len), 0);
    return value;
}

static unsigned port_of(int fd)
{
    struct sockaddr_in addr;
    socklen_t len = sizeof(addr);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&addr, &len), 0);
    return ntohs(addr.sin_port);
}

static void all_sockets_listen_on_the_port_that_the_first_one_got(void **state)
{
    (void)state;
    struct listener *l = open_at("127.0.0.1:0");
    assert_non_null(l);
    assert_true(listener_port(l) > 0);
    for (int i = 0; i < SOCKETS; i++) {
        assert_int_equal(port_of(fds[i]), listener_port(l));
        assert_int_equal(option(fds[i], SOL_SOCKET, SO_ACCEPTCONN), 1);
        assert_true((fcntl(fds[i], F_GETFL) & O_NONBLOCK) != 0);
        assert_true((fcntl(fds[i], F_GETFD) & FD_CLOEXEC) != 0);
    }
    close_all(l);
}

static void what_accepted_sockets_inherit_is_set_on_them(void **state)
{
    (void)state;
    struct listener *l = open_at("127.0.0.1:0");
    assert_int_equal(option(fds[0], IPPROTO_TCP, TCP_NODELAY), 1);
    assert_int_equal(option(fds[0], SOL_SOCKET, SO_KEEPALIVE), 1);
    assert_int_equal(option(fds[0], IPPROTO_TCP, TCP_KEEPIDLE), 60);
    close_all(l);
}

static void an_address_that_another_socket_has_is_an_error_that_leaves_nothing_open(void **state)
{
    (void)state;
    char text[32];
    struct listener *l = open_at("127.0.0.1:0");
    int before = dup(0);
    close(before);
    (void)snprintf(text, sizeof(text), "127.0.0.1:%u", listener_port(l));
    int kept[SOCKETS];
    memcpy(kept, fds, sizeof(kept));
    assert_null(open_at(text)); /* SO_REUSEPORT alone would share it */
    assert_string_equal(err, "Address already in use");
    int after = dup(0);
    close(after);
    assert_int_equal(after, before);
    memcpy(fds, kept, sizeof(kept));
    close_all(l);
    l = open_at(text); /* nobody has it any more */
    assert_non_null(l);
    assert_int_equal(listener_port(l), strtoul(strchr(text, ':') + 1, NULL, 10));
    close_all(l);
}

static void when_descriptors_run_out_those_that_were_opened_are_closed(void **state)
{
    struct rlimit before;
    (void)state;
    int next = dup(0);
    close(next);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    const struct rlimit few = {.rlim_cur = (rlim_t)next + SOCKETS - 1, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    struct listener *l = open_at("127.0.0.1:0");
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_null(l);
    assert_string_equal(err, "Too many open files");
    int after = dup(0);
    close(after);
    assert_int_equal(after, next);
}

static void an_ipv6_wildcard_leaves_the_same_port_to_ipv4(void **state)
{
    (void)state;
    char text[32];
    struct listener *six = open_at("[::]:0");
    int kept[SOCKETS];
    assert_non_null(six);
    assert_true(six->is_wildcard);
    memcpy(kept, fds, sizeof(kept));
    (void)snprintf(text, sizeof(text), "0.0.0.0:%u", listener_port(six));
    struct listener *four = open_at(text);
    assert_non_null(four);
    assert_true(four->is_wildcard);
    close_all(four);
    memcpy(fds, kept, sizeof(kept));
    close_all(six);
    struct listener *loopback = open_at("[::1]:0");
    assert_false(loopback->is_wildcard);
    close_all(loopback);
}

static bool has(const struct listener *l, const char *text)
{
    struct sockaddr_storage addr;
    socklen_t len;
    assert_true(address_parse(text, &addr, &len));
    return listener_has_address(l, &addr);
}

static void a_reload_knows_a_listener_by_its_configured_address(void **state)
{
    (void)state;
    struct listener *l = open_at("127.0.0.1:0");
    assert_true(has(l, "127.0.0.1:0")); /* not by the port that it got */
    assert_false(has(l, "127.0.0.1:1"));
    assert_false(has(l, "127.0.0.2:0"));
    assert_false(has(l, "[::1]:0"));
    close_all(l);
    l = open_at("[::1]:0");
    assert_true(has(l, "[::1]:0"));
    assert_false(has(l, "[::1]:1"));
    assert_false(has(l, "[::2]:0"));
    assert_false(has(l, "127.0.0.1:0"));
    struct sockaddr_storage scoped = l->addr;
    ((struct sockaddr_in6 *)&scoped)->sin6_scope_id = 2;
    assert_false(listener_has_address(l, &scoped));
    close_all(l);
}

static void places_are_reserved_up_to_the_limit_and_given_back(void **state)
{
    (void)state;
    struct listener *l = open_at("127.0.0.1:0");
    assert_true(listener_reserve(l, 2));
    assert_true(listener_reserve(l, 2));
    assert_false(listener_reserve(l, 2));
    assert_int_equal(atomic_load(&l->flows), 2); /* a refusal takes no place */
    listener_release(l);
    assert_true(listener_reserve(l, 2));
    assert_true(listener_reserve(l, 0)); /* without a limit */
    assert_int_equal(atomic_load(&l->flows), 3);
    close_all(l);
}

static void a_further_address_shares_the_places_of_the_first(void **state)
{
    (void)state;
    struct listener *first = open_at("127.0.0.1:0");
    close_all(listener_ref(first));
    struct listener *second = open_at("127.0.0.2:0");
    close_all(listener_ref(second));
    struct listener *third = open_at("127.0.0.3:0");
    listener_join(second, first);
    listener_join(third, second); /* its first address is the first one's */
    assert_ptr_equal(third->counts, first);
    assert_true(listener_reserve(second, 1));
    assert_false(listener_reserve(first, 1));
    assert_false(listener_reserve(third, 1));
    assert_int_equal(atomic_load(&first->flows), 1);
    assert_int_equal(atomic_load(&first->refs), 3);
    listener_unref(second);
    close_all(third);
    assert_int_equal(atomic_load(&first->refs), 1);
    listener_unref(first);
    listener_unref(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_sockets_listen_on_the_port_that_the_first_one_got),
        cmocka_unit_test(what_accepted_sockets_inherit_is_set_on_them),
        cmocka_unit_test(an_address_that_another_socket_has_is_an_error_that_leaves_nothing_open),
        cmocka_unit_test(when_descriptors_run_out_those_that_were_opened_are_closed),
        cmocka_unit_test(an_ipv6_wildcard_leaves_the_same_port_to_ipv4),
        cmocka_unit_test(a_reload_knows_a_listener_by_its_configured_address),
        cmocka_unit_test(places_are_reserved_up_to_the_limit_and_given_back),
        cmocka_unit_test(a_further_address_shares_the_places_of_the_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
