/* The certificate and key that a listener shows: which files are taken, and what the others lack. */
#include "common/tls/tls_identity.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>
#include <openssl/err.h>

#include "tests/unit/tls_fixture.h"

static struct tls_files ours;
static SSL_CTX *ctx;

static int setup(void **state)
{
    (void)state;
    tls_files_init(&ours, "localhost");
    ctx = SSL_CTX_new(TLS_server_method());
    return ctx != NULL ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    SSL_CTX_free(ctx);
    tls_files_fini(&ours);
    return 0;
}

static void refused(const char *certificate, const char *key, const char *file, const char *reason)
{
    char err[512] = "";
    const struct tls_config config = {.certificate = (char *)certificate, .key = (char *)key};
    assert_false(tls_identity_load(ctx, &config, err, sizeof(err)));
    if (strstr(err, file) == NULL || strstr(err, reason) == NULL)
        fail_msg("'%s' has no '%s' or no '%s'", err, file, reason);
    assert_int_equal(ERR_peek_error(), 0);
}

static void a_certificate_and_its_key_are_taken(void **state)
{
    (void)state;
    char err[512] = "";
    const struct tls_config config = {.certificate = ours.certificate, .key = ours.key};
    assert_true(tls_identity_load(ctx, &config, err, sizeof(err)));
    assert_string_equal(err, "");
    assert_non_null(SSL_CTX_get0_certificate(ctx));
    assert_int_equal(SSL_CTX_check_private_key(ctx), 1);
    assert_int_equal(ERR_peek_error(), 0);
}

static void key_of_another_kind_is_named(void **state)
{
    (void)state;
    struct tls_files rsa;
    tls_files_init(&rsa, "rsa");
    tls_files_write_new(&rsa, "rsa", "RSA", 3600);
    refused(rsa.certificate, ours.key, ours.key, "is an EC key, but certificate");
    refused(rsa.certificate, ours.key, rsa.certificate, "has an RSA key");
    refused(ours.certificate, rsa.key, rsa.key, "is an RSA key, but certificate");
    tls_files_fini(&rsa);
}

static void encrypt(const struct tls_files *f, bool pkcs8)
{
    FILE *in = fopen(f->key, "r");
    EVP_PKEY *key = PEM_read_PrivateKey(in, NULL, NULL, NULL);
    fclose(in);
    FILE *out = fopen(f->key, "w");
    const EVP_CIPHER *cipher = EVP_aes_128_cbc();
    BIO *bio = BIO_new_fp(out, BIO_NOCLOSE);
    assert_int_equal(pkcs8 ? PEM_write_bio_PKCS8PrivateKey(bio, key, cipher, "pass", 4, NULL, NULL)
                           : PEM_write_bio_PrivateKey_traditional(
                                 bio, key, cipher, (const unsigned char *)"pass", 4, NULL, NULL),
                     1);
    BIO_free(bio);
    fclose(out);
    EVP_PKEY_free(key);
}

static void encrypted_key_is_named_so_and_nobody_is_asked_for_a_passphrase(void **state)
{
    (void)state;
    for (int pkcs8 = 0; pkcs8 < 2; pkcs8++) {
        struct tls_files files;
        tls_files_init(&files, "secret");
        encrypt(&files, pkcs8);
        refused(files.certificate, files.key, files.key, "is encrypted");
        tls_files_fini(&files);
    }
}

static void each_other_mistake_names_its_file(void **state)
{
    (void)state;
    struct tls_files other;
    tls_files_init(&other, "other");
    refused(ours.certificate, other.key, other.key, "is not the key of certificate");
    refused(ours.certificate, "/nowhere/key.pem", "key '/nowhere/key.pem'", "No such file");
    refused("/nowhere/cert.pem", ours.key, "certificate '/nowhere/cert.pem'", "No such file");
    refused(other.key, ours.key, other.key, "no certificate in it (PEM is expected)");
    refused(ours.certificate, ours.certificate, ours.certificate, "no private key in it");
    tls_files_fini(&other);
}

static void a_certificate_that_is_damaged_is_no_missing_one(void **state)
{
    (void)state;
    FILE *out = fopen(ours.certificate, "w");
    assert_non_null(out);
    assert_true(fputs("-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n", out) >= 0);
    fclose(out);
    char err[512] = "";
    const struct tls_config config = {.certificate = ours.certificate, .key = ours.key};
    assert_false(tls_identity_load(ctx, &config, err, sizeof(err)));
    assert_null(strstr(err, "no certificate in it"));
    assert_non_null(strstr(err, "certificate '"));
    assert_true(strlen(strstr(err, "': ")) > 3); /* OpenSSL's reason */
}

/* A reload would wait for a pipe's other end, and the control thread with it. */
static void what_is_no_file_is_named_at_once(void **state)
{
    (void)state;
    char pipe_name[128];
    snprintf(pipe_name, sizeof(pipe_name), "%s/pipe", ours.dir);
    assert_int_equal(mkfifo(pipe_name, 0600), 0);
    alarm(20); /* one that waits ends the test */
    refused("/tmp", ours.key, "certificate '/tmp", "Is a directory");
    refused(ours.certificate, "/tmp", "key '/tmp", "Is a directory");
    refused(pipe_name, ours.key, "certificate '/tmp", "isn't a regular file");
    refused(ours.certificate, pipe_name, "key '/tmp", "isn't a regular file");
    alarm(0);
    unlink(pipe_name);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_certificate_and_its_key_are_taken),
        TEST(key_of_another_kind_is_named),
        TEST(encrypted_key_is_named_so_and_nobody_is_asked_for_a_passphrase),
        TEST(each_other_mistake_names_its_file),
        TEST(a_certificate_that_is_damaged_is_no_missing_one),
        TEST(what_is_no_file_is_named_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
