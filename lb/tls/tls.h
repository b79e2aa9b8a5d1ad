/*
 * tls - the TLS side of a listener: its SSL_CTX, made from a tls_config.
 *
 * Data flow: the snapshot builder calls tls_context_new for each TLS listener; stream_tls.c makes
 *            an SSL for each connection from it.
 * Policy:    TLS 1.2 and later, no renegotiation, no early data, no server-side session cache;
 *            resumption by tickets (tls_tickets.h) whose keys outlive the context, one a handshake,
 *            where clients are verified as before (tls_clients.h); ALPN "mqtt", or none at all.
 * Ownership: a context is an SSL_CTX (SSL_CTX_free, SSL_CTX_up_ref); `tickets` must outlive it.
 * Errors:    NULL, with a sentence in `err` that names the file and OpenSSL's reason.
 */
#ifndef FLOTILLA_LB_TLS_TLS_H
#define FLOTILLA_LB_TLS_TLS_H

#include <openssl/ssl.h>
#include <stddef.h>
#include <stdio.h>

#include "lb/config/lb_config.h"

struct tls_tickets;

/* `tickets` NULL: connections are never resumed. */
SSL_CTX *tls_context_new(const struct tls_config *config, struct tls_tickets *tickets, char *err,
                         size_t errlen);

/* A file of tls_config's for reading (common/process/regular_file.h). NULL: `err` says why; `what` is its key.
 */
FILE *tls_file_open(const char *what, const char *name, char *err, size_t errlen);

/* OpenSSL's oldest queued reason as text, and the queue is empty after it. */
const char *tls_error(char *buf, size_t size);

#endif
