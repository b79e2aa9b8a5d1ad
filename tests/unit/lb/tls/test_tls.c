/*
 * What a context is made of: versions, ALPN, whether it gives tickets, and whose mistakes it passes on.
 * With a client of OpenSSL's own.
 */
#include "common/tls/tls.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/err.h>

#include "tests/unit/lb/tls_rig.h"

/* Loads the listener's configuration anew, as a reload does. */
static void reload(struct tls_tickets *tickets, int min_version)
{
    SSL_CTX_free(rig.server_ctx);
    rig.server_ctx = server_context(tickets, min_version);
}

static void shake_fails(void)
{
    char why[160];
    assert_int_equal(shake(), TLS_HANDSHAKE_FAILED);
    tls_error(why, sizeof(why));
}

static void raised_minimum_version_ends_older_sessions(void **state)
{
    (void)state;
    char byte;
    SSL_CTX_set_max_proto_version(rig.client_ctx, TLS1_2_VERSION);
    reload(rig.tickets, TLS_FROM_1_2);
    connect_tls();
    resume(true);
    reload(rig.tickets, TLS_FROM_1_3);
    SSL_read(rig.client, &byte, 1);
    hang_up();
    dial();
    assert_non_null(rig.session);
    SSL_set_session(rig.client, rig.session);
    shake_fails();
    SSL_CTX_set_max_proto_version(rig.client_ctx, 0);
    hang_up();
    connect_tls(); /* a newer client isn't held back */
}

static void older_than_1_2_is_spoken_with_nobody(void **state)
{
    (void)state;
    SSL_CTX_set_security_level(rig.client_ctx, 0);
    SSL_CTX_set_min_proto_version(rig.client_ctx, TLS1_VERSION);
    SSL_CTX_set_max_proto_version(rig.client_ctx, TLS1_1_VERSION);
    dial();
    shake_fails();
}

static void without_tickets_nobody_resumes(void **state)
{
    (void)state;
    static const int most[] = {TLS1_2_VERSION, TLS1_3_VERSION};
    for (size_t i = 0; i < 2; i++) {
        char byte;
        SSL_CTX_set_max_proto_version(rig.client_ctx, most[i]);
        reload(NULL, TLS_FROM_1_2);
        connect_tls();
        SSL_read(rig.client, &byte, 1);
        assert_true(rig.session == NULL || !SSL_SESSION_has_ticket(rig.session));
        hang_up();
    }
}

static void offer(const char *protocols, size_t len)
{
    dial();
    if (len > 0)
        assert_int_equal(SSL_set_alpn_protos(rig.client, (const uint8_t *)protocols, (unsigned)len),
                         0);
}

struct alpn_case {
    const char *offered;
    size_t len;
    unsigned chosen_len; /* 0: not served, unless nothing was offered */
};

static void expect_alpn(const struct alpn_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const uint8_t *chosen;
        unsigned len;
        char why[160];
        bool served = cases[i].chosen_len > 0 || cases[i].len == 0;
        offer(cases[i].offered, cases[i].len);
        assert_int_equal(shake(), served ? TLS_HANDSHAKE_DONE : TLS_HANDSHAKE_FAILED);
        tls_error(why, sizeof(why));
        if (!served) {
            assert_int_equal(SSL_do_handshake(rig.client), -1);
            assert_int_equal(ERR_GET_REASON(ERR_peek_error()),
                             SSL_R_TLSV1_ALERT_NO_APPLICATION_PROTOCOL);
            ERR_clear_error();
        }
        SSL_get0_alpn_selected(rig.client, &chosen, &len);
        assert_int_equal(len, cases[i].chosen_len);
        hang_up();
    }
}

static void alpn_is_mqtt_or_none(void **state)
{
    (void)state;
    static const struct alpn_case cases[] = {
        {"", 0, 0},           {"\4mqtt", 5, 4},
        {"\2h2\4mqtt", 8, 4}, {"\2h2\10http/1.1", 12, 0},
        {"\4mqtx", 5, 0},     {"\16x-amzn-mqtt-ca", 15, 0},
        {"\3mqt", 4, 0},      {"\5mqtt5", 6, 0},
    };
    expect_alpn(cases, sizeof(cases) / sizeof(cases[0]));
}

static void alpn_of_a_listener_for_websocket_is_http(void **state)
{
    (void)state;
    static const struct alpn_case cases[] = {{"", 0, 0},
                                             {"\4mqtt", 5, 0},
                                             {"\10http/1.1", 9, 8},
                                             {"\2h2\10http/1.1", 12, 8},
                                             {"\2h2", 3, 0}};
    rig.alpn = TLS_ALPN_HTTP;
    reload(rig.tickets, TLS_FROM_1_2);
    expect_alpn(cases, sizeof(cases) / sizeof(cases[0]));
}

static void a_mistake_in_its_files_is_told_and_nothing_is_made(void **state)
{
    (void)state;
    char err[512] = "";
    struct tls_config config = {.certificate = (char *)"/nowhere/cert.pem", .key = rig.files.key};
    assert_null(tls_context_new(&config, NULL, NULL, err, sizeof(err)));
    assert_string_equal(err, "certificate '/nowhere/cert.pem': No such file or directory");
    config = (struct tls_config){.certificate = rig.files.certificate,
                                 .key = rig.files.key,
                                 .client_ca = (char *)"/nowhere/ca.pem"};
    assert_null(tls_context_new(&config, NULL, NULL, err, sizeof(err)));
    assert_string_equal(err, "client_ca '/nowhere/ca.pem': No such file or directory");
    assert_int_equal(ERR_peek_error(), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_init, rig_fini)
    const struct CMUnitTest tests[] = {
        TEST(raised_minimum_version_ends_older_sessions),
        TEST(older_than_1_2_is_spoken_with_nobody),
        TEST(without_tickets_nobody_resumes),
        TEST(alpn_is_mqtt_or_none),
        TEST(alpn_of_a_listener_for_websocket_is_http),
        TEST(a_mistake_in_its_files_is_told_and_nothing_is_made),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
