/* jwt_keys: which files are keys, which key is whose, and when a stamp changes. */
#include "broker/auth/jwt/jwt_keys.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

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

static struct jwt_keys *load(const struct jwt_bed *b)
{
    char err[256];
    struct jwt_keys *k = jwt_keys_load(&b->config, err, sizeof(err));
    if (k == NULL)
        fail_msg("%s", err);
    return k;
}

static void keys_are_found_by_name_or_as_the_only_one(void **state)
{
    struct jwt_bed *b = *state;
    struct jwt_keys *k = load(b);
    assert_string_equal(jwt_key_algorithm(jwt_keys_find(k, "rsa", "HS256")), "RS256");
    assert_string_equal(jwt_key_algorithm(jwt_keys_find(k, NULL, "ES256")), "ES256");
    assert_null(jwt_keys_find(k, "RSA", "RS256"));
    assert_null(jwt_keys_find(k, "", "RS256"));
    assert_null(jwt_keys_find(k, "../rsa", "RS256"));
    assert_null(jwt_keys_find(k, b->files[1], "RS256"));
    assert_null(jwt_keys_find(k, NULL, "none"));
    assert_null(jwt_keys_find(k, NULL, "PS256"));
    jwt_keys_free(k);
    b->keys[0] = b->keys[2];
    b->keys[0].name = b->keys[1].name;
    k = load(b);
    assert_null(jwt_keys_find(k, NULL, "ES256")); /* two */
    jwt_keys_free(k);
    jwt_keys_free(NULL);
}

static uint64_t stamp(const struct jwt_bed *b, const char *name)
{
    struct jwt_keys *k = load(b);
    uint64_t stamp = jwt_key_stamp(jwt_keys_find(k, name, ""));
    assert_true(jwt_keys_has_stamp(k, stamp));
    assert_false(jwt_keys_has_stamp(k, stamp + 2));
    jwt_keys_free(k);
    return stamp;
}

static void a_stamp_changes_with_key_and_rules(void **state)
{
    struct jwt_bed *b = *state;
    uint64_t secret = stamp(b, "secret"), rsa = stamp(b, "rsa");
    assert_true(secret == stamp(b, "secret"));
    assert_true(secret != rsa && (secret & 1) == 1);
    jwt_bed_write(b->files[0], JWT_BED_SECRET "!\n");
    assert_true(secret != stamp(b, "secret"));
    assert_true(rsa == stamp(b, "rsa"));
    b->config.audience = (char *)(uintptr_t) "here";
    assert_true(rsa != stamp(b, "rsa"));
    b->config.audience = NULL;
    b->config.issuer = (char *)(uintptr_t) "here";
    uint64_t issued = stamp(b, "rsa");
    assert_true(rsa != issued);
    b->config.issuer = NULL;
    assert_true(rsa == stamp(b, "rsa"));
    assert_false(jwt_keys_has_stamp(NULL, rsa));
}

/* The key in this file isn't taken, for this reason, and the message names it. */
static void refuses(struct jwt_bed *b, int key, const char *problem)
{
    char err[256] = "";
    struct jwt_keys *k = jwt_keys_load(&b->config, err, sizeof(err));
    assert_null(k);
    if (strstr(err, problem) == NULL || strstr(err, b->keys[key].file) == NULL ||
        strstr(err, b->keys[key].name) == NULL)
        fail_msg("%s", err);
}

static void secrets_are_long_and_secret(void **state)
{
    struct jwt_bed *b = *state;
    jwt_bed_write(b->files[0], "thirty-one bytes, one too few..\r\n");
    refuses(b, 0, "at least 32 bytes");
    jwt_bed_write(b->files[0], "");
    refuses(b, 0, "at least 32 bytes");
    jwt_bed_write_public(b->files[0], b->rsa);
    refuses(b, 0, "RS256 or ES256");
    b->keys[0].file = (char *)(uintptr_t) "/nonexistent/secret";
    refuses(b, 0, "o such file");
    b->keys[0].file = (char *)(uintptr_t) "/dev/zero";
    refuses(b, 0, "");
}

static void public_keys_are_of_their_kind(void **state)
{
    struct jwt_bed *b = *state;
    jwt_bed_write_public(b->files[1], b->ec);
    refuses(b, 1, "an RSA key");
    jwt_bed_write(b->files[1], "not a key\n");
    refuses(b, 1, "in PEM");
    EVP_PKEY *small = EVP_RSA_gen(1024);
    jwt_bed_write_public(b->files[1], small);
    EVP_PKEY_free(small);
    refuses(b, 1, "2048 to 8192");
    jwt_bed_write_public(b->files[1], b->rsa);
    jwt_bed_write_public(b->files[2], b->rsa);
    refuses(b, 2, "P-256");
    EVP_PKEY *other = EVP_EC_gen("P-384");
    jwt_bed_write_public(b->files[2], other);
    EVP_PKEY_free(other);
    refuses(b, 2, "P-256");
}

static void a_private_key_is_no_public_one(void **state)
{
    struct jwt_bed *b = *state;
    FILE *f = fopen(b->files[1], "w");
    assert_int_equal(PEM_write_PrivateKey(f, b->rsa, NULL, NULL, 0, NULL, NULL), 1);
    assert_int_equal(fclose(f), 0);
    refuses(b, 1, "in PEM");
}

static void a_certificate_has_a_public_key(void **state)
{
    struct jwt_bed *b = *state;
    X509 *x = X509_new();
    X509_set_pubkey(x, b->ec);
    X509_gmtime_adj(X509_getm_notBefore(x), 0);
    X509_gmtime_adj(X509_getm_notAfter(x), 60);
    assert_true(X509_sign(x, b->ec, EVP_sha256()) > 0);
    uint64_t plain = stamp(b, "ec");
    FILE *f = fopen(b->files[2], "w");
    assert_int_equal(PEM_write_X509(f, x), 1);
    assert_int_equal(fclose(f), 0);
    X509_free(x);
    assert_true(stamp(b, "ec") != plain); /* other bytes */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(keys_are_found_by_name_or_as_the_only_one, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_stamp_changes_with_key_and_rules, set_up, tear_down),
        cmocka_unit_test_setup_teardown(secrets_are_long_and_secret, set_up, tear_down),
        cmocka_unit_test_setup_teardown(public_keys_are_of_their_kind, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_private_key_is_no_public_one, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_certificate_has_a_public_key, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
