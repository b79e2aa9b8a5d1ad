/*
 * For tests: a certificate that signs itself, in files, and a client to talk to a stream under
 * test.
 */
#ifndef FLOTILLA_TESTS_UNIT_TLS_FIXTURE_H
#define FLOTILLA_TESTS_UNIT_TLS_FIXTURE_H

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/tls/tls_config.h"

struct tls_files {
    char dir[64];
    char certificate[96], key[96];
};

static inline void tls_files_write(const struct tls_files *f, EVP_PKEY *key, X509 *cert)
{
    FILE *out = fopen(f->key, "w");
    assert_non_null(out);
    assert_int_equal(PEM_write_PrivateKey(out, key, NULL, NULL, 0, NULL, NULL), 1);
    fclose(out);
    out = fopen(f->certificate, "w");
    assert_non_null(out);
    assert_int_equal(PEM_write_X509(out, cert), 1);
    fclose(out);
}

/* `valid_s`: for how long from now on; negative: it has run out. */
static inline void tls_files_write_new(const struct tls_files *f, const char *common_name,
                                       const char *key_type, long valid_s)
{
    EVP_PKEY *key = strcmp(key_type, "RSA") == 0 ? EVP_RSA_gen(2048) : EVP_EC_gen("P-256");
    X509 *cert = X509_new();
    X509_set_version(cert, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
    X509_gmtime_adj(X509_getm_notBefore(cert), -60);
    X509_gmtime_adj(X509_getm_notAfter(cert), valid_s);
    X509_NAME *name = X509_get_subject_name(cert);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)common_name, -1, -1,
                               0);
    X509_set_issuer_name(cert, name);
    X509_set_pubkey(cert, key);
    assert_true(X509_sign(cert, key, EVP_sha256()) > 0);
    tls_files_write(f, key, cert);
    X509_free(cert);
    EVP_PKEY_free(key);
}

static inline void tls_files_init(struct tls_files *f, const char *common_name)
{
    snprintf(f->dir, sizeof(f->dir), "/tmp/flotilla-tls-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    snprintf(f->certificate, sizeof(f->certificate), "%s/cert.pem", f->dir);
    snprintf(f->key, sizeof(f->key), "%s/key.pem", f->dir);
    tls_files_write_new(f, common_name, "EC", 3600);
}

static inline void tls_files_fini(const struct tls_files *f)
{
    unlink(f->certificate);
    unlink(f->key);
    rmdir(f->dir);
}

#endif
