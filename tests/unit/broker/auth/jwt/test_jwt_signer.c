/* jwt_signer: RFC 7515's own tokens, keys of this minute, and what is forged. */
#include "broker/auth/jwt/jwt_signer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <openssl/err.h>
#include <openssl/x509.h>

#include "broker/auth/jwt/jwt_base64.h"
#include "broker/auth/jwt/jwt_keys.h"
#include "tests/unit/broker/auth/jwt/jwt_bed.h"

static int set_up(void **state)
{
    *state = jwt_bed_new();
    return 0;
}

static int tear_down(void **state)
{
    jwt_bed_free(*state);
    return 0;
}

static bool is_signed(const struct jwt_bed *b, const char *key, const char *token)
{
    char err[256];
    struct jwt_keys *k = jwt_keys_load(&b->config, err, sizeof(err));
    assert_non_null(k);
    struct jwt_signer *s = jwt_signer_of(jwt_keys_find(k, key, ""));
    jwt_keys_free(k); /* the signer outlives the table */
    bool right = jwt_signer_signed(s, jwt_bed_slice(token));
    jwt_signer_free(s);
    assert_int_equal(ERR_peek_error(), 0);
    return right;
}

/* RFC 7515, A.1: HS256. */
static void the_rfcs_hmac_is_right(void **state)
{
    static const char key[] =
        "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hc"
        "gUuTwjAzZr1Z9CAow";
    static const char token[] =
        "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogI"
        "mh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    uint8_t secret[64];
    size_t len;
    (void)state;
    assert_true(jwt_base64_read((const uint8_t *)key, strlen(key), secret, sizeof(secret), &len));
    EVP_PKEY *pkey = EVP_PKEY_new_raw_private_key(EVP_PKEY_HMAC, NULL, secret, len);
    struct jwt_signer *s = jwt_signer_new(pkey, JWT_HS256);
    EVP_PKEY_free(pkey);
    assert_true(jwt_signer_signed(s, jwt_bed_slice(token)));
    jwt_signer_free(s);
}

/* RFC 7515, A.3: ES256. */
static void the_rfcs_ecdsa_is_right(void **state)
{
    static const uint8_t head[] = {0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48,
                                   0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48,
                                   0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04};
    static const char x[] = "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU";
    static const char y[] = "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0";
    static const char token[] =
        "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlL"
        "mNvbS9pc19yb290Ijp0cnVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSA"
        "pmWQxfKTUJqPP3-Kg6NU1Q";
    uint8_t der[sizeof(head) + 64];
    size_t len;
    (void)state;
    memcpy(der, head, sizeof(head));
    assert_true(jwt_base64_read((const uint8_t *)x, 43, der + sizeof(head), 32, &len));
    assert_true(jwt_base64_read((const uint8_t *)y, 43, der + sizeof(head) + 32, 32, &len));
    const uint8_t *at = der;
    EVP_PKEY *pkey = d2i_PUBKEY(NULL, &at, sizeof(der));
    assert_non_null(pkey);
    struct jwt_signer *s = jwt_signer_new(pkey, JWT_ES256);
    EVP_PKEY_free(pkey);
    assert_true(jwt_signer_signed(s, jwt_bed_slice(token)));
    jwt_signer_free(s);
}

static const char *const names[] = {"secret", "rsa", "ec"};

static void a_key_knows_its_own_signature_only(void **state)
{
    struct jwt_bed *b = *state;
    for (int by = JWT_HS256; by <= JWT_ES256; by++) {
        char *token =
            jwt_bed_token(b, (enum jwt_algorithm)by, "{\"alg\":\"x\"}", "{\"sub\":\"bob\"}");
        for (int key = JWT_HS256; key <= JWT_ES256; key++)
            assert_true(is_signed(b, names[key], token) == (key == by));
        free(token);
    }
}

static void each_changed_letter_is_forged(void **state)
{
    struct jwt_bed *b = *state;
    for (int by = JWT_HS256; by <= JWT_ES256; by++) {
        char *token =
            jwt_bed_token(b, (enum jwt_algorithm)by, "{\"alg\":\"x\"}", "{\"sub\":\"bob\"}");
        size_t len = strlen(token);
        for (size_t at = 0; at < len; at += 5) {
            char kept = token[at];
            token[at] = kept == 'B' ? 'C' : 'B';
            assert_false(is_signed(b, names[by], token));
            token[at] = kept;
        }
        token[len - 1] = '\0'; /* too short */
        assert_false(is_signed(b, names[by], token));
        *(strrchr(token, '.') + 1) = '\0';
        assert_false(is_signed(b, names[by], token));
        free(token);
    }
}

/* A signature of the RSA key's public PEM taken as a secret. */
static void a_public_key_is_no_secret(void **state)
{
    struct jwt_bed *b = *state;
    char pem[1024] = "", token[2048] = "";
    uint8_t made[64];
    FILE *f = fopen(b->files[1], "r");
    size_t len = fread(pem, 1, sizeof(pem), f);
    assert_int_equal(fclose(f), 0);
    jwt_bed_encode(token, "{\"alg\":\"HS256\",\"kid\":\"rsa\"}", 27);
    strcat(token, ".e30");
    size_t made_len = jwt_bed_hmac(pem, len, token, made);
    strcat(token, ".");
    jwt_bed_encode(token, made, made_len);
    for (size_t key = 0; key < 3; key++)
        assert_false(is_signed(b, names[key], token));
}

/* Numbers of zero are right for each message with some libraries (CVE-2022-21449). */
static void an_ecdsa_signature_of_zeros_is_forged(void **state)
{
    static const uint8_t zeros[64];
    struct jwt_bed *b = *state;
    char token[256] = "eyJhbGciOiJFUzI1NiJ9.e30.";
    jwt_bed_encode(token, zeros, sizeof(zeros));
    assert_false(is_signed(b, "ec", token));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_rfcs_hmac_is_right),
        cmocka_unit_test(the_rfcs_ecdsa_is_right),
        cmocka_unit_test_setup_teardown(a_key_knows_its_own_signature_only, set_up, tear_down),
        cmocka_unit_test_setup_teardown(each_changed_letter_is_forged, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_public_key_is_no_secret, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_ecdsa_signature_of_zeros_is_forged, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
