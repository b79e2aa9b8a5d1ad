/*
 * A client's bytes in TLS, over another transport whose first bytes turned out to be on a TLS listener: a
 * tls_channel whose carrier is the inner transport. connection/secure.c puts it there and goes on with its handshake.
 *
 * Ready:     what the channel keeps goes out when the inner transport can be written to; only then the client hears of
 *            it.
 * Ending:    close_notify is the last that is said, also to a client that has said its last word in MQTT's way.
 */
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "broker/base/account.h"
#include "broker/net/transport.h"
#include "common/tls/tls_channel.h"

/* What OpenSSL allocates for a connection that is idle, which nobody else counts: measured, both versions. */
enum { SSL_BYTES = 16 * 1024 };

struct transport_tls {
    struct transport base;   /* first member */
    struct transport *inner; /* owned */
    struct tls_channel *channel;
    bool finished;
};

static struct transport_tls *tls_of(struct transport *t)
{
    return (struct transport_tls *)t;
}

/* ---- the channel's carrier -------------------------------------------------------------------- */

static ssize_t receive_inner(void *arg, void *buf, size_t len)
{
    struct transport_tls *tls = arg;
    return tls->inner->ops->read(tls->inner, buf, len);
}

static ssize_t send_inner(void *arg, const void *buf, size_t len)
{
    struct transport_tls *tls = arg;
    struct iovec all = {.iov_base = (void *)buf, .iov_len = len};
    return tls->inner->ops->writev(tls->inner, &all, 1);
}

/* ---- operations ------------------------------------------------------------------------------- */

static void on_inner_ready(void *arg, unsigned ready)
{
    struct transport_tls *tls = arg;
    if ((ready & TRANSPORT_WRITABLE) && !tls_channel_flush(tls->channel))
        ready &= ~(unsigned)TRANSPORT_WRITABLE;
    if (ready != 0)
        tls->base.ready(tls->base.arg, ready);
}

static bool tls_start(struct transport *t)
{
    (void)t; /* the inner transport was started before the first bytes came */
    return true;
}

static ssize_t tls_read(struct transport *t, void *buf, size_t len)
{
    bool more;
    ssize_t n = tls_channel_read(tls_of(t)->channel, buf, len, &more);
    if (more)
        t->ready(t->arg, TRANSPORT_MORE);
    return n;
}

static ssize_t tls_writev(struct transport *t, const struct iovec *iov, int count)
{
    return tls_channel_writev(tls_of(t)->channel, iov, count);
}

static void tls_finish(struct transport *t, bool going_away)
{
    struct transport_tls *tls = tls_of(t);
    tls->finished = true;
    tls_channel_close(tls->channel);
    tls->inner->ops->finish(tls->inner, going_away);
}

static void tls_free(struct transport *t)
{
    struct transport_tls *tls = tls_of(t);
    if (!tls->finished)
        tls_finish(t, false);
    tls_channel_free(tls->channel);
    tls->inner->ops->free(tls->inner);
    account_take(ACCOUNT_CLIENTS, SSL_BYTES);
    account_free(ACCOUNT_CLIENTS, tls);
}

static uint32_t tls_silent_ms(struct transport *t)
{
    struct transport *inner = tls_of(t)->inner;
    return inner->ops->silent_ms != NULL ? inner->ops->silent_ms(inner) : 0;
}

static const X509 *tls_peer_certificate(const struct transport *t)
{
    const SSL *ssl = tls_channel_ssl(((const struct transport_tls *)t)->channel);
    return SSL_get_verify_result(ssl) == X509_V_OK ? SSL_get0_peer_certificate(ssl) : NULL;
}

static const struct transport_ops tls_ops = {
    .start = tls_start,
    .read = tls_read,
    .writev = tls_writev,
    .finish = tls_finish,
    .free = tls_free,
    .silent_ms = tls_silent_ms,
    .peer_certificate = tls_peer_certificate,
};

/* ---- making ----------------------------------------------------------------------------------- */

struct transport *transport_tls_new(struct transport *inner, SSL_CTX *ctx, BIO_METHOD *method,
                                    const uint8_t *first, size_t len)
{
    struct transport_tls *tls = account_zalloc(ACCOUNT_CLIENTS, sizeof(*tls));
    if (tls == NULL)
        return NULL;
    struct tls_carrier carrier = {.receive = receive_inner, .send = send_inner, .arg = tls};
    SSL *ssl = SSL_new(ctx);
    if (ssl != NULL)
        SSL_set_accept_state(ssl);
    tls->channel = tls_channel_new(ssl, method, &carrier);
    if (tls->channel == NULL || !tls_channel_feed(tls->channel, first, len)) {
        tls_channel_free(tls->channel);
        account_free(ACCOUNT_CLIENTS, tls);
        return NULL;
    }
    account_add(ACCOUNT_CLIENTS, SSL_BYTES);
    tls->base = *inner;
    tls->base.ops = &tls_ops;
    tls->inner = inner;
    inner->ready = on_inner_ready;
    inner->arg = tls;
    return &tls->base;
}

bool transport_is_tls(const struct transport *t)
{
    return t->ops == &tls_ops;
}

struct tls_channel *transport_tls_channel(struct transport *t)
{
    return tls_of(t)->channel;
}
