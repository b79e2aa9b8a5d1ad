/*
 * Both ends run in turn on this thread. Whatever one waits for was sent by the other just before, so
 * a step that makes no progress in a few rounds never will.
 */
#include "lb/stream/tls_selfcheck.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lb/stream/stream_record.h"
#include "lb/stream/stream_tls.h"
#include "lb/tls/records/tls_provider.h"
#include "lb/tls/records/tls_record.h"

#define ROUNDS 20
#define LONGEST (TLS_RECORD_CONTENT_MAX + 1000)

static const char *const suites[] = {"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384",
                                     "TLS_CHACHA20_POLY1305_SHA256"};
_Static_assert(sizeof(suites) / sizeof(suites[0]) == TLS_SUITES, "each suite is checked");

struct check {
    tls_take_fn *take;
    BIO_METHOD *method;
    struct record_env *env;
    SSL_CTX *server_ctx, *client_ctx;
    struct stream server;
    SSL *client;
    int client_fd;
    uint8_t said[LONGEST], heard[LONGEST];
};

/* ---- contexts ---- */

static X509 *sign_itself(EVP_PKEY *key)
{
    X509 *cert = X509_new();
    if (cert != NULL && X509_set_version(cert, 2) == 1 &&
        X509_gmtime_adj(X509_getm_notBefore(cert), -60) != NULL &&
        X509_gmtime_adj(X509_getm_notAfter(cert), 3600) != NULL &&
        X509_set_pubkey(cert, key) == 1 && X509_sign(cert, key, EVP_sha256()) > 0)
        return cert;
    X509_free(cert);
    return NULL;
}

static bool use_certificate(SSL_CTX *ctx)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = key == NULL ? NULL : sign_itself(key);
    bool ok = cert != NULL && SSL_CTX_use_certificate(ctx, cert) == 1 &&
              SSL_CTX_use_PrivateKey(ctx, key) == 1;
    X509_free(cert);
    EVP_PKEY_free(key);
    return ok;
}

/* As tls.c makes them, as far as it matters here: a ticket is a record before the first of ours. */
static bool prepare(struct check *c)
{
    c->method = stream_tls_method_new();
    c->env = record_env_new();
    c->server_ctx = SSL_CTX_new_ex(NULL, TLS_PROVIDER_FIRST, TLS_server_method());
    c->client_ctx = SSL_CTX_new_ex(NULL, TLS_PROVIDER_NEVER, TLS_client_method());
    if (c->method == NULL || c->env == NULL || c->server_ctx == NULL || c->client_ctx == NULL)
        return false;
    for (size_t i = 0; i < sizeof(c->said); i++)
        c->said[i] = (uint8_t)(i * 7 + (i >> 9));
    SSL_CTX_set_verify(c->client_ctx, SSL_VERIFY_NONE, NULL); /* it knows whom it talks to */
    return SSL_CTX_set_min_proto_version(c->client_ctx, TLS1_3_VERSION) == 1 &&
           SSL_CTX_set_num_tickets(c->server_ctx, 1) == 1 && use_certificate(c->server_ctx);
}

/* ---- one connection ---- */

static bool dial(struct check *c, const char *suite, SSL_SESSION *session)
{
    int fds[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) != 0)
        return false;
    c->client_fd = fds[1];
    stream_init_plain(&c->server, fds[0]);
    c->client = SSL_new(c->client_ctx);
    if (c->client == NULL || SSL_set_fd(c->client, c->client_fd) != 1 ||
        SSL_set_ciphersuites(c->client, suite) != 1 ||
        (session != NULL && SSL_set_session(c->client, session) != 1))
        return false;
    SSL_set_connect_state(c->client);
    return stream_tls_start(&c->server, c->server_ctx, c->method);
}

static void hang_up(struct check *c)
{
    if (c->server.fd >= 0) {
        c->server.ops->free_state(&c->server);
        close(c->server.fd);
        c->server.fd = -1;
    }
    if (c->client != NULL) /* or OpenSSL takes its session for a bad one */
        SSL_set_shutdown(c->client, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(c->client);
    c->client = NULL;
    if (c->client_fd >= 0)
        close(c->client_fd);
    c->client_fd = -1;
}

static bool shake(struct check *c)
{
    enum tls_handshake server = TLS_HANDSHAKE_WAIT;
    for (int i = 0; i < ROUNDS && server != TLS_HANDSHAKE_FAILED; i++) {
        int client = SSL_do_handshake(c->client);
        stream_ready(&c->server, EPOLLIN | EPOLLOUT);
        if (server == TLS_HANDSHAKE_WAIT)
            server = stream_tls_handshake(&c->server);
        if (server == TLS_HANDSHAKE_DONE && client == 1)
            return true;
    }
    return false;
}

static bool hear(struct check *c, size_t len)
{
    size_t got = 0;
    for (int i = 0; i < ROUNDS && got < len; i++) {
        stream_ready(&c->server, EPOLLIN | EPOLLOUT);
        ssize_t n = stream_read(&c->server, c->heard + got, sizeof(c->heard) - got);
        if (n == 0)
            return false;
        got += n > 0 ? (size_t)n : 0;
    }
    return got == len && memcmp(c->heard, c->said, len) == 0;
}

static bool hear_back(struct check *c, size_t len)
{
    size_t got = 0;
    memset(c->heard, 0, len);
    for (int i = 0; i < ROUNDS && got < len; i++) {
        size_t n = 0;
        if (SSL_read_ex(c->client, c->heard + got, sizeof(c->heard) - got, &n) == 1)
            got += n;
        else if (SSL_get_error(c->client, 0) != SSL_ERROR_WANT_READ)
            return false;
    }
    return got == len && memcmp(c->heard, c->said, len) == 0;
}

static bool echo(struct check *c, size_t len)
{
    return SSL_write(c->client, c->said, (int)len) == (int)len && hear(c, len) &&
           stream_write(&c->server, c->said, len) == len && hear_back(c, len);
}

/* What went wrong, NULL: nothing. */
static const char *talk(struct check *c, const char *suite, SSL_SESSION *session)
{
    if (!dial(c, suite, session))
        return "no connection";
    if (!shake(c))
        return "handshake";
    if (session != NULL && !SSL_session_reused(c->client))
        return "resumption";
    if (!c->take(&c->server, c->env))
        return "leaving OpenSSL";
    if (!echo(c, 1) || !echo(c, 100))
        return "echo";
    if (!echo(c, LONGEST))
        return "echo of more than a record";
    if (SSL_key_update(c->client, SSL_KEY_UPDATE_REQUESTED) != 1 || !echo(c, 100) || !echo(c, 100))
        return "echo after a change of keys";
    return NULL;
}

static const char *check_suite(struct check *c, const char *suite)
{
    const char *trouble = talk(c, suite, NULL);
    SSL_SESSION *session = trouble == NULL ? SSL_get1_session(c->client) : NULL;
    hang_up(c);
    if (trouble == NULL)
        trouble = talk(c, suite, session);
    hang_up(c);
    SSL_SESSION_free(session);
    return trouble;
}

static void finish(struct check *c)
{
    SSL_CTX_free(c->server_ctx);
    SSL_CTX_free(c->client_ctx);
    record_env_free(c->env);
    BIO_meth_free(c->method);
    OPENSSL_cleanse(c->heard, sizeof(c->heard));
    free(c);
    ERR_clear_error();
}

bool tls_selfcheck(tls_take_fn *take, char *err, size_t errlen)
{
    struct check *c = calloc(1, sizeof(*c));
    if (c == NULL) {
        snprintf(err, errlen, "out of memory");
        return false;
    }
    c->take = take;
    c->server.fd = c->client_fd = -1;
    const char *suite = "all";
    const char *trouble = prepare(c) ? NULL : "no context";
    for (size_t i = 0; trouble == NULL && i < TLS_SUITES; i++) {
        suite = suites[i];
        trouble = check_suite(c, suite);
    }
    if (trouble != NULL)
        snprintf(err, errlen, "%s: %s", suite, trouble);
    finish(c);
    return trouble == NULL;
}
