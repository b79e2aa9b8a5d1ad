/*
 * stream_tls - a stream whose socket speaks TLS (OpenSSL, server side).
 *
 * Data flow: a BIO of our own reads and writes the socket and keeps the stream's flags, so that
 *            OpenSSL never asks a drained socket again. Read-ahead takes a whole burst by one recv;
 *            a read decrypts as many records as fit; a write makes records of up to 16 kB.
 * Ends:      close_notify or the TCP end; the connection isn't required to say close_notify, since
 *            MQTT frames its packets itself and many devices just close.
 * Ownership: the stream must not move while it is open (the BIO points at it).
 */
#ifndef FLOTILLA_LB_STREAM_TLS_H
#define FLOTILLA_LB_STREAM_TLS_H

#include <openssl/ssl.h>
#include <stdbool.h>

#include "lb/stream.h"

extern const struct stream_ops stream_tls_ops;

/* The way the socket's BIOs work; one for the process. NULL: out of memory. */
BIO_METHOD *stream_tls_method_new(void);

/* Turns a plain stream into a TLS one, the flags kept. False: out of memory, it is as it was. */
bool stream_tls_start(struct stream *s, SSL_CTX *ctx, BIO_METHOD *method);

enum tls_handshake { TLS_HANDSHAKE_DONE, TLS_HANDSHAKE_WAIT, TLS_HANDSHAKE_FAILED };

/* Goes on as far as the socket allows. After a failure tls_error says why; empty: the peer left. */
enum tls_handshake stream_tls_handshake(struct stream *s);

static inline SSL *stream_tls_ssl(const struct stream *s)
{
    return s->ops == &stream_tls_ops ? s->state : NULL;
}

#endif
