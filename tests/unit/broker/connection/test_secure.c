/* secure, and transport_tls under it: from a TLS handshake to a client that speaks MQTT, or to an end with a reason. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "broker/connection/secure.h"
#include "broker/net/listener.h"
#include "broker/net/tls_contexts.h"
#include "tests/unit/broker/core_fixture.h"
#include "tests/unit/tls_fixture.h"

#define CONNECT "\x10\x0d\0\4MQTT\4\2\0\0\0\1c"
#define DISCONNECT "\xe0\0"

struct bed {
    struct core core;
    struct tls_files files;
    struct tls_config tls;
    struct listener_config config;
    struct config_list list;
    struct listener *listener;
    struct core_client *c;
    SSL_CTX *client_ctx;
    SSL *client;
    BIO *to_us, *from_us;
    uint8_t wire[32 * 1024]; /* what the client sends */
};

static char *const trusted[] = {"10.0.0.0/8"};

static void make_contexts(struct bed *b)
{
    char err[512];
    tls_contexts_free(b->core.broker->tls);
    b->core.broker->tls = tls_contexts_new(&b->list, err, sizeof(err));
    core_must(b->core.broker->tls != NULL);
}

static int setup(void **state)
{
    struct bed *b = calloc(1, sizeof(*b));
    char err[160];
    if (b == NULL)
        return -1;
    core_init(&b->core);
    tls_files_init(&b->files, "localhost");
    b->tls = (struct tls_config){.certificate = b->files.certificate, .key = b->files.key};
    b->config = (struct listener_config){.bind = (char *)"127.0.0.1:0",
                                         .path = (char *)"/mqtt",
                                         .max_connections = 10,
                                         .trusted_proxies = {(char **)trusted, 1},
                                         .handshake_timeout_ms = 3000,
                                         .tls = &b->tls};
    b->list = (struct config_list){.items = &b->config, .count = 1};
    make_contexts(b);
    struct listener_owner owner = {.base = b->core.broker->base};
    b->listener = listener_new(&owner, &b->config, err, sizeof(err));
    b->client_ctx = SSL_CTX_new(TLS_client_method());
    *state = b;
    return b->listener != NULL && b->client_ctx != NULL ? 0 : -1;
}

static void hang_up(struct bed *b)
{
    if (b->c == NULL)
        return;
    if (!b->c->freed)
        client_close(b->c->client, END_EOF);
    core_settle(&b->core);
    core_client_free(b->c);
    b->c = NULL;
    SSL_free(b->client);
    b->client = NULL;
}

static int teardown(void **state)
{
    struct bed *b = *state;
    hang_up(b);
    SSL_CTX_free(b->client_ctx);
    listener_free(b->listener);
    core_fini(&b->core);
    tls_files_fini(&b->files);
    free(b);
    return 0;
}

static void dial(struct bed *b, bool wants_proxy)
{
    struct core_client *c = calloc(1, sizeof(*c));
    core_must(c != NULL);
    c->transport.ops = &core_transport_ops;
    c->transport.peer = (struct peer){.address = {[10] = 0xff, [11] = 0xff, 10, 0, 0, 1}};
    c->out_room = SIZE_MAX;
    c->client = client_new(b->core.broker, b->listener, &c->transport, true, wants_proxy);
    listener_client_came(b->listener);
    core_must(c->client != NULL);
    core_capture(c, 256 * 1024);
    b->c = c;
    b->client = SSL_new(b->client_ctx);
    b->to_us = BIO_new(BIO_s_mem());
    b->from_us = BIO_new(BIO_s_mem());
    SSL_set_bio(b->client, b->from_us, b->to_us);
    SSL_set_connect_state(b->client);
}

/* What the client has for us, and what we have for it. */
static void carry(struct bed *b)
{
    int n = BIO_read(b->to_us, b->wire, sizeof(b->wire));
    if (n > 0)
        core_give(b->c, b->wire, (size_t)n);
    core_settle(&b->core);
    if (b->c->out_len > 0)
        BIO_write(b->from_us, b->c->out, (int)b->c->out_len);
    b->c->out_len = 0;
}

static void shake_hands(struct bed *b)
{
    for (int i = 0; i < 4 && SSL_do_handshake(b->client) != 1; i++)
        carry(b);
    carry(b);
}

static enum client_state state_of(const struct bed *b)
{
    return (enum client_state)b->c->client->state;
}

static uint64_t ended(const struct bed *b, enum client_end why)
{
    return b->core.broker->stats.ended[why];
}

static void a_client_speaks_mqtt_in_tls(void **state)
{
    static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
    struct bed *b = *state;
    char buf[64];
    for (size_t i = 0; i < 2; i++) {
        SSL_CTX_set_max_proto_version(b->client_ctx, versions[i]);
        dial(b, false);
        assert_int_equal(state_of(b), CLIENT_SECURING);
        shake_hands(b);
        assert_int_equal(state_of(b), CLIENT_CONNECTING);
        assert_int_equal(SSL_write(b->client, CONNECT, sizeof(CONNECT) - 1), sizeof(CONNECT) - 1);
        carry(b);
        assert_int_equal(state_of(b), CLIENT_ONLINE);
        assert_int_equal(SSL_read(b->client, buf, sizeof(buf)), 4);
        assert_memory_equal(buf, "\x20\2\0\0", 4);
        SSL_write(b->client, DISCONNECT, 2);
        carry(b);
        assert_true(b->c->freed && b->c->finished);
        assert_int_equal(SSL_read(b->client, buf, sizeof(buf)), 0);
        assert_int_equal(SSL_get_error(b->client, 0), SSL_ERROR_ZERO_RETURN); /* close_notify */
        hang_up(b);
    }
    assert_int_equal(b->core.broker->stats.tls_handshakes, 2);
}

/* A client of TLS 1.3 may send its CONNECT with the end of its handshake. */
static void what_comes_with_the_handshake_is_not_lost(void **state)
{
    struct bed *b = *state;
    SSL_CTX_set_min_proto_version(b->client_ctx, TLS1_3_VERSION);
    dial(b, false);
    SSL_do_handshake(b->client);
    carry(b);
    assert_int_equal(SSL_do_handshake(b->client), 1);
    SSL_write(b->client, CONNECT, sizeof(CONNECT) - 1);
    carry(b);
    assert_int_equal(state_of(b), CLIENT_ONLINE);
}

static void it_may_come_byte_by_byte(void **state)
{
    struct bed *b = *state;
    uint8_t flight[4096];
    dial(b, false);
    SSL_do_handshake(b->client);
    int n = BIO_read(b->to_us, flight, sizeof(flight));
    for (int i = 0; i < n; i++) {
        assert_int_equal(state_of(b), CLIENT_SECURING);
        assert_int_equal(b->c->out_len, 0);
        core_give(b->c, flight + i, 1);
        core_settle(&b->core);
    }
    assert_true(b->c->out_len > 100);
}

static void a_proxy_header_comes_before_it(void **state)
{
    struct bed *b = *state;
    char both[4096] = "PROXY TCP4 192.0.2.7 10.0.0.2 5000 8883\r\n";
    size_t len = strlen(both);
    dial(b, true);
    assert_int_equal(state_of(b), CLIENT_PROXY);
    SSL_do_handshake(b->client);
    int n = BIO_read(b->to_us, both + len, (int)(sizeof(both) - len));
    core_give(b->c, both, len + (size_t)n);
    core_settle(&b->core);
    assert_int_equal(state_of(b), CLIENT_SECURING);
    BIO_write(b->from_us, b->c->out, (int)b->c->out_len);
    b->c->out_len = 0;
    shake_hands(b);
    assert_int_equal(state_of(b), CLIENT_CONNECTING);
    char text[PEER_TEXT_MAX];
    assert_non_null(strstr(peer_text(&b->c->client->transport->peer, text), "192.0.2.7"));
}

static void a_header_alone_is_followed_by_tls(void **state)
{
    static const char header[] = "PROXY TCP4 192.0.2.7 10.0.0.2 5000 8883\r\n";
    struct bed *b = *state;
    dial(b, true);
    core_give(b->c, header, sizeof(header) - 1);
    core_settle(&b->core);
    assert_int_equal(state_of(b), CLIENT_SECURING);
    shake_hands(b);
    assert_int_equal(state_of(b), CLIENT_CONNECTING);
}

static void within_it_a_websocket_listener_waits_for_its_request(void **state)
{
    struct bed *b = *state;
    b->config.protocol = LISTENER_WEBSOCKET;
    make_contexts(b);
    dial(b, false);
    shake_hands(b);
    assert_int_equal(state_of(b), CLIENT_UPGRADING);
}

static void a_plain_client_is_closed_and_counted(void **state)
{
    struct bed *b = *state;
    dial(b, false);
    core_give(b->c, CONNECT, sizeof(CONNECT) - 1);
    core_settle(&b->core);
    assert_true(b->c->freed);
    assert_int_equal(ended(b, END_TLS_HANDSHAKE), 1);
    assert_int_equal(b->core.broker->stats.tls_handshakes, 0);
}

static void one_that_says_nothing_costs_nothing_and_is_closed_in_time(void **state)
{
    struct bed *b = *state;
    dial(b, false);
    assert_false(transport_is_tls(b->c->client->transport));
    b->core.broker->client_ms += 2000;
    wheel_advance(&b->core.broker->wheel, b->core.broker->now_ms + 2000);
    core_settle(&b->core);
    assert_false(b->c->freed);
    wheel_advance(&b->core.broker->wheel, b->core.broker->now_ms + 4000);
    core_settle(&b->core);
    assert_true(b->c->freed);
    assert_int_equal(ended(b, END_TLS_TIMEOUT), 1);
}

static void a_turn_makes_handshakes_for_a_limited_time(void **state)
{
    struct bed *b = *state;
    struct broker *core = b->core.broker;
    dial(b, false);
    SSL_do_handshake(b->client);
    carry(b);
    SSL_do_handshake(b->client);
    int n = BIO_read(b->to_us, b->wire, sizeof(b->wire));
    core_give(b->c, b->wire, (size_t)n);
    core->securing_ns = 1000000000; /* others have used it */
    assert_false(secure_go_on(b->c->client));
    assert_int_equal(state_of(b), CLIENT_SECURING);
    assert_int_equal(b->c->in_len, n);
    core_turn(&b->core); /* the next one begins anew */
    assert_true(core->securing_ns > 0 && core->securing_ns < 1000000000);
    assert_int_equal(state_of(b), CLIENT_CONNECTING);
}

static void no_certificate_was_proved_without_one(void **state)
{
    struct bed *b = *state;
    dial(b, false);
    assert_null(transport_peer_certificate(b->c->client->transport)); /* plain still */
    shake_hands(b);
    assert_null(transport_peer_certificate(b->c->client->transport));
}

static void what_was_proved_is_told(void **state)
{
    struct bed *b = *state;
    b->tls.client_ca = b->files.certificate;
    b->tls.client_auth = TLS_CLIENT_AUTH_OPTIONAL;
    make_contexts(b);
    SSL_CTX_use_certificate_file(b->client_ctx, b->files.certificate, SSL_FILETYPE_PEM);
    SSL_CTX_use_PrivateKey_file(b->client_ctx, b->files.key, SSL_FILETYPE_PEM);
    dial(b, false);
    shake_hands(b);
    assert_int_equal(state_of(b), CLIENT_CONNECTING);
    const X509 *proved = transport_peer_certificate(b->c->client->transport);
    assert_non_null(proved);
    assert_int_equal(X509_cmp(proved, SSL_CTX_get0_certificate(b->client_ctx)), 0);
}

static void an_output_that_blocks_goes_on(void **state)
{
    struct bed *b = *state;
    char buf[64];
    dial(b, false);
    shake_hands(b);
    SSL_read(b->client, buf, sizeof(buf)); /* tickets */
    SSL_write(b->client, CONNECT, sizeof(CONNECT) - 1);
    b->c->out_room = 3;
    carry(b);
    assert_int_equal(SSL_read(b->client, buf, sizeof(buf)), -1); /* a part of a record */
    core_take(b->c, SIZE_MAX);
    carry(b);
    assert_int_equal(SSL_read(b->client, buf, sizeof(buf)), 4);
    assert_memory_equal(buf, "\x20\2\0\0", 4);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(a_client_speaks_mqtt_in_tls),
        T(what_comes_with_the_handshake_is_not_lost),
        T(it_may_come_byte_by_byte),
        T(a_proxy_header_comes_before_it),
        T(a_header_alone_is_followed_by_tls),
        T(within_it_a_websocket_listener_waits_for_its_request),
        T(a_plain_client_is_closed_and_counted),
        T(one_that_says_nothing_costs_nothing_and_is_closed_in_time),
        T(a_turn_makes_handshakes_for_a_limited_time),
        T(no_certificate_was_proved_without_one),
        T(what_was_proved_is_told),
        T(an_output_that_blocks_goes_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
