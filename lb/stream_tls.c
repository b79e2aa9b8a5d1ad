/*
 * See the header. OpenSSL's error queue is empty between any two calls here: whoever meets an error
 * clears it, so that SSL_get_error needs no clearing in the hot path.
 */
#include "lb/stream_tls.h"

#include <openssl/err.h>
#include <sys/socket.h>

/* Reads of the socket by one call at most. Without a bound, a peer that sends records without
 * content (key updates) as fast as they are read would keep OpenSSL, and the worker, in one call.
 */
#define READS_PER_CALL 8

static int bio_read(BIO *bio, char *out, int len)
{
    struct stream *s = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    if (s->socket_ended)
        return 0;
    if (s->socket_more && s->turn_reads > 0) {
        s->turn_reads--;
        ssize_t n = stream_socket_read(s, out, (size_t)len);
        if (n != STREAM_AGAIN)
            return (int)n;
    }
    BIO_set_retry_read(bio);
    return -1;
}

static int bio_write(BIO *bio, const char *data, int len)
{
    struct stream *s = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    if (s->broken)
        return -1;
    size_t n = s->writable ? stream_socket_write(s, data, (size_t)len) : 0;
    if (n > 0)
        return (int)n;
    if (!s->broken)
        BIO_set_retry_write(bio);
    return -1;
}

static long bio_ctrl(BIO *bio, int cmd, long num, void *ptr)
{
    (void)num;
    (void)ptr;
    struct stream *s = BIO_get_data(bio);
    switch (cmd) {
    case BIO_CTRL_FLUSH:
        return 1;
    case BIO_CTRL_EOF:
        return s->socket_ended;
    default:
        return 0;
    }
}

BIO_METHOD *stream_tls_method_new(void)
{
    BIO_METHOD *m = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "flotilla stream");
    if (m == NULL)
        return NULL;
    if (BIO_meth_set_read(m, bio_read) != 1 || BIO_meth_set_write(m, bio_write) != 1 ||
        BIO_meth_set_ctrl(m, bio_ctrl) != 1) {
        BIO_meth_free(m);
        return NULL;
    }
    return m;
}

bool stream_tls_start(struct stream *s, SSL_CTX *ctx, BIO_METHOD *method)
{
    SSL *ssl = SSL_new(ctx);
    BIO *bio = BIO_new(method);
    if (ssl == NULL || bio == NULL) {
        SSL_free(ssl);
        BIO_free(bio);
        ERR_clear_error();
        return false;
    }
    BIO_set_data(bio, s);
    BIO_set_init(bio, 1);
    SSL_set_bio(ssl, bio, bio); /* takes the one reference for both directions */
    SSL_set_accept_state(ssl);
    s->ops = &stream_tls_ops;
    s->state = ssl;
    return true;
}

/* What an unsuccessful call means for the stream's flags. */
static void note_failure(struct stream *s, int result)
{
    switch (SSL_get_error(s->state, result)) {
    case SSL_ERROR_WANT_READ:
        s->readable = s->socket_more; /* still set: only the call's budget was used up */
        break;
    case SSL_ERROR_WANT_WRITE:
        s->readable = false;
        s->wants_write = true;
        break;
    case SSL_ERROR_ZERO_RETURN:
        s->readable = false;
        s->ended = true;
        break;
    default:
        s->readable = false;
        s->ended = s->broken = true;
        break;
    }
}

enum tls_handshake stream_tls_handshake(struct stream *s)
{
    s->turn_reads = READS_PER_CALL;
    int r = SSL_do_handshake(s->state);
    if (r == 1) {
        s->readable = true; /* read-ahead may have taken what follows the handshake */
        return TLS_HANDSHAKE_DONE;
    }
    note_failure(s, r);
    return s->ended ? TLS_HANDSHAKE_FAILED : TLS_HANDSHAKE_WAIT;
}

static ssize_t tls_read(struct stream *s, void *buf, size_t len)
{
    size_t got = 0;
    s->turn_reads = READS_PER_CALL;
    while (got < len) {
        size_t n;
        if (got > 0 && !s->socket_more && !s->socket_ended && !SSL_has_pending(s->state)) {
            s->readable = false;
            break;
        }
        if (SSL_read_ex(s->state, (char *)buf + got, len - got, &n) == 1) {
            got += n;
            continue;
        }
        note_failure(s, 0);
        if (s->ended)
            ERR_clear_error();
        break;
    }
    if (got > 0)
        return (ssize_t)got;
    return s->ended ? 0 : STREAM_AGAIN;
}

static size_t tls_write(struct stream *s, const void *buf, size_t len)
{
    size_t done = 0;
    while (done < len && s->writable) {
        size_t n;
        if (SSL_write_ex(s->state, (const char *)buf + done, len - done, &n) == 1) {
            done += n;
            continue;
        }
        if (SSL_get_error(s->state, 0) == SSL_ERROR_WANT_WRITE) {
            s->writable = false;
            break;
        }
        s->broken = true;
        ERR_clear_error();
        break;
    }
    return done;
}

static bool tls_shutdown(struct stream *s, bool closing)
{
    if (SSL_is_init_finished(s->state)) {
        s->more_follows = true; /* the FIN */
        int r = SSL_shutdown(s->state);
        s->more_follows = false;
        if (r < 0 && SSL_get_error(s->state, r) == SSL_ERROR_WANT_WRITE) {
            s->writable = false;
            return false;
        }
        ERR_clear_error();
    }
    stream_socket_shutdown(s, closing);
    return true;
}

static void tls_free_state(struct stream *s)
{
    SSL_free(s->state);
    s->state = NULL;
}

const struct stream_ops stream_tls_ops = {
    .read = tls_read,
    .write = tls_write,
    .shutdown = tls_shutdown,
    .free_state = tls_free_state,
    .is_plain = false,
};
