/*
 * tls_clients - which client certificates and which tickets a listener accepts.
 *
 * Data flow: tls_context_new hands over the context that is being made.
 * Tickets:   all listeners share the ticket keys, and these outlive a reload. A ticket resumes only
 *            where clients are verified as they were when it was given: by the same client_auth and
 *            the same authorities (the certificates in the file, not its name); elsewhere the
 *            handshake is a full one. A client certificate that has run out ends its tickets, too,
 *            which TLS 1.3 would renew for ever otherwise. The server's own certificate isn't part
 *            of it: one that is renewed would cost all devices a full handshake for nothing.
 * Errors:    false, with a sentence in `err`.
 */
#ifndef FLOTILLA_COMMON_TLS_TLS_CLIENTS_H
#define FLOTILLA_COMMON_TLS_TLS_CLIENTS_H

#include <openssl/types.h>
#include <stdbool.h>
#include <stddef.h>

struct tls_config;

bool tls_clients_load(SSL_CTX *ctx, const struct tls_config *config, char *err, size_t errlen);

/* The certificate's (first) common name as UTF-8, NUL-terminated, or whole or not at all: false when
 * it has none, or one that doesn't fit or has a NUL in it. Cut, it would be another's. */
bool tls_clients_common_name(const X509 *cert, char *out, size_t size);

#endif
