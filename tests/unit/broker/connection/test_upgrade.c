/* upgrade: from an HTTP request to a client that speaks MQTT in frames, or to a refusal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "broker/net/listener.h"
#include "tests/unit/broker/client_frames.h"
#include "tests/unit/broker/core_fixture.h"

#define REQUEST_TO(path)                                                                           \
    "GET " path " HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"            \
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"                 \
    "Sec-WebSocket-Protocol: mqtt\r\n"
#define REQUEST REQUEST_TO("/mqtt") "\r\n"
#define CONNECT "\x10\x0d\0\4MQTT\4\2\0\0\0\1c"

struct bed {
    struct core core;
    struct listener_config config;
    struct listener *listener;
    struct core_client *c;
    struct client_frames sent;
};

static char *const trusted[] = {"10.0.0.0/8"};

static int setup(void **state)
{
    struct bed *b = calloc(1, sizeof(*b));
    char err[160];
    if (b == NULL)
        return -1;
    core_init(&b->core);
    b->config = (struct listener_config){.bind = "127.0.0.1:0",
                                         .protocol = LISTENER_WEBSOCKET,
                                         .path = "/mqtt",
                                         .max_connections = 10,
                                         .trusted_proxies = {(char **)trusted, 1}};
    struct listener_owner owner = {.base = b->core.broker->base};
    b->listener = listener_new(&owner, &b->config, err, sizeof(err));
    *state = b;
    return b->listener != NULL ? 0 : -1;
}

static int teardown(void **state)
{
    struct bed *b = *state;
    if (!b->c->freed)
        client_close(b->c->client, END_EOF);
    core_settle(&b->core);
    core_client_free(b->c);
    listener_free(b->listener);
    core_fini(&b->core);
    free(b);
    return 0;
}

/* A connection from `address`. */
static void dial(struct bed *b, uint8_t first_byte, bool wants_proxy)
{
    struct core_client *c = calloc(1, sizeof(*c));
    core_must(c != NULL);
    c->transport.ops = &core_transport_ops;
    c->transport.peer = (struct peer){.address = {[10] = 0xff, [11] = 0xff, first_byte, 0, 0, 1}};
    c->out_room = SIZE_MAX;
    bool is_trusted = listener_trusts(b->listener, &c->transport.peer);
    c->client = client_new(b->core.broker, b->listener, &c->transport, is_trusted, wants_proxy);
    listener_client_came(b->listener);
    core_must(c->client != NULL);
    core_capture(c, 4096);
    b->c = c;
}

static void give(struct bed *b, const void *bytes, size_t len)
{
    core_give(b->c, bytes, len);
    core_settle(&b->core);
}

static void give_frame(struct bed *b, int first, const void *payload, size_t len)
{
    b->sent.len = 0;
    frames_add(&b->sent, first, payload, len);
    give(b, b->sent.bytes, b->sent.len);
}

static enum client_state state_of(const struct bed *b)
{
    return (enum client_state)b->c->client->state;
}

static bool answered(struct bed *b, const char *begin)
{
    bool right = b->c->out_len >= strlen(begin) && memcmp(b->c->out, begin, strlen(begin)) == 0;
    b->c->out_len = 0;
    return right;
}

static void a_client_goes_on_in_frames(void **state)
{
    struct bed *b = *state;
    dial(b, 192, false);
    assert_int_equal(state_of(b), CLIENT_UPGRADING);
    for (size_t i = 0; i < sizeof(REQUEST) - 1; i++) {
        assert_int_equal(state_of(b), CLIENT_UPGRADING);
        assert_int_equal(b->c->out_len, 0);
        give(b, REQUEST + i, 1);
    }
    assert_int_equal(state_of(b), CLIENT_CONNECTING);
    assert_true(answered(b, "HTTP/1.1 101 "));
    give_frame(b, FIN | FRAME_BINARY, CONNECT, sizeof(CONNECT) - 1);
    assert_int_equal(state_of(b), CLIENT_ONLINE);
    assert_int_equal(b->c->out_len, 6);
    assert_memory_equal(b->c->out, "\x82\4\x20\2\0\0", 6);
    b->c->out_len = 0;
    give_frame(b, FIN | FRAME_BINARY, "\xe0\0", 2); /* DISCONNECT */
    assert_true(b->c->freed && b->c->finished);
    assert_int_equal(b->c->out_len, 4);
    assert_memory_equal(b->c->out, "\x88\2\x03\xe8", 4);
}

static void a_refused_one_is_answered_and_counted(void **state)
{
    struct bed *b = *state;
    static const char bad[] = REQUEST_TO("/other") "\r\n";
    dial(b, 192, false);
    give(b, bad, sizeof(bad) - 1);
    assert_true(b->c->freed && b->c->finished);
    assert_true(answered(b, "HTTP/1.1 404 "));
    assert_int_equal(b->core.broker->stats.refused[REFUSED_PATH], 1);
    assert_int_equal(b->core.broker->stats.ended[END_REFUSED], 1);
}

static void mqtt_itself_is_refused_at_once(void **state)
{
    struct bed *b = *state;
    dial(b, 192, false);
    give(b, CONNECT, sizeof(CONNECT) - 1);
    assert_true(b->c->freed);
    assert_true(answered(b, "HTTP/1.1 400 "));
    assert_int_equal(b->core.broker->stats.refused[REFUSED_UPGRADE], 1);
}

static void an_answer_that_does_not_go_out_ends_it(void **state)
{
    struct bed *b = *state;
    dial(b, 192, false);
    core_take(b->c, 10);
    give(b, REQUEST, sizeof(REQUEST) - 1);
    assert_true(b->c->freed);
    assert_int_equal(b->core.broker->stats.ended[END_IO_ERROR], 1);
}

static void expect_peer(const struct bed *b, const char *text)
{
    char buf[PEER_TEXT_MAX];
    assert_string_equal(peer_text(&b->c->client->transport->peer, buf), text);
}

#define PROXY_FROM(address) "PROXY TCP4 " address " 10.0.0.2 4711 8083\r\n"
#define REAL_IP REQUEST_TO("/mqtt") "X-Real-IP: 203.0.113.7\r\n\r\n"

static void a_proxy_header_may_come_before_it(void **state)
{
    struct bed *b = *state;
    static const char both[] = PROXY_FROM("198.51.100.1") REAL_IP;
    dial(b, 10, true);
    assert_int_equal(state_of(b), CLIENT_PROXY);
    give(b, both, 60);
    assert_int_equal(state_of(b), CLIENT_UPGRADING);
    give(b, both + 60, sizeof(both) - 1 - 60);
    assert_int_equal(state_of(b), CLIENT_CONNECTING);
    expect_peer(b, "198.51.100.1:4711"); /* who isn't trusted: its X-Real-IP is of no account */
    assert_true(b->c->client->proxied);
}

static void a_proxy_behind_the_balancer_names_its_client(void **state)
{
    struct bed *b = *state;
    static const char both[] = PROXY_FROM("10.0.0.9") REAL_IP;
    dial(b, 10, true);
    give(b, both, sizeof(both) - 1);
    assert_int_equal(state_of(b), CLIENT_CONNECTING);
    expect_peer(b, "203.0.113.7:0");
    assert_true(b->c->client->proxied);
}

static void a_proxy_that_names_nobody_is_nobodys_address(void **state)
{
    struct bed *b = *state;
    static const char both[] = PROXY_FROM("10.0.0.9") REQUEST;
    dial(b, 10, true);
    give(b, both, sizeof(both) - 1);
    assert_int_equal(state_of(b), CLIENT_CONNECTING);
    assert_false(b->c->client->proxied);
}

static void a_stranger_names_nobody(void **state)
{
    struct bed *b = *state;
    dial(b, 192, false);
    give(b, REAL_IP, sizeof(REAL_IP) - 1);
    assert_int_equal(state_of(b), CLIENT_CONNECTING);
    expect_peer(b, "192.0.0.1:0");
    assert_false(b->c->client->proxied);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_client_goes_on_in_frames),
        TEST(a_refused_one_is_answered_and_counted),
        TEST(mqtt_itself_is_refused_at_once),
        TEST(an_answer_that_does_not_go_out_ends_it),
        TEST(a_proxy_header_may_come_before_it),
        TEST(a_proxy_behind_the_balancer_names_its_client),
        TEST(a_proxy_that_names_nobody_is_nobodys_address),
        TEST(a_stranger_names_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
