/* Our provider beside OpenSSL's: what it is asked for, and when it isn't there. */
#include "lb/tls/records/tls_provider.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/provider.h>

/* The provider whose TLS 1.3 key derivation a context with these properties would use. */
static const char *kdf_by(const char *properties)
{
    static char name[64];
    EVP_KDF *kdf = EVP_KDF_fetch(NULL, OSSL_KDF_NAME_TLS1_3_KDF, properties);
    assert_non_null(kdf);
    (void)strncpy(name, OSSL_PROVIDER_get0_name(EVP_KDF_get0_provider(kdf)), sizeof(name) - 1);
    EVP_KDF_free(kdf);
    return name;
}

static void contexts_that_prefer_it_derive_by_our_code_and_the_others_by_openssls(void **state)
{
    (void)state;
    OSSL_PROVIDER *p = tls_provider_load();
    assert_non_null(p);
    assert_string_equal(kdf_by(TLS_PROVIDER_FIRST), "flotilla");
    assert_string_equal(kdf_by(TLS_PROVIDER_NEVER), "default");
    tls_provider_unload(p);
}

static void all_else_is_openssls(void **state)
{
    (void)state;
    OSSL_PROVIDER *p = tls_provider_load();
    EVP_MD *md = EVP_MD_fetch(NULL, "SHA256", TLS_PROVIDER_FIRST);
    assert_non_null(md);
    assert_string_equal(OSSL_PROVIDER_get0_name(EVP_MD_get0_provider(md)), "default");
    EVP_MD_free(md);
    tls_provider_unload(p);
}

static void unloaded_openssl_does_it_all_and_it_may_be_loaded_again(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        OSSL_PROVIDER *p = tls_provider_load();
        OSSL_PROVIDER *again = tls_provider_load(); /* while it is loaded */
        assert_true(p != NULL && again != NULL);
        tls_provider_unload(p);
        assert_string_equal(kdf_by(TLS_PROVIDER_FIRST), "flotilla");
        tls_provider_unload(again);
        assert_string_equal(kdf_by(TLS_PROVIDER_FIRST), "default");
    }
    tls_provider_unload(NULL);
}

static void where_fips_is_asked_for_it_is_not_loaded(void **state)
{
    (void)state;
    assert_int_equal(EVP_default_properties_enable_fips(NULL, 1), 1);
    OSSL_PROVIDER *p = tls_provider_load();
    assert_int_equal(EVP_default_properties_enable_fips(NULL, 0), 1);
    assert_null(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(contexts_that_prefer_it_derive_by_our_code_and_the_others_by_openssls),
        cmocka_unit_test(all_else_is_openssls),
        cmocka_unit_test(unloaded_openssl_does_it_all_and_it_may_be_loaded_again),
        cmocka_unit_test(where_fips_is_asked_for_it_is_not_loaded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
