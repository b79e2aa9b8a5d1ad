/*
 * tls_kdf - the key schedule of TLS 1.3 (RFC 8446, 7.1) for OpenSSL, at a quarter of its own cost.
 *
 * Data flow: libssl derives some twenty secrets, keys and IVs a handshake, each through an EVP_KDF
 *            that it fetches by name. OpenSSL 3.0's own implementation then copies each parameter,
 *            looks up the digest and makes and frees contexts for it: about 70 allocations and 40
 *            locks for what is four blocks of SHA-256. This one, offered by a provider
 *            (tls_provider.c), takes the parameters where they are and hashes on the stack.
 * Digests:   SHA-256 and SHA-384, which are all that TLS 1.3's cipher suites use.
 * Ownership: none; contexts have no state. Threads: any.
 * Errors:    a derivation whose parameters are incomplete or too long fails, like OpenSSL's.
 */
#ifndef FLOTILLA_LB_TLS_KDF_H
#define FLOTILLA_LB_TLS_KDF_H

#include <openssl/core.h>

/* For a provider's answer to OSSL_OP_KDF. */
extern const OSSL_ALGORITHM tls_kdf_algorithms[];

#endif
