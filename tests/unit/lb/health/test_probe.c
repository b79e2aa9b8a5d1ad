/* A whole check over a real socket. What is asked and how it is judged: test_probe_talk.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <errno.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lb/health/own_trouble.h"
#include "lb/health/probe.h"

struct peer { /* accepts one connection, reads, says its line once it got `wants` bytes */
    struct event_base *base;
    int listener, connection;
    struct event *accept_event, *read_event;
    const char *says;
    size_t says_len, wants;
    uint8_t got[1024];
    size_t got_len;
    bool ended;
};

struct outcome {
    struct event_base *base;
    struct probe_result result;
    unsigned calls;
};

static void on_peer_read(evutil_socket_t fd, short what, void *arg)
{
    struct peer *p = arg;
    (void)what;
    ssize_t n = recv(fd, p->got + p->got_len, sizeof(p->got) - p->got_len, 0);
    if (n <= 0) {
        p->ended = true;
        event_del(p->read_event);
        event_base_loopbreak(p->base);
        return;
    }
    p->got_len += (size_t)n;
    if (p->says != NULL && p->got_len >= p->wants) {
        assert_int_equal(send(fd, p->says, p->says_len, 0), p->says_len);
        p->says = NULL;
    }
}

static void on_peer_accept(evutil_socket_t fd, short what, void *arg)
{
    struct peer *p = arg;
    (void)what;
    p->connection = accept(fd, NULL, NULL);
    p->read_event = event_new(p->base, p->connection, EV_READ | EV_PERSIST, on_peer_read, p);
    event_add(p->read_event, NULL);
}

static void peer_init(struct peer *p, struct event_base *base, struct sockaddr_storage *addr,
                      socklen_t *len)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    *p = (struct peer){.base = base, .connection = -1};
    p->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    *len = sizeof(a);
    assert_int_equal(bind(p->listener, (struct sockaddr *)&a, sizeof(a)), 0);
    assert_int_equal(listen(p->listener, 4), 0);
    assert_int_equal(getsockname(p->listener, (struct sockaddr *)&a, len), 0);
    memset(addr, 0, sizeof(*addr));
    memcpy(addr, &a, sizeof(a));
    p->accept_event = event_new(base, p->listener, EV_READ | EV_PERSIST, on_peer_accept, p);
    event_add(p->accept_event, NULL);
}

static void peer_fini(struct peer *p)
{
    event_free(p->accept_event);
    if (p->read_event != NULL)
        event_free(p->read_event);
    if (p->connection >= 0)
        close(p->connection);
    close(p->listener);
}

static void on_done(const struct probe_result *result, void *arg)
{
    struct outcome *o = arg;
    o->result = *result;
    o->calls++;
    event_base_loopbreak(o->base);
}

static void run(struct event_base *base)
{
    struct timeval limit = {.tv_sec = 5};
    event_base_loopexit(base, &limit);
    event_base_dispatch(base);
    assert_true(event_base_got_break(base));
}

static struct outcome probe_peer(struct event_base *base, struct probe_spec *spec)
{
    struct outcome o = {.base = base};
    if (spec->timeout_ms == 0)
        spec->timeout_ms = 2000;
    assert_non_null(probe_start(base, spec, on_done, &o));
    assert_int_equal(o.calls, 0);
    run(base);
    assert_int_equal(o.calls, 1);
    return o;
}

static void an_accepted_client_passes_and_says_goodbye(void **state)
{
    (void)state;
    struct event_base *base = event_base_new();
    struct peer peer;
    struct probe_spec spec = {.type = LB_CHECK_MQTT};
    peer_init(&peer, base, &spec.addr, &spec.addrlen);
    peer.says = "\x20\x02\x00\x00";
    peer.says_len = 4;
    peer.wants = 14;
    struct outcome o = probe_peer(base, &spec);
    assert_int_equal(o.result.verdict, PROBE_PASS);
    assert_string_equal(o.result.error, "");
    if (!peer.ended)
        run(base); /* until the peer saw the end */
    assert_memory_equal(peer.got + peer.got_len - 2, "\xe0\x00", 2);
    peer_fini(&peer);
    event_base_free(base);
}

static void a_server_that_says_nothing_fails_in_time(void **state)
{
    (void)state;
    struct event_base *base = event_base_new();
    struct peer peer;
    struct probe_spec spec = {.type = LB_CHECK_MQTT, .timeout_ms = 50};
    peer_init(&peer, base, &spec.addr, &spec.addrlen);
    struct outcome o = probe_peer(base, &spec);
    assert_int_equal(o.result.verdict, PROBE_FAIL);
    assert_string_equal(o.result.error, "no answer in time");
    assert_in_range(o.result.took_us, 40000, 2000000);
    peer_fini(&peer);
    event_base_free(base);
}

static void a_port_without_listener_is_refused(void **state)
{
    (void)state;
    struct event_base *base = event_base_new();
    struct peer peer;
    struct probe_spec spec = {.type = LB_CHECK_TCP};
    peer_init(&peer, base, &spec.addr, &spec.addrlen);
    peer_fini(&peer); /* the port is free again */
    struct outcome o = probe_peer(base, &spec);
    assert_int_equal(o.result.verdict, PROBE_FAIL);
    assert_non_null(strstr(o.result.error, "refused"));
    event_base_free(base);
}

static void a_tcp_check_passes_by_connecting(void **state)
{
    (void)state;
    struct event_base *base = event_base_new();
    struct peer peer;
    struct probe_spec spec = {.type = LB_CHECK_TCP};
    peer_init(&peer, base, &spec.addr, &spec.addrlen);
    assert_int_equal(probe_peer(base, &spec).result.verdict, PROBE_PASS);
    peer_fini(&peer);
    event_base_free(base);
}

static void an_http_check_wants_2xx(void **state)
{
    (void)state;
    struct event_base *base = event_base_new();
    struct peer peer;
    struct probe_spec spec = {.type = LB_CHECK_HTTP, .path = "/readyz"};
    peer_init(&peer, base, &spec.addr, &spec.addrlen);
    peer.says = "HTTP/1.1 503 Service Unavailable\r\n\r\n";
    peer.says_len = strlen(peer.says);
    peer.wants = 20;
    struct outcome o = probe_peer(base, &spec);
    assert_int_equal(o.result.verdict, PROBE_FAIL);
    assert_string_equal(o.result.error, "HTTP status 503");
    peer_fini(&peer);
    event_base_free(base);
}

static void a_lack_of_descriptors_is_not_the_servers_fault(void **state)
{
    (void)state;
    struct event_base *base = event_base_new();
    struct peer peer;
    struct rlimit before;
    struct probe_spec spec = {.type = LB_CHECK_TCP};
    peer_init(&peer, base, &spec.addr, &spec.addrlen);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    struct rlimit few = before;
    few.rlim_cur = 3;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    struct outcome o = probe_peer(base, &spec);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(o.result.verdict, PROBE_IMPOSSIBLE);
    assert_non_null(strstr(o.result.error, strerror(EMFILE)));
    peer_fini(&peer);
    event_base_free(base);
}

static void which_errors_are_our_own(void **state)
{
    static const int ours[] = {EMFILE, ENFILE, ENOMEM, ENOBUFS, EADDRNOTAVAIL, EAGAIN, ENOSPC};
    static const int theirs[] = {ECONNREFUSED, EHOSTUNREACH, ENETUNREACH, ETIMEDOUT,
                                 ECONNRESET,   EPIPE,        ENOENT,      0};
    (void)state;
    for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
        assert_true(is_own_trouble(ours[i]));
    for (size_t i = 0; i < sizeof(theirs) / sizeof(theirs[0]); i++)
        assert_false(is_own_trouble(theirs[i]));
}

static void a_check_that_ends_far_too_late_says_nothing(void **state)
{
    (void)state;
    struct event_base *base = event_base_new();
    struct peer peer;
    struct outcome o = {.base = base};
    struct probe_spec spec = {.type = LB_CHECK_MQTT, .timeout_ms = 10};
    peer_init(&peer, base, &spec.addr, &spec.addrlen);
    assert_non_null(probe_start(base, &spec, on_done, &o));
    usleep(300000); /* the process is stopped meanwhile */
    while (o.calls == 0)
        run(base);
    assert_int_equal(o.result.verdict, PROBE_IMPOSSIBLE);
    peer_fini(&peer);
    event_base_free(base);
}

static void a_cancelled_probe_says_nothing(void **state)
{
    (void)state;
    struct event_base *base = event_base_new();
    struct peer peer;
    struct outcome o = {.base = base};
    struct probe_spec spec = {.type = LB_CHECK_MQTT, .timeout_ms = 10};
    peer_init(&peer, base, &spec.addr, &spec.addrlen);
    struct probe *p = probe_start(base, &spec, on_done, &o);
    assert_non_null(p);
    probe_cancel(p);
    run(base); /* until the peer saw the connection end */
    assert_int_equal(o.calls, 0);
    peer_fini(&peer);
    event_base_free(base);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_accepted_client_passes_and_says_goodbye),
        cmocka_unit_test(a_server_that_says_nothing_fails_in_time),
        cmocka_unit_test(a_port_without_listener_is_refused),
        cmocka_unit_test(a_tcp_check_passes_by_connecting),
        cmocka_unit_test(an_http_check_wants_2xx),
        cmocka_unit_test(a_lack_of_descriptors_is_not_the_servers_fault),
        cmocka_unit_test(which_errors_are_our_own),
        cmocka_unit_test(a_check_that_ends_far_too_late_says_nothing),
        cmocka_unit_test(a_cancelled_probe_says_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
