/*
 * Between OpenSSL, which wants a BIO, and the owner's two functions. The BIO never says that a write is to be tried
 * again: it keeps what isn't taken.
 */
#include "common/tls/tls_channel.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#include "common/tls/tls_error.h"

enum {
    /* Without a bound, a peer that sends records without data as fast as they are read would hold up its reader. */
    READS_PER_CALL = 8,
    RECORD_MAX = 16 * 1024, /* data in a record (RFC 8446, 5.1) */
    KEPT_MAX = 128 * 1024,  /* several times a handshake with a long chain, or a record */
};

/* Bytes in a row, of which the first `off` are done with. */
struct held {
    uint8_t *bytes; /* NULL: none */
    size_t off, len;
};

struct tls_channel {
    SSL *ssl;
    struct tls_carrier carrier;
    struct held fed;  /* received, and not asked for by OpenSSL yet */
    struct held kept; /* sealed, and not taken by the carrier yet */
    /* Of the call that is under way: */
    uint8_t reads_left;
    bool received; /* the carrier gave something */
    bool drained;  /* it has no more for now */
    bool starved;  /* OpenSSL would have read on */
    /* For good: */
    bool ended;         /* the peer says no more */
    int failure;        /* errno; 0: none */
    int send_failure;   /* the same: nothing goes out any more, but what came before can be read */
    unsigned long code; /* OpenSSL's reason for EPROTO; 0: none */
};

/* ---- bytes that are held ---------------------------------------------------------------------- */

static void held_drop(struct held *h)
{
    free(h->bytes);
    *h = (struct held){0};
}

static bool held_add(struct held *h, const uint8_t *bytes, size_t len)
{
    uint8_t *grown = realloc(h->bytes, h->len + len);
    if (grown == NULL)
        return false;
    memcpy(grown + h->len, bytes, len);
    h->bytes = grown;
    h->len += len;
    return true;
}

static void held_take(struct held *h, size_t n)
{
    h->off += n;
    if (h->off == h->len)
        held_drop(h);
}

static bool is_later(int err)
{
    return err == EAGAIN || err == EWOULDBLOCK;
}

/* ---- the BIO ---------------------------------------------------------------------------------- */

static int take_fed(struct tls_channel *c, char *out, size_t len)
{
    size_t there = c->fed.len - c->fed.off;
    size_t n = there < len ? there : len;
    memcpy(out, c->fed.bytes + c->fed.off, n);
    held_take(&c->fed, n);
    return (int)n;
}

static int bio_read(BIO *bio, char *out, int len)
{
    struct tls_channel *c = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    if (c->fed.bytes != NULL)
        return take_fed(c, out, (size_t)len);
    if (c->ended)
        return 0;
    if (c->failure != 0)
        return -1;
    if (!c->drained && c->reads_left > 0) {
        c->reads_left--;
        ssize_t n = c->carrier.receive(c->carrier.arg, out, (size_t)len);
        c->drained = n < len;
        c->ended = n == 0;
        c->received = c->received || n > 0;
        if (n >= 0)
            return (int)n;
        if (!is_later(errno)) {
            c->failure = errno;
            return -1;
        }
    }
    c->starved = !c->drained;
    BIO_set_retry_read(bio);
    return -1;
}

static void sending_failed(struct tls_channel *c, int err)
{
    c->send_failure = err;
    held_drop(&c->kept);
}

static size_t send_now(struct tls_channel *c, const uint8_t *data, size_t len)
{
    ssize_t n = c->carrier.send(c->carrier.arg, data, len);
    if (n < 0 && !is_later(errno))
        sending_failed(c, errno);
    return n > 0 ? (size_t)n : 0;
}

/* What the carrier takes of it; the rest is kept. For OpenSSL all is well also when nothing can be sent any more: it
 * goes on reading what the peer said before. */
static int bio_write(BIO *bio, const char *text, int len)
{
    struct tls_channel *c = BIO_get_data(bio);
    const uint8_t *data = (const uint8_t *)text;
    BIO_clear_retry_flags(bio);
    size_t sent = 0;
    if (c->kept.bytes == NULL && c->send_failure == 0)
        sent = send_now(c, data, (size_t)len);
    size_t rest = (size_t)len - sent;
    if (c->send_failure != 0 || rest == 0)
        return len;
    if (c->kept.len + rest > KEPT_MAX || !held_add(&c->kept, data + sent, rest)) {
        sending_failed(c, ENOBUFS);
        c->failure = ENOBUFS;
    }
    return len;
}

static long bio_ctrl(BIO *bio, int cmd, long num, void *ptr)
{
    const struct tls_channel *c = BIO_get_data(bio);
    (void)num;
    (void)ptr;
    switch (cmd) {
    case BIO_CTRL_FLUSH:
        return 1;
    case BIO_CTRL_EOF:
        return c->ended && c->fed.bytes == NULL;
    default:
        return 0;
    }
}

BIO_METHOD *tls_channel_method_new(void)
{
    BIO_METHOD *m = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "flotilla channel");
    if (m == NULL)
        return NULL;
    if (BIO_meth_set_read(m, bio_read) != 1 || BIO_meth_set_write(m, bio_write) != 1 ||
        BIO_meth_set_ctrl(m, bio_ctrl) != 1) {
        BIO_meth_free(m);
        return NULL;
    }
    return m;
}

/* ---- making and ending ------------------------------------------------------------------------ */

struct tls_channel *tls_channel_new(SSL *ssl, BIO_METHOD *method, const struct tls_carrier *carrier)
{
    struct tls_channel *c = calloc(1, sizeof(*c));
    BIO *bio = BIO_new(method);
    if (ssl == NULL || c == NULL || bio == NULL) {
        BIO_free(bio);
        free(c);
        SSL_free(ssl);
        ERR_clear_error();
        return NULL;
    }
    c->ssl = ssl;
    c->carrier = *carrier;
    BIO_set_data(bio, c);
    BIO_set_init(bio, 1);
    SSL_set_bio(ssl, bio, bio); /* takes the one reference for both directions */
    SSL_set_read_ahead(ssl, 1);
    return c;
}

void tls_channel_free(struct tls_channel *c)
{
    if (c == NULL)
        return;
    SSL_free(c->ssl);
    held_drop(&c->fed);
    held_drop(&c->kept);
    free(c);
}

bool tls_channel_feed(struct tls_channel *c, const uint8_t *bytes, size_t len)
{
    return len == 0 || held_add(&c->fed, bytes, len);
}

SSL *tls_channel_ssl(const struct tls_channel *c)
{
    return c->ssl;
}

/* ---- calls of OpenSSL's ----------------------------------------------------------------------- */

/* Others may have left errors in the thread's queue, which SSL_get_error would take for this call's. */
static void begin_call(struct tls_channel *c)
{
    ERR_clear_error();
    c->reads_left = READS_PER_CALL;
    c->received = false;
    c->drained = false;
    c->starved = false;
}

/* What an unsuccessful call means. Nothing is to be done when it only needs more bytes. */
static void note_result(struct tls_channel *c, int result)
{
    switch (SSL_get_error(c->ssl, result)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
        break;
    case SSL_ERROR_ZERO_RETURN:
        c->ended = true;
        break;
    default:
        c->code = ERR_peek_error();
        if (c->failure == 0)
            c->failure = EPROTO;
        break;
    }
}

enum tls_channel_progress tls_channel_handshake(struct tls_channel *c, bool *more)
{
    begin_call(c);
    int r = SSL_do_handshake(c->ssl);
    *more = c->starved;
    if (r == 1)
        return TLS_CHANNEL_DONE;
    note_result(c, r);
    bool over = c->ended || c->failure != 0 || c->send_failure != 0;
    return over ? TLS_CHANNEL_FAILED : TLS_CHANNEL_WAIT;
}

const char *tls_channel_failure(struct tls_channel *c, char *buf, size_t size)
{
    int err = c->send_failure != 0 ? c->send_failure : c->failure;
    if (tls_handshake_error(c->ssl, buf, size)[0] != '\0')
        return buf;
    const char *reason = c->code != 0 ? ERR_reason_error_string(c->code) : NULL;
    if (reason != NULL) { /* of an earlier call: an alert, for example */
        snprintf(buf, size, "%s", reason);
        return buf;
    }
    snprintf(buf, size, "%s", err != 0 && err != EPROTO ? strerror(err) : "closed by peer");
    return buf;
}

static ssize_t say_end(const struct tls_channel *c)
{
    if (c->failure != 0) {
        errno = c->failure;
        return -1;
    }
    return 0;
}

ssize_t tls_channel_read(struct tls_channel *c, void *buf, size_t len, bool *more)
{
    size_t got = 0;
    *more = false;
    if (c->failure != 0)
        return say_end(c);
    begin_call(c);
    while (got < len) {
        size_t n;
        if (got > 0 && c->drained && !SSL_has_pending(c->ssl))
            break;
        if (SSL_read_ex(c->ssl, (char *)buf + got, len - got, &n) == 1) {
            got += n;
            continue;
        }
        note_result(c, 0);
        ERR_clear_error();
        bool over = c->ended || c->failure != 0;
        if (got == 0 && over)
            return say_end(c);
        /* Also of a record that isn't whole: an end may have come with its beginning, and nothing tells of it. */
        *more = over || c->starved || (got == 0 && c->received);
        break;
    }
    if (got > 0)
        return (ssize_t)got;
    errno = EAGAIN;
    return -1;
}

/* The pieces in one, as far as a record has room. */
static size_t gather(const struct iovec *iov, int count, uint8_t *out)
{
    size_t len = 0;
    for (int i = 0; i < count && len < RECORD_MAX; i++) {
        size_t part = iov[i].iov_len < RECORD_MAX - len ? iov[i].iov_len : RECORD_MAX - len;
        memcpy(out + len, iov[i].iov_base, part);
        len += part;
    }
    return len;
}

static ssize_t seal(struct tls_channel *c, const void *data, size_t len)
{
    size_t n;
    if (len == 0)
        return 0;
    begin_call(c);
    if (SSL_write_ex(c->ssl, data, len, &n) != 1) { /* not for the BIO's sake: it takes all */
        note_result(c, 0);
        ERR_clear_error();
        c->failure = c->failure != 0 ? c->failure : EPROTO;
    } else if (c->send_failure == 0) {
        return (ssize_t)n;
    }
    errno = c->send_failure != 0 ? c->send_failure : c->failure;
    return -1;
}

ssize_t tls_channel_writev(struct tls_channel *c, const struct iovec *iov, int count)
{
    uint8_t together[RECORD_MAX];
    if (!tls_channel_flush(c)) {
        errno = EAGAIN;
        return -1;
    }
    if (c->failure != 0 || c->send_failure != 0) {
        errno = c->send_failure != 0 ? c->send_failure : c->failure;
        return -1;
    }
    if (count == 1 || (count > 1 && iov[0].iov_len >= RECORD_MAX))
        return seal(c, iov[0].iov_base, iov[0].iov_len < RECORD_MAX ? iov[0].iov_len : RECORD_MAX);
    return seal(c, together, gather(iov, count, together));
}

/* A connection that has failed keeps nothing: its owner learns of it by the next read or write. */
bool tls_channel_flush(struct tls_channel *c)
{
    while (c->kept.bytes != NULL) {
        struct held *k = &c->kept;
        size_t n = send_now(c, k->bytes + k->off, k->len - k->off);
        if (c->send_failure != 0)
            break;
        if (n == 0)
            return false;
        held_take(k, n);
    }
    return true;
}

void tls_channel_close(struct tls_channel *c)
{
    if (c->failure != 0 || c->send_failure != 0 || !SSL_is_init_finished(c->ssl))
        return;
    begin_call(c);
    (void)SSL_shutdown(c->ssl);
    ERR_clear_error();
    (void)tls_channel_flush(c);
}
