/*
 * The key schedule beside OpenSSL's own implementation, and where it must refuse.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <stdbool.h>
#include <string.h>

#include "lb/tls/records/tls_provider.h"

struct input {
    int mode;
    const char *digest;
    const char *prefix, *label;
    const uint8_t *key, *salt, *data; /* NULL: left out */
    size_t key_len, salt_len, data_len;
};

static OSSL_PARAM octets(const char *name, const void *data, size_t len)
{
    return OSSL_PARAM_construct_octet_string(name, (void *)(uintptr_t)data, len);
}

static bool derive(const char *provider, const struct input *in, uint8_t *out, size_t len)
{
    OSSL_PARAM params[8];
    OSSL_PARAM *p = params;
    int mode = in->mode;
    EVP_KDF *kdf = EVP_KDF_fetch(NULL, OSSL_KDF_NAME_TLS1_3_KDF, provider);
    assert_non_null(kdf);
    EVP_KDF_CTX *ctx = EVP_KDF_CTX_new(kdf);
    EVP_KDF_free(kdf);
    assert_non_null(ctx);
    *p++ = OSSL_PARAM_construct_int(OSSL_KDF_PARAM_MODE, &mode);
    if (in->digest != NULL)
        *p++ = OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST,
                                                (char *)(uintptr_t)in->digest, 0);
    if (in->key != NULL)
        *p++ = octets(OSSL_KDF_PARAM_KEY, in->key, in->key_len);
    if (in->salt != NULL)
        *p++ = octets(OSSL_KDF_PARAM_SALT, in->salt, in->salt_len);
    *p++ = octets(OSSL_KDF_PARAM_PREFIX, in->prefix, strlen(in->prefix));
    *p++ = octets(OSSL_KDF_PARAM_LABEL, in->label, strlen(in->label));
    if (in->data != NULL)
        *p++ = octets(OSSL_KDF_PARAM_DATA, in->data, in->data_len);
    *p = OSSL_PARAM_construct_end();
    bool ok = EVP_KDF_derive(ctx, out, len, params) == 1;
    EVP_KDF_CTX_free(ctx);
    return ok;
}

static void assert_same(const struct input *in, size_t len)
{
    uint8_t ours[64];
    uint8_t theirs[64];
    assert_true(derive("provider=flotilla", in, ours, len));
    assert_true(derive("provider=default", in, theirs, len));
    assert_memory_equal(ours, theirs, len);
}

static const struct {
    const char *name;
    size_t size;
} digests[] = {{"SHA2-256", 32}, {"SHA256", 32}, {"SHA2-384", 48}};

static void expands_like_openssl(void **state)
{
    static const char *const labels[] = {"key",        "iv",         "finished", "c hs traffic",
                                         "exp master", "resumption", "",         "e exp master",
                                         "traffic upd"};
    (void)state;
    for (size_t d = 0; d < sizeof(digests) / sizeof(digests[0]); d++) {
        for (size_t l = 0; l < sizeof(labels) / sizeof(labels[0]); l++) {
            uint8_t secret[48];
            uint8_t data[48];
            RAND_bytes(secret, sizeof(secret));
            RAND_bytes(data, sizeof(data));
            struct input in = {.mode = EVP_KDF_HKDF_MODE_EXPAND_ONLY,
                               .digest = digests[d].name,
                               .prefix = "tls13 ",
                               .label = labels[l],
                               .key = secret,
                               .key_len = digests[d].size};
            assert_same(&in, digests[d].size);
            assert_same(&in, 12);
            in.data = data;
            in.data_len = digests[d].size;
            assert_same(&in, digests[d].size);
            in.data_len = 2;
            assert_same(&in, digests[d].size);
        }
    }
}

static void extracts_like_openssl(void **state)
{
    (void)state;
    for (size_t d = 0; d < sizeof(digests) / sizeof(digests[0]); d++) {
        uint8_t before[48];
        uint8_t shared[66];
        size_t size = digests[d].size;
        RAND_bytes(before, sizeof(before));
        RAND_bytes(shared, sizeof(shared));
        struct input in = {.mode = EVP_KDF_HKDF_MODE_EXTRACT_ONLY,
                           .digest = digests[d].name,
                           .prefix = "tls13 ",
                           .label = "derived"};
        assert_same(&in, size); /* the early secret without a ticket */
        in.key = shared;
        in.key_len = size;
        assert_same(&in, size); /* and with one */
        in.salt = before;
        in.salt_len = size;
        for (in.key_len = 32; in.key_len <= 66; in.key_len += 17) /* X25519, P-384, P-521 */
            assert_same(&in, size);
        in.key = NULL;
        assert_same(&in, size); /* the master secret */
    }
}

/* RFC 8448, section 3: "derive secret tls13 derived" and "extract secret handshake". */
static void gives_the_secrets_of_the_rfcs_trace(void **state)
{
    static const uint8_t shared[32] = {0x8b, 0xd4, 0x05, 0x4f, 0xb5, 0x5b, 0x9d, 0x63,
                                       0xfd, 0xfb, 0xac, 0xf9, 0xf0, 0x4b, 0x9f, 0x0d,
                                       0x35, 0xe6, 0xd6, 0x3f, 0x53, 0x75, 0x63, 0xef,
                                       0xd4, 0x62, 0x72, 0x90, 0x0f, 0x89, 0x49, 0x2d};
    static const uint8_t handshake[32] = {0x1d, 0xc8, 0x26, 0xe9, 0x36, 0x06, 0xaa, 0x6f,
                                          0xdc, 0x0a, 0xad, 0xc1, 0x2f, 0x74, 0x1b, 0x01,
                                          0x04, 0x6a, 0xa6, 0xb9, 0x9f, 0x69, 0x1e, 0xd2,
                                          0x21, 0xa9, 0xf0, 0xca, 0x04, 0x3f, 0xbe, 0xac};
    uint8_t early[32];
    uint8_t out[32];
    (void)state;
    struct input in = {.mode = EVP_KDF_HKDF_MODE_EXTRACT_ONLY,
                       .digest = "SHA256",
                       .prefix = "tls13 ",
                       .label = "derived"};
    assert_true(derive("provider=flotilla", &in, early, sizeof(early)));
    in.salt = early;
    in.salt_len = sizeof(early);
    in.key = shared;
    in.key_len = sizeof(shared);
    assert_true(derive("provider=flotilla", &in, out, sizeof(out)));
    assert_memory_equal(out, handshake, sizeof(out));
}

static void refuses_what_it_cannot_derive(void **state)
{
    static const uint8_t key[128];
    char long_label[80];
    uint8_t out[64];
    (void)state;
    memset(long_label, 'x', sizeof(long_label));
    long_label[sizeof(long_label) - 1] = '\0';
    const struct input good = {.mode = EVP_KDF_HKDF_MODE_EXPAND_ONLY,
                               .digest = "SHA256",
                               .prefix = "tls13 ",
                               .label = "key",
                               .key = key,
                               .key_len = 32};
    struct input in = good;
    assert_true(derive("provider=flotilla", &in, out, 32));
    assert_false(derive("provider=flotilla", &in, out, 33));
    in.key_len = 65;
    assert_false(derive("provider=flotilla", &in, out, 32));
    in = good;
    in.key = NULL;
    assert_false(derive("provider=flotilla", &in, out, 32));
    in = good;
    in.digest = "SHA1";
    assert_false(derive("provider=flotilla", &in, out, 20));
    in.digest = NULL;
    assert_false(derive("provider=flotilla", &in, out, 20));
    in = good;
    in.mode = EVP_KDF_HKDF_MODE_EXTRACT_AND_EXPAND;
    assert_false(derive("provider=flotilla", &in, out, 32));
    in = good;
    in.label = long_label;
    assert_false(derive("provider=flotilla", &in, out, 32));
    in = good;
    in.data = key;
    in.data_len = 49;
    assert_false(derive("provider=flotilla", &in, out, 32));
}

static int load(void **state)
{
    *state = tls_provider_load();
    return *state != NULL ? 0 : -1;
}

static int unload(void **state)
{
    tls_provider_unload(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(expands_like_openssl),
        cmocka_unit_test(extracts_like_openssl),
        cmocka_unit_test(gives_the_secrets_of_the_rfcs_trace),
        cmocka_unit_test(refuses_what_it_cannot_derive),
    };
    return cmocka_run_group_tests(tests, load, unload);
}
