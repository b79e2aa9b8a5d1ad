/*
 * The default library context and not one of our own: that one would not read OpenSSL's
 * configuration file, with which a system sets its policy.
 */
#include "lb/tls/records/tls_provider.h"

#include <openssl/core_dispatch.h>
#include <openssl/evp.h>
#include <openssl/provider.h>
#include <stddef.h>

#include "lb/tls/records/tls_kdf.h"

static const char name[] = "flotilla";

static const OSSL_ALGORITHM *query(void *provider, int operation, int *no_cache)
{
    (void)provider;
    *no_cache = 0;
    return operation == OSSL_OP_KDF ? tls_kdf_algorithms : NULL;
}

static const OSSL_DISPATCH functions[] = {
    {OSSL_FUNC_PROVIDER_QUERY_OPERATION, (void (*)(void))query},
    {0, NULL},
};

static int start(const OSSL_CORE_HANDLE *handle, const OSSL_DISPATCH *core,
                 const OSSL_DISPATCH **out, void **context)
{
    (void)core;
    *out = functions;
    *context = (void *)handle; /* contexts of tls_kdf.c stand for it; anything but NULL */
    return 1;
}

OSSL_PROVIDER *tls_provider_load(void)
{
    if (EVP_default_properties_is_fips_enabled(NULL))
        return NULL;
    if (!OSSL_PROVIDER_available(NULL, name) && OSSL_PROVIDER_add_builtin(NULL, name, start) != 1)
        return NULL;
    /* The 1: without a configuration file OpenSSL falls back to its default provider as ever. */
    return OSSL_PROVIDER_try_load(NULL, name, 1);
}

void tls_provider_unload(OSSL_PROVIDER *p)
{
    if (p != NULL)
        OSSL_PROVIDER_unload(p);
}
