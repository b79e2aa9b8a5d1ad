/*
 * tls_kdf - the key schedule of TLS 1.3 (RFC 8446, 7.1) for OpenSSL, at half of its own cost.
 *
 * Data flow: libssl derives some twenty secrets, keys and IVs per handshake, each through an
 *            EVP_KDF that it fetches by name. OpenSSL 3.0's own implementation then copies each
 *            parameter, looks up the digest and makes and frees contexts for it: 17 allocations and
 *            10 locks for what is four blocks of SHA-256. This one, offered by a provider
 *            (tls_provider.c), takes the parameters where they are and hashes on the stack
 *            (tls_hkdf.h).
 * Secrets:   the application traffic secrets, on their way to OpenSSL, are also told to whoever
 *            takes a connection over from it (stream_record.h). OpenSSL's own way to learn them is
 *            the key log callback, which prints five secrets digit by digit: 9 us per handshake.
 * Ownership: none; contexts have no state.
 * Threads:   any.
 * Errors:    a derivation whose parameters are incomplete or too long fails, like OpenSSL's.
 */
#ifndef FLOTILLA_LB_TLS_RECORDS_TLS_KDF_H
#define FLOTILLA_LB_TLS_RECORDS_TLS_KDF_H

#include <openssl/core.h>
#include <stdint.h>

#include "lb/tls/records/tls_hkdf.h"

/* For a provider's answer to OSSL_OP_KDF. */
extern const OSSL_ALGORITHM tls_kdf_algorithms[];

/* A connection's first application traffic secrets; length 0: not derived yet. */
struct tls_kdf_secrets {
    uint8_t client_len, server_len;
    uint8_t client[TLS_DIGEST_MAX], server[TLS_DIGEST_MAX];
};

/* What this thread derives from now on goes to `s` too, until it is NULL. By thread, since a
 * derivation doesn't say for which connection it is. */
void tls_kdf_tell(struct tls_kdf_secrets *s);

#endif
