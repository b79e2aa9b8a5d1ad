/*
 * tls_provider - what OpenSSL does by code of ours: a provider named "flotilla" beside its own.
 *
 * Data flow: loaded once, before the first tls_context_new. SSL_CTXs that prefer it
 *            (TLS_PROVIDER_FIRST) find tls_kdf.h where libssl looks for "TLS13-KDF", and OpenSSL's
 *            own code for all else; without it, they find OpenSSL's for that too.
 * Ownership: the caller unloads it, after the last SSL_CTX was freed.
 */
#ifndef FLOTILLA_LB_TLS_RECORDS_TLS_PROVIDER_H
#define FLOTILLA_LB_TLS_RECORDS_TLS_PROVIDER_H

#include <openssl/types.h>

/* Property queries for SSL_CTX_new_ex: ours where there is one, or all by OpenSSL's own code. */
#define TLS_PROVIDER_FIRST "?provider=flotilla"
#define TLS_PROVIDER_NEVER "provider!=flotilla"

/* Into the default library context, whose other providers stay as OpenSSL's configuration file has
 * them. NULL, and OpenSSL does all itself: that file asks for FIPS, or out of memory. */
OSSL_PROVIDER *tls_provider_load(void);
void tls_provider_unload(OSSL_PROVIDER *p);

#endif
