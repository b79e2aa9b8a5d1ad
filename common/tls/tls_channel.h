/*
 * tls_channel - one TLS connection over bytes that its owner carries: an SSL whose owner never waits for it.
 *
 * Data flow: the owner (broker/net/transport_tls.c, common/redis/redis_socket.c) lends two functions that receive and
 *            send as on a non-blocking socket; it calls handshake until that is done, then read and writev.
 * Reading:   with OpenSSL's read-ahead, so that a burst is one `receive`. `more` says that a call stopped before the
 *            owner's bytes were at their end: no edge will tell.
 * Writing:   what was sealed counts as written. What the owner's carrier doesn't take is kept here and goes out before
 *            anything else. So whoever writes may come back with other bytes, which SSL_write doesn't allow.
 * Bounds:    a call receives READS_PER_CALL times at most. Kept is what one call sealed, 16 kB of data at most, and
 *            what OpenSSL says of its own accord (handshake, alerts); above KEPT_MAX the connection is broken.
 * Memory:    while it is idle: no buffer of OpenSSL's, nothing kept.
 * Errors:    as of a socket, in errno. EPROTO: what came isn't good TLS, or the peer's alert. OpenSSL's queue is
 *            empty after each call but a failed handshake; tls_channel_failure says why.
 */
#ifndef FLOTILLA_COMMON_TLS_TLS_CHANNEL_H
#define FLOTILLA_COMMON_TLS_TLS_CHANNEL_H

#include <openssl/bio.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct iovec;
struct tls_channel;

struct tls_carrier {
    ssize_t (*receive)(void *arg, void *buf, size_t len); /* as recv */
    ssize_t (*send)(void *arg, const void *buf, size_t len);
    void *arg;
};

/* The way the channels' BIOs work; outlives them. NULL: out of memory. */
BIO_METHOD *tls_channel_method_new(void);

/* For a connection that this process accepted (SSL_new of a listener's context, SSL_set_accept_state) or made
 * (tls_client.h). Takes `ssl`, whatever comes of it; NULL is none. NULL: out of memory. */
struct tls_channel *tls_channel_new(SSL *ssl, BIO_METHOD *method,
                                    const struct tls_carrier *carrier);
/* Says nothing to the peer: tls_channel_close does. */
void tls_channel_free(struct tls_channel *c);

/* Bytes that were received before the channel was there; once, before the handshake. False: out of memory. */
bool tls_channel_feed(struct tls_channel *c, const uint8_t *bytes, size_t len);

enum tls_channel_progress { TLS_CHANNEL_DONE, TLS_CHANNEL_WAIT, TLS_CHANNEL_FAILED };

/* Goes on as far as what came allows. After DONE, data may have come with it: read. */
enum tls_channel_progress tls_channel_handshake(struct tls_channel *c, bool *more);
/* Why it, or a later call, failed, as text. */
const char *tls_channel_failure(struct tls_channel *c, char *buf, size_t size);

/* As recv: bytes, 0 at the end (close_notify, or the carrier's end), or -1. */
ssize_t tls_channel_read(struct tls_channel *c, void *buf, size_t len, bool *more);
/* As writev; takes 16 kB at most. EAGAIN while something is kept. */
ssize_t tls_channel_writev(struct tls_channel *c, const struct iovec *iov, int count);
/* Sends what is kept. True: nothing is left of it. */
bool tls_channel_flush(struct tls_channel *c);
/* The last that is said: close_notify, as far as the carrier takes it. */
void tls_channel_close(struct tls_channel *c);

SSL *tls_channel_ssl(const struct tls_channel *c);

#endif
