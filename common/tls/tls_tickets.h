/*
 * tls_tickets - the keys of TLS session tickets: shared by all workers, rotating.
 *
 * Data flow: OpenSSL calls back when it makes or opens a ticket (tls_tickets_install). The newest
 *            key makes tickets; it and the two before it open them, so a ticket is good for two to
 *            three periods, and a device that comes back in that time saves the certificate's
 *            signature. A ticket under an older key is renewed.
 * Threads:   any; a read-write lock guards the keys. Rotation is lazy: the first use after a period
 *            is over makes the next key.
 * Ownership: must outlive every SSL_CTX it is installed in.
 * Units:     milliseconds of CLOCK_MONOTONIC.
 */
#ifndef FLOTILLA_COMMON_TLS_TLS_TICKETS_H
#define FLOTILLA_COMMON_TLS_TLS_TICKETS_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>

struct tls_tickets;

#define TLS_TICKETS_PERIOD_MS (8u * 3600u * 1000u)

/* NULL: out of memory or no randomness. */
struct tls_tickets *tls_tickets_new(uint64_t period_ms);
void tls_tickets_free(struct tls_tickets *t);

/* Makes a new key at once if the current one is older than a period at `now_ms`. */
void tls_tickets_rotate(struct tls_tickets *t, uint64_t now_ms);

bool tls_tickets_install(struct tls_tickets *t, SSL_CTX *ctx);

#endif
