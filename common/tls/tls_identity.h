/*
 * tls_identity - the certificate and key that a listener shows.
 *
 * Data flow: tls_context_new hands over the context that is being made.
 * Errors:    false, with a sentence in `err` for whoever wrote the configuration: which file, and
 *            what is wrong with it.
 */
#ifndef FLOTILLA_COMMON_TLS_TLS_IDENTITY_H
#define FLOTILLA_COMMON_TLS_TLS_IDENTITY_H

#include <openssl/types.h>
#include <stdbool.h>
#include <stddef.h>

struct tls_config;

bool tls_identity_load(SSL_CTX *ctx, const struct tls_config *config, char *err, size_t errlen);

#endif
