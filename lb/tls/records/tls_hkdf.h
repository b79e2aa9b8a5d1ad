/*
 * tls_hkdf - the HKDF of TLS 1.3 (RFC 8446, 7.1) on the stack, with the digests of its cipher
 * suites.
 *
 * Data flow: tls_kdf.c gives it to libssl for the handshake, tls_record.c derives keys with it
 *            after.
 * Ownership: none; nothing is allocated or kept.
 * Threads:   any.
 * Errors:    false where an input is longer than anything in TLS 1.3 is; nothing is written then.
 */
#ifndef FLOTILLA_LB_TLS_RECORDS_TLS_HKDF_H
#define FLOTILLA_LB_TLS_RECORDS_TLS_HKDF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TLS_DIGEST_MAX 48 /* bytes of SHA-384, and so of the longest secret */

struct tls_digest;
extern const struct tls_digest tls_sha256, tls_sha384;

/* "SHA256" and "SHA384", also as OpenSSL's "SHA2-256" and "SHA2-384"; NULL: another one. */
const struct tls_digest *tls_digest_find(const char *name);
size_t tls_digest_size(const struct tls_digest *d);

struct tls_bytes {
    const uint8_t *data;
    size_t len;
};

/* "tls13 " and "key", say. Borrowed. */
struct tls_label {
    struct tls_bytes prefix, name;
};

/* HKDF-Expand-Label: up to a digest's size of bytes, which is all that TLS 1.3 asks for. */
bool tls_hkdf_expand_label(const struct tls_digest *d, struct tls_bytes secret,
                           struct tls_label label, struct tls_bytes context, uint8_t *out,
                           size_t len);

/* HKDF-Extract: a digest's size of bytes. */
bool tls_hkdf_extract(const struct tls_digest *d, struct tls_bytes salt, struct tls_bytes input,
                      uint8_t *out);

/* The digest of no bytes: the context of Derive-Secret between two steps of the schedule. */
void tls_digest_of_nothing(const struct tls_digest *d, uint8_t *out);

#endif
