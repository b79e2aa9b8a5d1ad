/* redis_dial: which addresses need no resolver, questions to one, and sockets to the addresses by turns. */
#include "common/redis/redis_dial.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/dns.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/redis/redis_url.h"

static void numbers_need_no_resolver(void **state)
{
    (void)state;
    struct redis_url url;
    struct redis_dial d = {.url = &url};
    assert_null(redis_url_parse("redis://10.1.2.3:7000", &url));
    assert_int_equal(redis_dial_find(&d), REDIS_DIAL_KNOWN);
    assert_int_equal(d.address_count, 1);
    const struct sockaddr_in *in4 = (const struct sockaddr_in *)&d.addresses[0];
    assert_int_equal(in4->sin_family, AF_INET);
    assert_int_equal(in4->sin_addr.s_addr, htonl(0x0a010203));
    assert_int_equal(in4->sin_port, htons(7000));

    assert_null(redis_url_parse("redis://[::1]:7001", &url));
    assert_int_equal(redis_dial_find(&d), REDIS_DIAL_KNOWN);
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&d.addresses[0];
    assert_int_equal(in6->sin6_family, AF_INET6);
    assert_true(IN6_IS_ADDR_LOOPBACK(&in6->sin6_addr));
    assert_int_equal(in6->sin6_port, htons(7001));
    redis_dial_fini(&d);
}

static void a_unix_socket_needs_no_resolver(void **state)
{
    (void)state;
    struct redis_url url;
    struct redis_dial d = {.url = &url};
    assert_null(redis_url_parse("unix:///run/nobody.is.here", &url));
    assert_int_equal(redis_dial_find(&d), REDIS_DIAL_KNOWN);
    const struct sockaddr_un *un = (const struct sockaddr_un *)&d.addresses[0];
    assert_int_equal(un->sun_family, AF_UNIX);
    assert_string_equal(un->sun_path, "/run/nobody.is.here");
    assert_int_equal(redis_dial_open(&d, 0), -1);
    assert_int_equal(errno, ENOENT);
    redis_dial_fini(&d);
}

static int listen_somewhere(struct redis_dial *d)
{
    struct sockaddr_in *addr = (struct sockaddr_in *)&d->addresses[d->address_count];
    socklen_t len = sizeof(*addr);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    addr->sin_family = AF_INET;
    addr->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(fd, (struct sockaddr *)addr, len), 0);
    assert_int_equal(listen(fd, 4), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)addr, &len), 0);
    d->address_lens[d->address_count++] = len;
    return fd;
}

static void addresses_take_turns(void **state)
{
    (void)state;
    struct redis_dial d = {0};
    int listeners[2] = {listen_somewhere(&d), listen_somewhere(&d)};
    for (unsigned turn = 0; turn < 4; turn++) {
        struct sockaddr_in peer;
        socklen_t len = sizeof(peer);
        int fd = redis_dial_open(&d, turn);
        int other = accept(listeners[turn % 2], NULL, NULL);
        assert_true(fd >= 0 && other >= 0);
        assert_int_equal(getpeername(fd, (struct sockaddr *)&peer, &len), 0);
        assert_int_equal(peer.sin_port,
                         ((const struct sockaddr_in *)&d.addresses[turn % 2])->sin_port);
        close(fd);
        close(other);
    }
    close(listeners[0]);
    close(listeners[1]);
}

/* ---- names ----------------------------------------------------------------------------------- */

static void count_answer(void *arg)
{
    ++*(int *)arg;
}

/* A name server that never answers. */
static int silent_server(struct evdns_base *dns)
{
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(addr);
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&addr, len), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&addr, &len), 0);
    assert_int_equal(
        evdns_base_nameserver_sockaddr_add(dns, (const struct sockaddr *)&addr, len, 0), 0);
    return fd;
}

struct asking {
    struct event_base *base;
    struct redis_url url;
    struct redis_dial *dial;
    int fd, answers;
};

static int ask_silent_server(void **state)
{
    struct asking *a = *state = calloc(1, sizeof(*a));
    a->base = event_base_new();
    a->dial = calloc(1, sizeof(*a->dial));
    assert_null(redis_url_parse("redis://redis.example:7000", &a->url));
    *a->dial = (struct redis_dial){
        .base = a->base, .url = &a->url, .found = count_answer, .arg = &a->answers};
    a->dial->dns = evdns_base_new(a->base, EVDNS_BASE_DISABLE_WHEN_INACTIVE);
    a->fd = silent_server(a->dial->dns);
    assert_int_equal(redis_dial_find(a->dial), REDIS_DIAL_ASKED);
    assert_true(redis_dial_is_asking(a->dial));
    return 0;
}

static int end_asking(void **state)
{
    struct asking *a = *state;
    event_base_free(a->base);
    close(a->fd);
    free(a);
    return 0;
}

static void turn(struct asking *a)
{
    for (int i = 0; i < 3; i++)
        event_base_loop(a->base, EVLOOP_NONBLOCK);
}

static void dial_free(struct asking *a)
{
    redis_dial_fini(a->dial);
    free(a->dial);
}

static void a_cancelled_question_is_none_at_once(void **state)
{
    struct asking *a = *state;
    redis_dial_cancel(a->dial);
    assert_false(redis_dial_is_asking(a->dial));
    redis_dial_cancel(a->dial);
    turn(a);
    assert_int_equal(a->answers, 0);
    dial_free(a);
    turn(a);
}

static void what_becomes_of_a_cancelled_question_is_nothing_to_the_next(void **state)
{
    struct asking *a = *state;
    redis_dial_cancel(a->dial);
    assert_int_equal(redis_dial_find(a->dial), REDIS_DIAL_ASKED);
    turn(a);
    assert_true(redis_dial_is_asking(a->dial));
    assert_int_equal(a->answers, 0);
    dial_free(a);
    turn(a);
}

/* The resolver frees the question in a later turn, and finds no dial any more. */
static void a_dial_may_end_while_it_asks(void **state)
{
    struct asking *a = *state;
    dial_free(a);
    turn(a);
    assert_int_equal(a->answers, 0);
}

int main(void)
{
#define ASKING(name) cmocka_unit_test_setup_teardown(name, ask_silent_server, end_asking)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_need_no_resolver),
        cmocka_unit_test(a_unix_socket_needs_no_resolver),
        cmocka_unit_test(addresses_take_turns),
        ASKING(a_cancelled_question_is_none_at_once),
        ASKING(what_becomes_of_a_cancelled_question_is_nothing_to_the_next),
        ASKING(a_dial_may_end_while_it_asks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
