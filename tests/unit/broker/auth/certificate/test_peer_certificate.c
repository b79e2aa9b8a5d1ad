/* peer_certificate: which names there are, in certificates that are made here. */
#include "broker/auth/certificate/peer_certificate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "broker/base/account.h"

static EVP_PKEY *key;

static int set_up(void **state)
{
    (void)state;
    key = EVP_EC_gen("P-256");
    return key != NULL ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    EVP_PKEY_free(key);
    return 0;
}

/* With these alternative names, as OpenSSL's configuration writes them; NULL: none. */
static struct peer_certificate *make(const char *common_name, const char *names)
{
    X509 *x = X509_new();
    X509_set_version(x, X509_VERSION_3);
    X509_set_pubkey(x, key);
    X509_gmtime_adj(X509_getm_notBefore(x), 0);
    X509_gmtime_adj(X509_getm_notAfter(x), 60);
    if (names != NULL) {
        X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, names);
        assert_non_null(e);
        X509_add_ext(x, e, -1);
        X509_EXTENSION_free(e);
    }
    assert_true(X509_sign(x, key, EVP_sha256()) > 0);
    uint8_t *der = NULL;
    int len = i2d_X509(x, &der);
    assert_true(len > 0);
    struct peer_certificate *c = peer_certificate_new(common_name, der, (size_t)len);
    OPENSSL_free(der);
    X509_free(x);
    return c;
}

/* `expected` NULL: it has none. */
static void has(const struct peer_certificate *c, enum certificate_identity kind,
                const char *expected)
{
    char *name = peer_certificate_name(c, kind);
    if (expected == NULL)
        assert_null(name);
    else if (name == NULL || strcmp(name, expected) != 0)
        fail_msg("%s instead of %s", name != NULL ? name : "none", expected);
    account_free(ACCOUNT_CLIENTS, name);
}

static void each_kind_has_its_name(void **state)
{
    struct peer_certificate *c =
        make("truck-17", "email:a@b.example,DNS:one.example,URI:urn:dev:1,DNS:two.example");
    (void)state;
    has(c, CERTIFICATE_CN, "truck-17");
    has(c, CERTIFICATE_SAN_DNS, "one.example"); /* the first */
    has(c, CERTIFICATE_SAN_URI, "urn:dev:1");
    has(c, CERTIFICATE_SAN_EMAIL, "a@b.example");
    has(c, CERTIFICATE_OFF, NULL);
    peer_certificate_free(c);
}

static void what_isnt_there_is_none(void **state)
{
    struct peer_certificate *c = make("", "IP:127.0.0.1,URI:urn:x");
    (void)state;
    has(c, CERTIFICATE_CN, NULL);
    has(c, CERTIFICATE_SAN_DNS, NULL);
    has(c, CERTIFICATE_SAN_URI, "urn:x");
    peer_certificate_free(c);
    c = make("x", NULL);
    has(c, CERTIFICATE_SAN_DNS, NULL);
    peer_certificate_free(c);
    peer_certificate_free(NULL);
}

static void without_the_certificate_there_is_the_common_name(void **state)
{
    struct peer_certificate *c = peer_certificate_new("truck-17", NULL, 0);
    (void)state;
    has(c, CERTIFICATE_CN, "truck-17");
    has(c, CERTIFICATE_SAN_DNS, NULL);
    peer_certificate_free(c);
}

/* Cut, it would be another's: the first name has a zero byte, so it is none, and the second isn't looked for. */
static void a_name_with_a_nul_is_none(void **state)
{
    struct peer_certificate *c = make("x", "DNS:admin.evil.example,DNS:other");
    (void)state;
    has(c, CERTIFICATE_SAN_DNS, "admin.evil.example");
    peer_certificate_free(c);
    X509 *x = X509_new();
    GENERAL_NAMES *names = sk_GENERAL_NAME_new_null();
    GENERAL_NAME *name = GENERAL_NAME_new();
    ASN1_IA5STRING *text = ASN1_IA5STRING_new();
    ASN1_STRING_set(text, "admin\0.evil.example", 19);
    GENERAL_NAME_set0_value(name, GEN_DNS, text);
    sk_GENERAL_NAME_push(names, name);
    X509_set_version(x, X509_VERSION_3);
    X509_set_pubkey(x, key);
    X509_gmtime_adj(X509_getm_notBefore(x), 0);
    X509_gmtime_adj(X509_getm_notAfter(x), 60);
    assert_int_equal(X509_add1_ext_i2d(x, NID_subject_alt_name, names, 0, 0), 1);
    assert_true(X509_sign(x, key, EVP_sha256()) > 0);
    uint8_t *der = NULL;
    int len = i2d_X509(x, &der);
    c = peer_certificate_new("x", der, (size_t)len);
    has(c, CERTIFICATE_SAN_DNS, NULL);
    peer_certificate_free(c);
    OPENSSL_free(der);
    GENERAL_NAMES_free(names);
    X509_free(x);
}

static void bytes_that_are_no_certificate_have_no_name(void **state)
{
    uint8_t bytes[300];
    (void)state;
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(i * 7);
    for (size_t len = 1; len < sizeof(bytes); len += 13) {
        struct peer_certificate *c = peer_certificate_new("x", bytes, len);
        has(c, CERTIFICATE_SAN_DNS, NULL);
        peer_certificate_free(c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_kind_has_its_name),
        cmocka_unit_test(what_isnt_there_is_none),
        cmocka_unit_test(without_the_certificate_there_is_the_common_name),
        cmocka_unit_test(a_name_with_a_nul_is_none),
        cmocka_unit_test(bytes_that_are_no_certificate_have_no_name),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
