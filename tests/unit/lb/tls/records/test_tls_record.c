/* Records against the published ones of RFC 8448, and what must not be accepted. */
#include "lb/tls/records/tls_record.h"

#include <openssl/ssl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static struct tls_crypt *crypt_;

static int setup(void **state)
{
    (void)state;
    crypt_ = tls_crypt_new();
    return crypt_ == NULL;
}

static int teardown(void **state)
{
    (void)state;
    tls_crypt_free(crypt_);
    return 0;
}

/* RFC 8448, 3: the secrets of the simple 1-RTT handshake. */
static const uint8_t client_secret[] = {
    0x9e, 0x40, 0x64, 0x6c, 0xe7, 0x9a, 0x7f, 0x9d, 0xc0, 0x5a, 0xf8, 0x88, 0x9b, 0xce, 0x65, 0x52,
    0x87, 0x5a, 0xfa, 0x0b, 0x06, 0xdf, 0x00, 0x87, 0xf7, 0x92, 0xeb, 0xb7, 0xc1, 0x75, 0x04, 0xa5};
static const uint8_t server_secret[] = {
    0xa1, 0x1a, 0xf9, 0xf0, 0x55, 0x31, 0xf8, 0x56, 0xad, 0x47, 0x11, 0x6b, 0x45, 0xa9, 0x50, 0x32,
    0x82, 0x04, 0xb4, 0xf4, 0x4b, 0xfb, 0x6b, 0x3a, 0x4b, 0x4f, 0x1f, 0x3f, 0xcb, 0x63, 0x16, 0x43};

/* Its records of 50 bytes, 0 to 49, and the close_notify that each side says after them. The
 * server's first record under these keys was a ticket. */
static const uint8_t client_data[] = {
    0x17, 0x03, 0x03, 0x00, 0x43, 0xa2, 0x3f, 0x70, 0x54, 0xb6, 0x2c, 0x94, 0xd0, 0xaf, 0xfa,
    0xfe, 0x82, 0x28, 0xba, 0x55, 0xcb, 0xef, 0xac, 0xea, 0x42, 0xf9, 0x14, 0xaa, 0x66, 0xbc,
    0xab, 0x3f, 0x2b, 0x98, 0x19, 0xa8, 0xa5, 0xb4, 0x6b, 0x39, 0x5b, 0xd5, 0x4a, 0x9a, 0x20,
    0x44, 0x1e, 0x2b, 0x62, 0x97, 0x4e, 0x1f, 0x5a, 0x62, 0x92, 0xa2, 0x97, 0x70, 0x14, 0xbd,
    0x1e, 0x3d, 0xea, 0xe6, 0x3a, 0xee, 0xbb, 0x21, 0x69, 0x49, 0x15, 0xe4};
static const uint8_t client_end[] = {0x17, 0x03, 0x03, 0x00, 0x13, 0xc9, 0x87, 0x27,
                                     0x60, 0x65, 0x56, 0x66, 0xb7, 0x4d, 0x7f, 0xf1,
                                     0x15, 0x3e, 0xfd, 0x6d, 0xb6, 0xd0, 0xb0, 0xe3};
static const uint8_t server_data[] = {
    0x17, 0x03, 0x03, 0x00, 0x43, 0x2e, 0x93, 0x7e, 0x11, 0xef, 0x4a, 0xc7, 0x40, 0xe5, 0x38,
    0xad, 0x36, 0x00, 0x5f, 0xc4, 0xa4, 0x69, 0x32, 0xfc, 0x32, 0x25, 0xd0, 0x5f, 0x82, 0xaa,
    0x1b, 0x36, 0xe3, 0x0e, 0xfa, 0xf9, 0x7d, 0x90, 0xe6, 0xdf, 0xfc, 0x60, 0x2d, 0xcb, 0x50,
    0x1a, 0x59, 0xa8, 0xfc, 0xc4, 0x9c, 0x4b, 0xf2, 0xe5, 0xf0, 0xa2, 0x1c, 0x00, 0x47, 0xc2,
    0xab, 0xf3, 0x32, 0x54, 0x0d, 0xd0, 0x32, 0xe1, 0x67, 0xc2, 0x95, 0x5d};
static const uint8_t server_end[] = {0x17, 0x03, 0x03, 0x00, 0x13, 0xb5, 0x8f, 0xd6,
                                     0x71, 0x66, 0xeb, 0xf5, 0x99, 0xd2, 0x47, 0x20,
                                     0xcf, 0xbe, 0x7e, 0xfa, 0x7a, 0x88, 0x64, 0xa9};
static const uint8_t close_notify[] = {1, 0};

static void fill(uint8_t *data, size_t len)
{
    for (size_t i = 0; i < len; i++)
        data[i] = (uint8_t)i;
}

static void published_keys_are_derived(void **state)
{
    (void)state;
    static const uint8_t key[] = {0x9f, 0x02, 0x28, 0x3b, 0x6c, 0x9c, 0x07, 0xef,
                                  0xc2, 0x6b, 0xb9, 0xf2, 0xac, 0x92, 0xe3, 0x56};
    static const uint8_t iv[] = {0xcf, 0x78, 0x2b, 0x88, 0xdd, 0x83,
                                 0x54, 0x9a, 0xad, 0xf1, 0xe9, 0x84};
    struct tls_keys k;
    assert_true(tls_keys_init(crypt_, &k, TLS_SUITE_AES_128_GCM, server_secret, 0));
    assert_memory_equal(k.key, key, sizeof(key));
    assert_memory_equal(k.iv, iv, sizeof(iv));
}

static void published_records_are_sealed(void **state)
{
    (void)state;
    struct tls_keys client;
    struct tls_keys server;
    uint8_t data[50];
    uint8_t wire[128];
    fill(data, sizeof(data));
    assert_true(tls_keys_init(crypt_, &client, TLS_SUITE_AES_128_GCM, client_secret, 0));
    assert_true(tls_keys_init(crypt_, &server, TLS_SUITE_AES_128_GCM, server_secret, 1));
    /* in turn: the cipher is keyed anew for each */
    assert_int_equal(
        tls_record_seal(crypt_, &client, SSL3_RT_APPLICATION_DATA, data, sizeof(data), wire),
        sizeof(client_data));
    assert_memory_equal(wire, client_data, sizeof(client_data));
    assert_int_equal(
        tls_record_seal(crypt_, &server, SSL3_RT_APPLICATION_DATA, data, sizeof(data), wire),
        sizeof(server_data));
    assert_memory_equal(wire, server_data, sizeof(server_data));
    assert_int_equal(tls_record_seal(crypt_, &client, SSL3_RT_ALERT, close_notify, 2, wire),
                     sizeof(client_end));
    assert_memory_equal(wire, client_end, sizeof(client_end));
    assert_int_equal(tls_record_seal(crypt_, &server, SSL3_RT_ALERT, close_notify, 2, wire),
                     sizeof(server_end));
    assert_memory_equal(wire, server_end, sizeof(server_end));
}

static void published_records_are_opened(void **state)
{
    (void)state;
    struct tls_keys client;
    struct tls_record record;
    uint8_t data[50];
    uint8_t out[128];
    fill(data, sizeof(data));
    assert_true(tls_keys_init(crypt_, &client, TLS_SUITE_AES_128_GCM, client_secret, 0));
    for (size_t n = 0; n < sizeof(client_data); n++)
        assert_int_equal(tls_record_open(crypt_, &client, client_data, n, out, &record),
                         TLS_RECORD_PARTIAL);
    assert_int_equal(
        tls_record_open(crypt_, &client, client_data, sizeof(client_data), out, &record),
        TLS_RECORD_OK);
    assert_int_equal(record.wire_len, sizeof(client_data));
    assert_int_equal(record.type, SSL3_RT_APPLICATION_DATA);
    assert_int_equal(record.len, sizeof(data));
    assert_memory_equal(out, data, sizeof(data));
    assert_int_equal(tls_record_open(crypt_, &client, client_end, sizeof(client_end), out, &record),
                     TLS_RECORD_OK);
    assert_int_equal(record.type, SSL3_RT_ALERT);
    assert_int_equal(record.len, 2);
    assert_memory_equal(out, close_notify, 2);
}

static void all_suites_and_sizes_come_back_the_same_over_key_updates(void **state)
{
    (void)state;
    static uint8_t data[TLS_RECORD_CONTENT_MAX];
    static uint8_t wire[TLS_RECORD_MAX];
    static uint8_t out[TLS_RECORD_MAX];
    uint8_t secret[TLS_DIGEST_MAX];
    static const size_t sizes[] = {0, 1, 15, 16, 17, 100, 4096, TLS_RECORD_CONTENT_MAX};
    struct tls_keys us;
    struct tls_keys them;
    struct tls_record record;
    fill(data, sizeof(data));
    fill(secret, sizeof(secret));
    for (unsigned suite = 0; suite < TLS_SUITES; suite++) {
        assert_true(tls_keys_init(crypt_, &us, (enum tls_suite)suite, secret, 7));
        assert_true(tls_keys_init(crypt_, &them, (enum tls_suite)suite, secret, 7));
        for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
            size_t n = tls_record_seal(crypt_, &us, SSL3_RT_APPLICATION_DATA, data, sizes[i], wire);
            assert_int_equal(n, sizes[i] + TLS_RECORD_OVERHEAD);
            assert_int_equal(tls_record_open(crypt_, &them, wire, n, out, &record), TLS_RECORD_OK);
            assert_int_equal(record.len, sizes[i]);
            assert_memory_equal(out, data, sizes[i]);
            uint8_t before[32];
            memcpy(before, us.key, sizeof(before));
            assert_true(tls_keys_update(crypt_, &us) && tls_keys_update(crypt_, &them));
            assert_memory_not_equal(before, us.key, 16);
            assert_int_equal(us.sequence, 0);
        }
    }
}

static void any_changed_bit_and_a_repeated_record_are_refused(void **state)
{
    (void)state;
    uint8_t out[128];
    uint8_t wire[sizeof(client_data)];
    struct tls_keys k;
    struct tls_record record;
    assert_true(tls_keys_init(crypt_, &k, TLS_SUITE_AES_128_GCM, client_secret, 0));
    for (size_t i = TLS_RECORD_HEADER * 8; i < sizeof(wire) * 8; i++) {
        memcpy(wire, client_data, sizeof(wire));
        wire[i / 8] ^= (uint8_t)(1u << (i % 8));
        assert_int_equal(tls_record_open(crypt_, &k, wire, sizeof(wire), out, &record),
                         TLS_RECORD_BAD);
        assert_int_equal(record.alert, SSL_AD_BAD_RECORD_MAC);
    }
    assert_int_equal(tls_record_open(crypt_, &k, client_data, sizeof(wire), out, &record),
                     TLS_RECORD_OK);
    assert_int_equal(tls_record_open(crypt_, &k, client_data, sizeof(wire), out, &record),
                     TLS_RECORD_BAD);
}

static void headers_that_cannot_be_are_refused_before_the_rest_comes(void **state)
{
    (void)state;
    static const struct {
        uint8_t header[TLS_RECORD_HEADER];
        int verdict;
        uint8_t alert;
    } cases[] = {
        {{23, 3, 3, 0x41, 0x00}, TLS_RECORD_PARTIAL, 0}, /* 2^14 + 256 */
        {{23, 3, 3, 0x41, 0x01}, TLS_RECORD_BAD, SSL_AD_RECORD_OVERFLOW},
        {{23, 3, 3, 0x00, 0x0f}, TLS_RECORD_BAD, SSL_AD_BAD_RECORD_MAC},
        {{23, 3, 4, 0x00, 0x20}, TLS_RECORD_BAD, SSL_AD_DECODE_ERROR},
        {{20, 3, 3, 0x00, 0x01}, TLS_RECORD_BAD, SSL_AD_UNEXPECTED_MESSAGE},
        {{21, 3, 3, 0x00, 0x02}, TLS_RECORD_BAD, SSL_AD_UNEXPECTED_MESSAGE},
        {{22, 3, 3, 0x00, 0x20}, TLS_RECORD_BAD, SSL_AD_UNEXPECTED_MESSAGE},
        {{'G', 'E', 'T', ' ', '/'}, TLS_RECORD_BAD, SSL_AD_UNEXPECTED_MESSAGE},
    };
    struct tls_keys k;
    struct tls_record record;
    uint8_t out[16];
    assert_true(tls_keys_init(crypt_, &k, TLS_SUITE_AES_128_GCM, client_secret, 0));
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(
            tls_record_open(crypt_, &k, cases[i].header, TLS_RECORD_HEADER, out, &record),
            cases[i].verdict);
        if (cases[i].verdict == TLS_RECORD_BAD)
            assert_int_equal(record.alert, cases[i].alert);
    }
}

/* Sealed by hand: content type and padding as the case says. */
static size_t seal_inner(struct tls_keys *k, const uint8_t *inner, size_t len, uint8_t *wire)
{
    /* the last byte of what is given is the type that tls_record_seal adds */
    return tls_record_seal(crypt_, k, inner[len - 1], inner, len - 1, wire);
}

static void padding_is_stripped_and_nothing_but_padding_is_refused(void **state)
{
    (void)state;
    struct tls_keys us;
    struct tls_keys them;
    struct tls_record record;
    static uint8_t inner[TLS_RECORD_CONTENT_MAX + 2];
    static uint8_t wire[TLS_RECORD_MAX];
    static uint8_t out[TLS_RECORD_MAX];
    assert_true(tls_keys_init(crypt_, &us, TLS_SUITE_AES_128_GCM, client_secret, 0));
    assert_true(tls_keys_init(crypt_, &them, TLS_SUITE_AES_128_GCM, client_secret, 0));
    memcpy(inner, "data\x17", 5);
    size_t n = seal_inner(&us, inner, 200, wire);
    assert_int_equal(tls_record_open(crypt_, &them, wire, n, out, &record), TLS_RECORD_OK);
    assert_int_equal(record.len, 4);
    assert_int_equal(record.type, SSL3_RT_APPLICATION_DATA);
    n = seal_inner(&us, inner, TLS_RECORD_CONTENT_MAX + 1, wire); /* as much as may be */
    assert_int_equal(tls_record_open(crypt_, &them, wire, n, out, &record), TLS_RECORD_OK);
    n = seal_inner(&us, inner, TLS_RECORD_CONTENT_MAX + 2, wire);
    assert_int_equal(tls_record_open(crypt_, &them, wire, n, out, &record), TLS_RECORD_BAD);
    assert_int_equal(record.alert, SSL_AD_RECORD_OVERFLOW);
    memset(inner, 0, 5);
    n = seal_inner(&us, inner, 5, wire);
    assert_int_equal(tls_record_open(crypt_, &them, wire, n, out, &record), TLS_RECORD_BAD);
    assert_int_equal(record.alert, SSL_AD_UNEXPECTED_MESSAGE);
}

static void suites_are_known_by_their_numbers(void **state)
{
    (void)state;
    enum tls_suite suite;
    assert_true(tls_suite_find(0x1302, &suite));
    assert_int_equal(suite, TLS_SUITE_AES_256_GCM);
    assert_int_equal(tls_suite_secret_len(suite), 48);
    assert_false(tls_suite_find(0x1304, &suite)); /* AES-128-CCM */
    assert_false(tls_suite_find(0xc02b, &suite)); /* of TLS 1.2 */
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(published_keys_are_derived),
        TEST(published_records_are_sealed),
        TEST(published_records_are_opened),
        TEST(all_suites_and_sizes_come_back_the_same_over_key_updates),
        TEST(any_changed_bit_and_a_repeated_record_are_refused),
        TEST(headers_that_cannot_be_are_refused_before_the_rest_comes),
        TEST(padding_is_stripped_and_nothing_but_padding_is_refused),
        TEST(suites_are_known_by_their_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
