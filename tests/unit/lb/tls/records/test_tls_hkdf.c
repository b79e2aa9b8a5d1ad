/*
 * HKDF of TLS 1.3 beside the same computed with OpenSSL's HMAC, and where it must refuse. By way of
 * libssl: test_tls_kdf.c.
 */
#include "lb/tls/records/tls_hkdf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>

static uint8_t secret[200];

static const struct {
    const struct tls_digest *digest;
    const char *names[2];
    size_t size, block;
} digests[] = {{&tls_sha256, {"SHA256", "SHA2-256"}, 32, 64},
               {&tls_sha384, {"SHA384", "SHA2-384"}, 48, 128}};
#define DIGESTS (sizeof(digests) / sizeof(digests[0]))

static struct tls_bytes bytes(const void *data, size_t len)
{
    return (struct tls_bytes){data, len};
}

static const EVP_MD *openssl_digest(size_t i)
{
    return i == 0 ? EVP_sha256() : EVP_sha384();
}

static int fill(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(secret); i++)
        secret[i] = (uint8_t)(i * 7 + 1);
    return 0;
}

static void digests_are_found_by_both_their_names_in_any_case(void **state)
{
    (void)state;
    for (size_t i = 0; i < DIGESTS; i++) {
        assert_ptr_equal(tls_digest_find(digests[i].names[0]), digests[i].digest);
        assert_ptr_equal(tls_digest_find(digests[i].names[1]), digests[i].digest);
        assert_int_equal(tls_digest_size(digests[i].digest), digests[i].size);
    }
    assert_ptr_equal(tls_digest_find("sha2-384"), &tls_sha384);
    assert_null(tls_digest_find("SHA512"));
    assert_null(tls_digest_find("SHA25"));
    assert_null(tls_digest_find(""));
}

static void the_digest_of_nothing_is_that(void **state)
{
    (void)state;
    for (size_t i = 0; i < DIGESTS; i++) {
        uint8_t ours[TLS_DIGEST_MAX];
        uint8_t theirs[TLS_DIGEST_MAX];
        unsigned len;
        tls_digest_of_nothing(digests[i].digest, ours);
        assert_int_equal(EVP_Digest("", 0, theirs, &len, openssl_digest(i), NULL), 1);
        assert_memory_equal(ours, theirs, digests[i].size);
    }
}

static void extracting_is_the_hmac_of_the_input_under_a_salt_of_up_to_a_block(void **state)
{
    (void)state;
    for (size_t i = 0; i < DIGESTS; i++) {
        static const size_t inputs[] = {0, 1, 66, 200};
        const size_t salts[] = {0, 32, digests[i].block - 1, digests[i].block};
        for (size_t k = 0; k < 16; k++) {
            uint8_t ours[TLS_DIGEST_MAX];
            uint8_t theirs[TLS_DIGEST_MAX];
            unsigned len;
            struct tls_bytes salt = bytes(secret, salts[k / 4]);
            struct tls_bytes input = bytes(secret, inputs[k % 4]);
            assert_true(tls_hkdf_extract(digests[i].digest, salt, input, ours));
            HMAC(openssl_digest(i), salt.data, (int)salt.len, input.data, input.len, theirs, &len);
            assert_memory_equal(ours, theirs, digests[i].size);
        }
        uint8_t out[TLS_DIGEST_MAX] = "untouched";
        assert_false(tls_hkdf_extract(digests[i].digest, bytes(secret, digests[i].block + 1),
                                      bytes(secret, 1), out));
        assert_string_equal((char *)out, "untouched");
    }
}

/* RFC 8446, 7.1: HKDF-Expand-Label with the structure of its label written out. */
static void expected_label(size_t i, const char *label, size_t context_len, size_t len,
                           uint8_t *out)
{
    uint8_t info[200];
    size_t n = 0;
    unsigned full;
    info[n++] = 0;
    info[n++] = (uint8_t)len;
    info[n++] = (uint8_t)(6 + strlen(label));
    memcpy(info + n, "tls13 ", 6);
    memcpy(info + n + 6, label, strlen(label));
    n += 6 + strlen(label);
    info[n++] = (uint8_t)context_len;
    memcpy(info + n, secret, context_len);
    n += context_len;
    info[n++] = 1;
    HMAC(openssl_digest(i), secret, (int)digests[i].size, info, n, out, &full);
}

static bool expand(size_t i, const char *label, size_t context_len, size_t len, uint8_t *out)
{
    const struct tls_label l = {bytes("tls13 ", 6), bytes(label, strlen(label))};
    return tls_hkdf_expand_label(digests[i].digest, bytes(secret, digests[i].size), l,
                                 bytes(secret, context_len), out, len);
}

static void a_label_is_expanded_to_as_many_bytes_as_wanted_and_no_more(void **state)
{
    (void)state;
    for (size_t i = 0; i < DIGESTS; i++) {
        const size_t lens[] = {12, 16, digests[i].size};
        for (size_t k = 0; k < 3; k++) {
            uint8_t theirs[TLS_DIGEST_MAX];
            uint8_t ours[TLS_DIGEST_MAX + 1];
            memset(ours, 0xaa, sizeof(ours));
            expected_label(i, "key", k == 0 ? 0 : digests[i].size, lens[k], theirs);
            assert_true(expand(i, "key", k == 0 ? 0 : digests[i].size, lens[k], ours));
            assert_memory_equal(ours, theirs, lens[k]);
            assert_int_equal(ours[lens[k]], 0xaa);
        }
    }
}

static void what_is_longer_than_anything_in_tls_is_refused_and_nothing_written(void **state)
{
    (void)state;
    char name[80];
    uint8_t out[TLS_DIGEST_MAX + 1];
    memset(name, 'x', sizeof(name));
    name[58] = '\0'; /* with its prefix 64 */
    assert_true(expand(0, name, TLS_DIGEST_MAX, 32, out));
    memset(out, 0xaa, sizeof(out));
    assert_false(expand(0, name, TLS_DIGEST_MAX + 1, 32, out));
    assert_false(expand(0, name, 0, 33, out));
    assert_false(expand(1, name, 0, 49, out));
    name[58] = 'x';
    name[59] = '\0';
    assert_false(expand(0, name, 0, 32, out));
    /* lengths whose sum is small again */
    const struct tls_label wraps = {bytes(name, SIZE_MAX), bytes(name, 2)};
    assert_false(
        tls_hkdf_expand_label(&tls_sha256, bytes(secret, 32), wraps, bytes(NULL, 0), out, 32));
    const struct tls_label label = {bytes("tls13 ", 6), bytes("key", 3)};
    assert_false(
        tls_hkdf_expand_label(&tls_sha256, bytes(secret, 65), label, bytes(NULL, 0), out, 32));
    for (size_t i = 0; i < sizeof(out); i++)
        assert_int_equal(out[i], 0xaa);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fill, NULL)
    const struct CMUnitTest tests[] = {
        TEST(digests_are_found_by_both_their_names_in_any_case),
        TEST(the_digest_of_nothing_is_that),
        TEST(extracting_is_the_hmac_of_the_input_under_a_salt_of_up_to_a_block),
        TEST(a_label_is_expanded_to_as_many_bytes_as_wanted_and_no_more),
        TEST(what_is_longer_than_anything_in_tls_is_refused_and_nothing_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
