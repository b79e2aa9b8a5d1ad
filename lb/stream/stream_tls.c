/*
 * OpenSSL's error queue is empty between any two calls here: each function clears it after an
 * error, so that the hot path needn't clear it before SSL_get_error.
 */
#include "lb/stream/stream_tls.h"

#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "lb/tls/records/tls_kdf.h"
#include "lb/tls/tls_session.h"

/* Reads of the socket by one call at most. Without a bound, a peer that sends records without
 * content (key updates) as fast as they are read would keep OpenSSL, and the worker, in one call.
 */
#define READS_PER_CALL 8

#define AHEAD_SIZE 4096 /* takes a client's whole flight, certificates aside */

/* Between OpenSSL and the socket: the BIO's data. */
struct link {
    struct stream *stream;
    uint8_t *ahead; /* received while OpenSSL asks piece by piece; NULL: nothing */
    uint32_t off, len;
    uint32_t written; /* records under the server's application keys */
    struct tls_kdf_secrets secrets;
};

static struct link *link_of(const SSL *ssl)
{
    return BIO_get_data(SSL_get_rbio(ssl));
}

static int take_ahead(struct link *l, char *out, size_t len)
{
    size_t n = l->len - l->off < len ? l->len - l->off : len;
    memcpy(out, l->ahead + l->off, n);
    l->off += (uint32_t)n;
    if (l->off == l->len) {
        free(l->ahead);
        l->ahead = NULL;
    }
    return (int)n;
}

/* One recv for a small piece takes what is there. */
static ssize_t read_socket(struct link *l, char *out, size_t len)
{
    if (len < AHEAD_SIZE)
        l->ahead = malloc(AHEAD_SIZE);
    if (l->ahead == NULL)
        return stream_socket_read(l->stream, out, len);
    ssize_t n = stream_socket_read(l->stream, l->ahead, AHEAD_SIZE);
    l->off = 0;
    l->len = n > 0 ? (uint32_t)n : 0;
    if (n > 0)
        return take_ahead(l, out, len);
    free(l->ahead);
    l->ahead = NULL;
    return n;
}

static int bio_read(BIO *bio, char *out, int len)
{
    struct link *l = BIO_get_data(bio);
    struct stream *s = l->stream;
    BIO_clear_retry_flags(bio);
    if (l->ahead != NULL)
        return take_ahead(l, out, (size_t)len);
    if (s->socket_ended)
        return 0;
    if (s->socket_more && s->turn_reads > 0) {
        s->turn_reads--;
        ssize_t n = read_socket(l, out, (size_t)len);
        if (n != STREAM_AGAIN)
            return (int)n;
    }
    BIO_set_retry_read(bio);
    return -1;
}

static int bio_write(BIO *bio, const char *data, int len)
{
    struct stream *s = ((struct link *)BIO_get_data(bio))->stream;
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
    const struct link *l = BIO_get_data(bio);
    switch (cmd) {
    case BIO_CTRL_FLUSH:
        return 1;
    case BIO_CTRL_EOF:
        return l->stream->socket_ended && l->ahead == NULL;
    default:
        return 0;
    }
}

static int bio_destroy(BIO *bio)
{
    struct link *l = BIO_get_data(bio);
    if (l != NULL) {
        free(l->ahead);
        OPENSSL_cleanse(l, sizeof(*l));
        free(l);
    }
    BIO_set_data(bio, NULL);
    return 1;
}

BIO_METHOD *stream_tls_method_new(void)
{
    BIO_METHOD *m = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "flotilla stream");
    if (m == NULL)
        return NULL;
    if (BIO_meth_set_read(m, bio_read) != 1 || BIO_meth_set_write(m, bio_write) != 1 ||
        BIO_meth_set_ctrl(m, bio_ctrl) != 1 || BIO_meth_set_destroy(m, bio_destroy) != 1) {
        BIO_meth_free(m);
        return NULL;
    }
    return m;
}

/* OpenSSL calls for each message and each record header: counts the records that are written under
 * the server's application keys (session tickets). */
static void on_message(int written, int version, int type, const void *buf, size_t len, SSL *ssl,
                       void *arg)
{
    (void)version;
    (void)buf;
    (void)len;
    (void)ssl;
    struct link *l = arg;
    if (written && type == SSL3_RT_HEADER && l->secrets.server_len > 0)
        l->written++;
}

static bool start(struct stream *s, SSL *ssl, BIO_METHOD *method)
{
    BIO *bio = BIO_new(method);
    struct link *l = calloc(1, sizeof(*l));
    if (ssl == NULL || bio == NULL || l == NULL) {
        SSL_free(ssl);
        BIO_free(bio);
        free(l);
        ERR_clear_error();
        return false;
    }
    l->stream = s;
    BIO_set_data(bio, l);
    BIO_set_init(bio, 1);
    SSL_set_bio(ssl, bio, bio); /* takes the one reference for both directions */
    SSL_set_msg_callback(ssl, on_message);
    SSL_set_msg_callback_arg(ssl, l);
    s->ops = &stream_tls_ops;
    s->state = ssl;
    return true;
}

bool stream_tls_start(struct stream *s, SSL_CTX *ctx, BIO_METHOD *method)
{
    SSL *ssl = SSL_new(ctx);
    if (ssl != NULL)
        SSL_set_accept_state(ssl);
    return start(s, ssl, method);
}

bool stream_tls_connect(struct stream *s, SSL *ssl, BIO_METHOD *method)
{
    return start(s, ssl, method);
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
    tls_kdf_tell(&link_of(s->state)->secrets);
    int r = SSL_do_handshake(s->state);
    tls_kdf_tell(NULL);
    if (r == 1) {
        s->readable = true; /* what follows the handshake may have been received with it */
        SSL_set_read_ahead(s->state, 1);
        SSL_set_msg_callback(s->state, NULL);
        return TLS_HANDSHAKE_DONE;
    }
    note_failure(s, r);
    return s->ended ? TLS_HANDSHAKE_FAILED : TLS_HANDSHAKE_WAIT;
}

static size_t content_max_of(const SSL *ssl)
{
    uint8_t code = SSL_SESSION_get_max_fragment_length(SSL_get_session(ssl));
    return code == TLSEXT_max_fragment_length_DISABLED ? TLS_RECORD_CONTENT_MAX : 256u << code;
}

bool stream_tls_agreement(const struct stream *s, struct tls_agreement *out, const uint8_t **ahead,
                          size_t *ahead_len)
{
    const SSL *ssl = stream_tls_ssl(s);
    if (ssl == NULL || SSL_version(ssl) != TLS1_3_VERSION || !SSL_is_init_finished(ssl) ||
        SSL_has_pending(ssl) ||
        !tls_suite_find(SSL_CIPHER_get_protocol_id(SSL_get_current_cipher(ssl)), &out->suite))
        return false;
    const struct link *l = link_of(ssl);
    size_t secret_len = tls_suite_secret_len(out->suite);
    if (l->secrets.client_len != secret_len || l->secrets.server_len != secret_len)
        return false;
    memcpy(out->in_secret, l->secrets.client, secret_len);
    memcpy(out->out_secret, l->secrets.server, secret_len);
    out->out_sequence = l->written;
    out->content_max = (uint16_t)content_max_of(ssl);
    *ahead = l->ahead == NULL ? NULL : l->ahead + l->off;
    *ahead_len = l->ahead == NULL ? 0 : l->len - l->off;
    return true;
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
