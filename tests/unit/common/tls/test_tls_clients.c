/*
 * The authorities whose clients a listener believes, and a client's name. Which tickets it resumes:
 * test_tls_clients_tickets.c.
 */
#include "common/tls/tls_clients.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/err.h>

#include "tests/unit/tls_fixture.h"

static struct tls_files one, two;
static char both[96]; /* a file with the certificates of both, and one of them twice */
static SSL_CTX *ctx;

static void append_file(const char *from, const char *to)
{
    char text[4096];
    FILE *in = fopen(from, "r");
    FILE *out = fopen(to, "a");
    assert_true(in != NULL && out != NULL);
    size_t len = fread(text, 1, sizeof(text), in);
    assert_true(len > 0 && fwrite(text, 1, len, out) == len);
    fclose(in);
    fclose(out);
}

static int setup(void **state)
{
    (void)state;
    tls_files_init(&one, "one");
    tls_files_init(&two, "two");
    snprintf(both, sizeof(both), "%s/both.pem", one.dir);
    append_file(one.certificate, both);
    append_file(two.certificate, both);
    append_file(one.key, both); /* which is no certificate, and no mistake */
    ctx = SSL_CTX_new(TLS_server_method());
    return ctx != NULL ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    SSL_CTX_free(ctx);
    unlink(both);
    tls_files_fini(&one);
    tls_files_fini(&two);
    return 0;
}

static void load(const char *client_ca, enum tls_client_auth client_auth)
{
    char err[256] = "";
    const struct tls_config config = {.client_ca = (char *)client_ca, .client_auth = client_auth};
    if (!tls_clients_load(ctx, &config, err, sizeof(err)))
        fail_msg("%s", err);
}

static void refused(const char *client_ca, enum tls_client_auth client_auth, const char *reason)
{
    char err[256] = "";
    char expected[256];
    const struct tls_config config = {.client_ca = (char *)client_ca, .client_auth = client_auth};
    snprintf(expected, sizeof(expected), "client_ca '%s': %s", client_ca, reason);
    assert_false(tls_clients_load(ctx, &config, err, sizeof(err)));
    assert_string_equal(err, expected);
    assert_int_equal(ERR_peek_error(), 0);
}

static void client_auth_says_whether_a_certificate_is_asked_for_and_needed(void **state)
{
    (void)state;
    load(one.certificate, TLS_CLIENT_AUTH_NONE);
    assert_int_equal(SSL_CTX_get_verify_mode(ctx), SSL_VERIFY_NONE);
    load(one.certificate, TLS_CLIENT_AUTH_OPTIONAL);
    assert_int_equal(SSL_CTX_get_verify_mode(ctx), SSL_VERIFY_PEER);
    load(one.certificate, TLS_CLIENT_AUTH_REQUIRED);
    assert_int_equal(SSL_CTX_get_verify_mode(ctx),
                     SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT);
}

static void without_authorities_nobody_is_asked(void **state)
{
    (void)state;
    load(NULL, TLS_CLIENT_AUTH_REQUIRED); /* the configuration's checks refuse it before */
    assert_int_equal(SSL_CTX_get_verify_mode(ctx), SSL_VERIFY_NONE);
}

static void each_authority_of_the_file_is_believed_and_named_once(void **state)
{
    (void)state;
    load(both, TLS_CLIENT_AUTH_REQUIRED);
    assert_int_equal(sk_X509_NAME_num(SSL_CTX_get_client_CA_list(ctx)), 2);
    append_file(one.certificate, both);
    SSL_CTX_free(ctx);
    ctx = SSL_CTX_new(TLS_server_method());
    load(both, TLS_CLIENT_AUTH_REQUIRED);
    assert_int_equal(sk_X509_NAME_num(SSL_CTX_get_client_CA_list(ctx)), 2);
    assert_int_equal(sk_X509_OBJECT_num(X509_STORE_get0_objects(SSL_CTX_get_cert_store(ctx))), 2);
}

static void a_file_that_is_no_certificate_is_refused_also_while_nobody_is_asked(void **state)
{
    (void)state;
    static const enum tls_client_auth auths[] = {TLS_CLIENT_AUTH_NONE, TLS_CLIENT_AUTH_OPTIONAL,
                                                 TLS_CLIENT_AUTH_REQUIRED};
    for (size_t i = 0; i < sizeof(auths) / sizeof(auths[0]); i++) {
        refused("/nowhere/ca.pem", auths[i], "No such file or directory");
        refused("/tmp", auths[i], "Is a directory");
        refused(one.key, auths[i], "no certificate in it (PEM is expected)");
    }
}

static bool common_name(const char *text, int len, int type, char *out, size_t size)
{
    X509 *cert = X509_new();
    if (text != NULL)
        assert_int_equal(X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", type,
                                                    (const unsigned char *)text, len, -1, 0),
                         1);
    bool found = tls_clients_common_name(cert, out, size);
    X509_free(cert);
    return found;
}

static void common_name_is_whole_or_absent(void **state)
{
    (void)state;
    char out[17] = "";
    assert_true(common_name("truck-17", -1, MBSTRING_ASC, out, sizeof(out)));
    assert_string_equal(out, "truck-17");
    assert_true(common_name("sixteen-letters!", -1, MBSTRING_ASC, out, sizeof(out)));
    assert_string_equal(out, "sixteen-letters!");
    assert_false(common_name("seventeen-letters", -1, MBSTRING_ASC, out, sizeof(out)));
    assert_false(common_name("admin\0.example", 14, V_ASN1_UTF8STRING, out, sizeof(out)));
    assert_false(common_name(NULL, 0, 0, out, sizeof(out)));
    assert_true(common_name("\0t\0r\0\xfc", 6, V_ASN1_BMPSTRING, out, sizeof(out)));
    assert_string_equal(out, "tr\xc3\xbc");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(client_auth_says_whether_a_certificate_is_asked_for_and_needed),
        TEST(without_authorities_nobody_is_asked),
        TEST(each_authority_of_the_file_is_believed_and_named_once),
        TEST(a_file_that_is_no_certificate_is_refused_also_while_nobody_is_asked),
        TEST(common_name_is_whole_or_absent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
