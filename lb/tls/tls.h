/*
 * tls - the TLS side of a listener: its SSL_CTX, made from a tls_config.
 *
 * Data flow: the snapshot builder calls tls_context_new for each TLS listener; stream_tls.c makes
 *            an SSL for each connection from it.
 * Policy:    TLS 1.2 and later, no renegotiation, no early data, no server-side session cache;
 *            resumption by tickets (tls_tickets.h) whose keys outlive the context, one per
 *            handshake, where clients are verified as before (tls_clients.h); of ALPN the protocol
 *            that the configuration names, or none at all.
 * Ownership: a context is an SSL_CTX (SSL_CTX_free, SSL_CTX_up_ref); `tickets` must outlive it.
 * Errors:    NULL, with a sentence in `err` that names the file and OpenSSL's reason.
 */
#ifndef FLOTILLA_LB_TLS_TLS_H
#define FLOTILLA_LB_TLS_TLS_H

#include <openssl/ssl.h>
#include <stddef.h>

#include "lb/config/lb_config.h"

struct tls_tickets;

/* `tickets` NULL: connections are never resumed. */
SSL_CTX *tls_context_new(const struct tls_config *config, struct tls_tickets *tickets, char *err,
                         size_t errlen);

#endif
