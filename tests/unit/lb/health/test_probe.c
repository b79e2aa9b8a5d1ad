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

#include "common/mqtt/mqtt.h"
#include "common/net/proxy_protocol.h"
#include "lb/health/own_trouble.h"
#include "lb/health/probe.h"

/* ---- the judge ---- */

static const struct {
    enum lb_check_type type;
    bool has_login;
    const char *bytes;
    size_t len;
    enum probe_verdict verdict;
    const char *error; /* contained */
} answers[] = {
    {LB_CHECK_MQTT, false, "\x20\x02\x00\x00", 4, PROBE_PASS, ""},
    {LB_CHECK_MQTT, false, "\x20\x02\x00", 3, PROBE_WAIT, ""},
    {LB_CHECK_MQTT, false, "\x20\x02\x00\x04", 4, PROBE_LOGIN_REFUSED, "bad user name"},
    {LB_CHECK_MQTT, false, "\x20\x02\x00\x05", 4, PROBE_LOGIN_REFUSED, "not authorized"},
    {LB_CHECK_MQTT, true, "\x20\x02\x00\x04", 4, PROBE_FAIL, "CONNACK 4: bad user name"},
    {LB_CHECK_MQTT, true, "\x20\x02\x00\x05", 4, PROBE_FAIL, "CONNACK 5: not authorized"},
    {LB_CHECK_MQTT, true, "\x20\x02\x00\x00", 4, PROBE_PASS, ""},
    {LB_CHECK_MQTT, false, "\x20\x02\x00\x01", 4, PROBE_FAIL, "protocol version"},
    {LB_CHECK_MQTT, false, "\x20\x02\x00\x02", 4, PROBE_LOGIN_REFUSED, "client id"},
    {LB_CHECK_MQTT, true, "\x20\x02\x00\x02", 4, PROBE_LOGIN_REFUSED, "client id"},
    {LB_CHECK_MQTT, false, "\x20\x02\x00\x03", 4, PROBE_FAIL, "unavailable"},
    {LB_CHECK_MQTT, true, "\x20\x02\x00\x03", 4, PROBE_FAIL, "unavailable"},
    {LB_CHECK_MQTT, false, "\x20\x02\x00\x77", 4, PROBE_FAIL, "unknown code"},
    /* 5.0, in its own form and in that of 3.1.1 */
    {LB_CHECK_MQTT, false, "\x20\x03\x00\x84\x00", 5, PROBE_FAIL, "protocol version"},
    {LB_CHECK_MQTT, false, "\x20\x03\x00\x86\x00", 5, PROBE_LOGIN_REFUSED, "bad user name"},
    {LB_CHECK_MQTT, false, "\x20\x03\x00\x87\x00", 5, PROBE_LOGIN_REFUSED, "not authorized"},
    {LB_CHECK_MQTT, true, "\x20\x03\x00\x87\x00", 5, PROBE_FAIL, "not authorized"},
    {LB_CHECK_MQTT, false, "\x20\x02\x00\x87", 4, PROBE_LOGIN_REFUSED, "not authorized"},
    {LB_CHECK_MQTT, false, "\x20\x03\x00\x88\x00", 5, PROBE_FAIL, "unavailable"},
    {LB_CHECK_MQTT, false, "\x20\x01\x00", 3, PROBE_FAIL, "wrong length"},
    {LB_CHECK_MQTT, false, "\x20\x03\x00", 3, PROBE_WAIT, ""},
    {LB_CHECK_MQTT, false, "\xd0\x00", 2, PROBE_FAIL, "PINGRESP"},
    {LB_CHECK_MQTT, false, "HTTP/1.1 400", 12, PROBE_FAIL, "no MQTT answer"},
    {LB_CHECK_HTTP, false, "HTTP/1.1 200 OK\r\n", 17, PROBE_PASS, ""},
    {LB_CHECK_HTTP, false, "HTTP/1.0 204 No Content\r\n", 25, PROBE_PASS, ""},
    {LB_CHECK_HTTP, false, "HTTP/1.1 20", 11, PROBE_WAIT, ""},
    {LB_CHECK_HTTP, false, "H", 1, PROBE_WAIT, ""},
    {LB_CHECK_HTTP, false, "HTTP/1.1 503 Unavailable\r\n", 26, PROBE_FAIL, "503"},
    {LB_CHECK_HTTP, false, "HTTP/1.1 401 Unauthorized\r\n", 27, PROBE_FAIL, "isn't let in"},
    {LB_CHECK_HTTP, false, "HTTP/1.1 403 Forbidden\r\n", 24, PROBE_FAIL, "isn't let in"},
    {LB_CHECK_HTTP, false, "HTTP/1.1 \r\n", 11, PROBE_FAIL, "no HTTP answer"},
    {LB_CHECK_HTTP, false, "\x20\x02\x00\x00", 4, PROBE_FAIL, "no HTTP answer"},
};

static void answers_are_judged(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        char error[96] = "";
        enum probe_verdict v =
            probe_judge(answers[i].type, answers[i].has_login, (const uint8_t *)answers[i].bytes,
                        answers[i].len, error, sizeof(error));
        if (v != answers[i].verdict || strstr(error, answers[i].error) == NULL)
            fail_msg("answer %zu: verdict %d, error '%s'", i, (int)v, error);
    }
}

static void an_mqtt_check_is_a_clean_client_with_an_id_of_its_own(void **state)
{
    (void)state;
    struct probe_spec spec = {
        .type = LB_CHECK_MQTT, .timeout_ms = 1000, .username = "u", .password = "p"};
    uint8_t a[256], b[256];
    size_t len_a, len_b, size;
    assert_true(probe_request(&spec, a, sizeof(a), &len_a));
    assert_true(probe_request(&spec, b, sizeof(b), &len_b));
    assert_int_equal(len_a, len_b);
    assert_memory_not_equal(a, b, len_a);
    struct mqtt_packet packet;
    struct mqtt_decode_error err;
    struct mqtt_decode_opts opts = {0};
    assert_int_equal(mqtt_decode(a, len_a, &opts, &packet, &size, &err), DECODE_OK);
    assert_int_equal(packet.type, MQTT_CONNECT);
    assert_true(packet.u.connect.clean_start);
    assert_int_equal(packet.u.connect.version, MQTT_V311);
    assert_int_equal(packet.u.connect.client_id.len, 23);
    assert_memory_equal(packet.u.connect.username.data, "u", 1);
    assert_memory_equal(packet.u.connect.password.data, "p", 1);
}

static void a_proxy_local_header_goes_first_but_not_to_http(void **state)
{
    (void)state;
    struct probe_spec spec = {
        .type = LB_CHECK_MQTT, .timeout_ms = 1000, .proxy_v2 = true, .path = "/readyz"};
    uint8_t buf[512];
    size_t len, used;
    struct proxy_info info;
    assert_true(probe_request(&spec, buf, sizeof(buf), &len));
    assert_int_equal(proxy_parse(buf, len, &info, &used), PROXY_OK);
    assert_true(info.local);
    assert_int_equal(buf[used], 0x10);
    spec.type = LB_CHECK_TCP;
    assert_true(probe_request(&spec, buf, sizeof(buf), &len));
    assert_int_equal(len, used);
    spec.type = LB_CHECK_HTTP;
    spec.addr.ss_family = AF_INET;
    assert_true(probe_request(&spec, buf, sizeof(buf), &len));
    assert_memory_equal(buf, "GET /readyz HTTP/1.1\r\n", 22);
}

/* ---- with sockets ---- */

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
    struct rlimit few;
    struct probe_spec spec = {.type = LB_CHECK_TCP};
    peer_init(&peer, base, &spec.addr, &spec.addrlen);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    few = before;
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
        cmocka_unit_test(answers_are_judged),
        cmocka_unit_test(an_mqtt_check_is_a_clean_client_with_an_id_of_its_own),
        cmocka_unit_test(a_proxy_local_header_goes_first_but_not_to_http),
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
