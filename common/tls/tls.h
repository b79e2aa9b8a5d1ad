/*
 * tls - the TLS side of a listener: its SSL_CTX, made from a tls_config.
 *
 * Data flow: whoever brings a configuration into force calls tls_context_new for each TLS listener (the load
 *            balancer's snapshot builder, the broker's tls_contexts.c); an SSL for each connection is made from it.
 * Policy:    TLS 1.2 and later, no renegotiation, no early data, no server-side session cache;
 *            resumption by tickets (tls_tickets.h) whose keys outlive the context, one per
 *            handshake, where clients are verified as before (tls_clients.h); of ALPN the protocol
 *            that the configuration names, or none at all.
 * Ownership: a context is an SSL_CTX (SSL_CTX_free, SSL_CTX_up_ref); `tickets` must outlive it.
 * Errors:    NULL, with a sentence in `err` that names the file and OpenSSL's reason.
 */
#ifndef FLOTILLA_COMMON_TLS_TLS_H
#define FLOTILLA_COMMON_TLS_TLS_H

#include <openssl/ssl.h>
#include <stddef.h>

struct tls_config;
struct tls_tickets;

/* `tickets` NULL: connections are never resumed. `properties`: a query that says whose code OpenSSL takes
 * (SSL_CTX_new_ex); NULL: its own. */
SSL_CTX *tls_context_new(const struct tls_config *config, struct tls_tickets *tickets,
                         const char *properties, char *err, size_t errlen);

#endif
