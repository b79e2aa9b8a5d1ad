/*
 * The file is read once: what is believed and what tickets are bound to can't be two versions of it.
 */
#include "common/tls/tls_clients.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/sha.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <string.h>

#include "common/tls/tls_config.h"
#include "common/tls/tls_error.h"

/* What the tickets of a context are bound to: a hash over everything that was added, in order. */
struct binding {
    uint8_t digest[SHA256_DIGEST_LENGTH];
};

static void bind_to(struct binding *b, const void *data, size_t len)
{
    uint8_t both[2 * SHA256_DIGEST_LENGTH];
    memcpy(both, b->digest, SHA256_DIGEST_LENGTH);
    SHA256(data, len, both + SHA256_DIGEST_LENGTH);
    SHA256(both, sizeof(both), b->digest);
}

/* In what the server asks for, each name stands once. */
static bool add_name(SSL_CTX *ctx, X509 *cert)
{
    const STACK_OF(X509_NAME) *names = SSL_CTX_get_client_CA_list(ctx);
    for (int i = 0; i < sk_X509_NAME_num(names); i++)
        if (X509_NAME_cmp(sk_X509_NAME_value(names, i), X509_get_subject_name(cert)) == 0)
            return true;
    return SSL_CTX_add_client_CA(ctx, cert) == 1;
}

static bool add_authority(SSL_CTX *ctx, X509 *cert, struct binding *b)
{
    unsigned char *der = NULL;
    int len = i2d_X509(cert, &der);
    if (len < 0)
        return false;
    bind_to(b, der, (size_t)len);
    OPENSSL_free(der);
    return X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), cert) == 1 && add_name(ctx, cert);
}

static STACK_OF(X509_INFO) * read_all(FILE *file)
{
    STACK_OF(X509_INFO) *all = PEM_X509_INFO_read(file, NULL, NULL, (void *)"");
    fclose(file);
    return all;
}

static bool load_authorities(SSL_CTX *ctx, const char *name, struct binding *b, char *err,
                             size_t errlen)
{
    char reason[160];
    FILE *file = tls_file_open("client_ca", name, err, errlen);
    if (file == NULL)
        return false;
    STACK_OF(X509_INFO) *all = read_all(file);
    int found = 0;
    bool ok = all != NULL;
    for (int i = 0; ok && i < sk_X509_INFO_num(all); i++) {
        X509 *cert = sk_X509_INFO_value(all, i)->x509;
        found += cert != NULL;
        ok = cert == NULL || add_authority(ctx, cert, b);
    }
    sk_X509_INFO_pop_free(all, X509_INFO_free);
    if (ok && found > 0)
        return true;
    snprintf(err, errlen, "client_ca '%s': %s", name,
             ok ? "no certificate in it (PEM is expected)" : tls_error(reason, sizeof(reason)));
    return false;
}

static SSL_TICKET_RETURN on_ticket_opened(SSL *ssl, SSL_SESSION *session, const unsigned char *name,
                                          size_t name_len, SSL_TICKET_STATUS status, void *arg)
{
    (void)ssl;
    (void)name;
    (void)name_len;
    (void)arg;
    if (status != SSL_TICKET_SUCCESS && status != SSL_TICKET_SUCCESS_RENEW)
        return SSL_TICKET_RETURN_IGNORE_RENEW;
    const X509 *peer = SSL_SESSION_get0_peer(session);
    if (peer != NULL && X509_cmp_current_time(X509_get0_notAfter(peer)) <= 0)
        return SSL_TICKET_RETURN_IGNORE_RENEW;
    return status == SSL_TICKET_SUCCESS ? SSL_TICKET_RETURN_USE : SSL_TICKET_RETURN_USE_RENEW;
}

static void verify_clients(SSL_CTX *ctx, enum tls_client_auth client_auth)
{
    int mode = SSL_VERIFY_PEER;
    if (client_auth == TLS_CLIENT_AUTH_REQUIRED)
        mode |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
    SSL_CTX_set_verify(ctx, mode, NULL);
    SSL_CTX_set_session_ticket_cb(ctx, NULL, on_ticket_opened, NULL);
}

bool tls_clients_load(SSL_CTX *ctx, const struct tls_config *config, char *err, size_t errlen)
{
    bool asked = config->client_auth != TLS_CLIENT_AUTH_NONE && config->client_ca != NULL;
    struct binding b = {{0}};
    struct binding unused = {{0}};
    ERR_clear_error();
    bind_to(&b, &config->client_auth, sizeof(config->client_auth));
    /* A file that is named is read, although nobody is asked for a certificate: a mistake in it is
     * told now, and not when client_auth is switched on. */
    if (config->client_ca != NULL &&
        !load_authorities(ctx, config->client_ca, asked ? &b : &unused, err, errlen))
        return false;
    if (asked)
        verify_clients(ctx, (enum tls_client_auth)config->client_auth);
    if (SSL_CTX_set_session_id_context(ctx, b.digest, sizeof(b.digest)) == 1)
        return true;
    snprintf(err, errlen, "client_auth: out of memory");
    return false;
}

bool tls_clients_common_name(const X509 *cert, char *out, size_t size)
{
    X509_NAME *subject = X509_get_subject_name(cert);
    int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
    unsigned char *text = NULL;
    if (at < 0)
        return false;
    int len =
        ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
    bool ok = len > 0 && (size_t)len < size && memchr(text, '\0', (size_t)len) == NULL;
    if (ok) {
        memcpy(out, text, (size_t)len);
        out[len] = '\0';
    }
    OPENSSL_free(text);
    ERR_clear_error();
    return ok;
}
