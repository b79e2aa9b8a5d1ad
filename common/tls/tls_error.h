/*
 * tls_error - why a file of a tls_config, or its content, can't be used: a sentence for the author
 * of the configuration.
 */
#ifndef FLOTILLA_COMMON_TLS_TLS_ERROR_H
#define FLOTILLA_COMMON_TLS_TLS_ERROR_H

#include <openssl/types.h>
#include <stddef.h>
#include <stdio.h>

/* A file of tls_config's for reading (common/process/regular_file.h). NULL: `err` says why; `what`
 * is its key. */
FILE *tls_file_open(const char *what, const char *name, char *err, size_t errlen);

/* Why the handshake of this connection failed: what is wrong with the peer's certificate, or that what came isn't TLS,
 * or OpenSSL's reason. Empty: nothing of that, so the peer left. The queue is empty after it. */
const char *tls_handshake_error(const SSL *ssl, char *buf, size_t size);

/* OpenSSL's oldest queued reason as text, and the queue is empty after it. */
const char *tls_error(char *buf, size_t size);

#endif
