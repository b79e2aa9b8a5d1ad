/*
 * stream_tls - a stream whose socket speaks TLS (OpenSSL): of a client that was accepted, or to a
 * server.
 *
 * Data flow: a BIO of our own reads and writes the socket and keeps the stream's flags, so that
 *            OpenSSL never asks a drained socket again. A whole burst is taken by one recv: by the
 *            BIO until the handshake is done, so that what follows it isn't in OpenSSL's hands yet,
 *            by OpenSSL's read-ahead then. A read decrypts as many records as fit; a write makes
 *            records of up to 16 kB.
 * Handing over: a TLS 1.3 connection can leave OpenSSL after its handshake (stream_record.h). The
 *            traffic secrets come from tls_kdf.h and go nowhere else.
 * Ends:      close_notify or the TCP end; the connection isn't required to say close_notify, since
 *            MQTT frames its packets itself and many devices just close.
 * Ownership: the stream must not move while it is open (the BIO points at it).
 */
#ifndef FLOTILLA_LB_STREAM_STREAM_TLS_H
#define FLOTILLA_LB_STREAM_STREAM_TLS_H

#include <openssl/ssl.h>
#include <stdbool.h>

#include "lb/stream/stream.h"

struct tls_agreement;

extern const struct stream_ops stream_tls_ops;

/* The way the socket's BIOs work; one for the process. NULL: out of memory. */
BIO_METHOD *stream_tls_method_new(void);

/* Turns a plain stream into a TLS one, the flags kept. False: out of memory, it is as it was. */
bool stream_tls_start(struct stream *s, SSL_CTX *ctx, BIO_METHOD *method);

/* The same for a connection that was made: `ssl` (tls_client_ssl) connects. Takes it, whatever comes
 * of it; NULL is none. */
bool stream_tls_connect(struct stream *s, SSL *ssl, BIO_METHOD *method);

enum tls_handshake { TLS_HANDSHAKE_DONE, TLS_HANDSHAKE_WAIT, TLS_HANDSHAKE_FAILED };

/* Goes on as far as the socket allows. After a failure tls_error says why; empty: the peer left. */
enum tls_handshake stream_tls_handshake(struct stream *s);

/* What a record layer needs to go on after the handshake, and what was received already and not
 * read by OpenSSL, which stays the stream's. False: not TLS 1.3, OpenSSL derived
 * the secrets by itself (FIPS), or it has read on. */
bool stream_tls_agreement(const struct stream *s, struct tls_agreement *out, const uint8_t **ahead,
                          size_t *ahead_len);

static inline SSL *stream_tls_ssl(const struct stream *s)
{
    return s->ops == &stream_tls_ops ? s->state : NULL;
}

#endif
