/*
 * For tests: a TLS stream and a client of OpenSSL's own, in one thread over a socket pair. With
 * `take`, the stream leaves OpenSSL after its handshake (stream_record.h).
 */
#ifndef FLOTILLA_TESTS_UNIT_LB_TLS_RIG_H
#define FLOTILLA_TESTS_UNIT_LB_TLS_RIG_H

#include <string.h>
#include <sys/socket.h>

#include "common/tls/tls.h"
#include "common/tls/tls_config.h"
#include "common/tls/tls_error.h"
#include "common/tls/tls_tickets.h"
#include "lb/stream/poller.h"
#include "lb/stream/stream_record.h"
#include "lb/stream/stream_tls.h"
#include "lb/tls/records/tls_provider.h"
#include "tests/unit/tls_fixture.h"

struct rig {
    struct tls_files files;
    int alpn; /* enum tls_alpn of the listener; TLS_ALPN_MQTT at first */
    OSSL_PROVIDER *provider;
    struct tls_tickets *tickets;
    SSL_CTX *server_ctx, *client_ctx;
    BIO_METHOD *method;
    SSL_SESSION *session; /* the client's last ticket */
    struct poller poller;
    struct poll_target target;
    struct stream stream;
    SSL *client;
    int client_fd;
    bool take; /* TLS 1.3 streams leave OpenSSL */
    struct record_env *records;
};

static struct rig rig;

static inline void on_ready(struct poll_target *t, uint32_t events)
{
    (void)t;
    stream_ready(&rig.stream, events);
}

static inline void nothing(void *arg)
{
    (void)arg;
}

static inline void poll_now(void)
{
    poller_wait(&rig.poller, 0, nothing, NULL);
}

static inline int on_session(SSL *ssl, SSL_SESSION *session)
{
    (void)ssl;
    SSL_SESSION_free(rig.session);
    rig.session = session;
    return 1;
}

static inline SSL_CTX *server_context(struct tls_tickets *tickets, int min_version)
{
    char err[256] = "";
    struct tls_config config = {.certificate = rig.files.certificate,
                                .key = rig.files.key,
                                .min_version = min_version,
                                .alpn = rig.alpn};
    SSL_CTX *ctx = tls_context_new(&config, tickets, TLS_PROVIDER_FIRST, err, sizeof(err));
    if (ctx == NULL)
        print_message("%s\n", err);
    assert_non_null(ctx);
    return ctx;
}

static inline int rig_init(void **state)
{
    (void)state;
    memset(&rig, 0, sizeof(rig));
    tls_files_init(&rig.files, "localhost");
    rig.provider = tls_provider_load();
    assert_non_null(rig.provider);
    rig.tickets = tls_tickets_new(1000);
    assert_non_null(rig.tickets);
    rig.server_ctx = server_context(rig.tickets, TLS_FROM_1_2);
    rig.method = stream_tls_method_new();
    rig.records = record_env_new();
    assert_non_null(rig.records);
    rig.client_ctx = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_session_cache_mode(rig.client_ctx, SSL_SESS_CACHE_CLIENT);
    SSL_CTX_sess_set_new_cb(rig.client_ctx, on_session);
    SSL_CTX_set_options(rig.client_ctx, SSL_OP_IGNORE_UNEXPECTED_EOF);
    assert_true(poller_init(&rig.poller));
    rig.target.ready = on_ready;
    rig.stream.fd = -1;
    return 0;
}

static inline int rig_init_taking(void **state)
{
    rig_init(state);
    rig.take = true;
    return 0;
}

static inline void hang_up(void)
{
    stream_close(&rig.stream, &rig.poller);
    if (rig.client != NULL) /* or OpenSSL takes its session for a bad one */
        SSL_set_shutdown(rig.client, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(rig.client);
    rig.client = NULL;
    if (rig.client_fd > 0)
        close(rig.client_fd);
    rig.client_fd = 0;
}

static inline int rig_fini(void **state)
{
    (void)state;
    hang_up();
    SSL_SESSION_free(rig.session);
    SSL_CTX_free(rig.server_ctx);
    SSL_CTX_free(rig.client_ctx);
    BIO_meth_free(rig.method);
    record_env_free(rig.records);
    tls_tickets_free(rig.tickets);
    tls_provider_unload(rig.provider);
    poller_fini(&rig.poller);
    tls_files_fini(&rig.files);
    return 0;
}

static inline void dial(void)
{
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    rig.client_fd = fds[1];
    stream_init_plain(&rig.stream, fds[0]);
    assert_true(poller_add(&rig.poller, fds[0], POLLER_STREAM, &rig.target));
    rig.client = SSL_new(rig.client_ctx);
    SSL_set_fd(rig.client, rig.client_fd);
    SSL_set_connect_state(rig.client);
}

static inline enum tls_handshake shake(void)
{
    enum tls_handshake server = TLS_HANDSHAKE_WAIT;
    assert_true(stream_tls_start(&rig.stream, rig.server_ctx, rig.method));
    for (int i = 0; i < 100; i++) {
        int client = SSL_do_handshake(rig.client);
        poll_now();
        if (server == TLS_HANDSHAKE_WAIT)
            server = stream_tls_handshake(&rig.stream);
        if (server == TLS_HANDSHAKE_FAILED || (server == TLS_HANDSHAKE_DONE && client == 1))
            break;
    }
    if (server == TLS_HANDSHAKE_DONE && rig.take)
        assert_int_equal(stream_record_take(&rig.stream, rig.records),
                         SSL_version(rig.client) == TLS1_3_VERSION);
    return server;
}

static inline void connect_tls(void)
{
    dial();
    assert_int_equal(shake(), TLS_HANDSHAKE_DONE);
}

static inline void resume(bool expected)
{
    char byte;
    SSL_read(rig.client, &byte, 1); /* takes the ticket in */
    hang_up();
    dial();
    assert_non_null(rig.session);
    SSL_set_session(rig.client, rig.session);
    assert_int_equal(shake(), TLS_HANDSHAKE_DONE);
    assert_int_equal(SSL_session_reused(rig.client), expected);
}

static inline ssize_t read_stream(void *buf, size_t len)
{
    poll_now();
    return stream_read(&rig.stream, buf, len);
}

#endif
