/*
 * A name that is an address is compared with the certificate's addresses, and isn't said to the server (RFC 6066, 3).
 */
#include "common/tls/tls_client.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/tls/tls_channel.h"
#include "common/tls/tls_config.h"
#include "common/tls/tls_error.h"
#include "common/tls/tls_identity.h"

struct tls_client {
    _Atomic unsigned refs;
    SSL_CTX *ctx;
    BIO_METHOD *method;
    char *name; /* NULL: each connection's host */
    bool unverified;
};

static bool is_address(const char *name)
{
    uint8_t address[16];
    return inet_pton(AF_INET, name, address) == 1 || inet_pton(AF_INET6, name, address) == 1;
}

/* The file is opened first: OpenSSL says nothing of a folder, or of one that isn't there. */
static bool load_ca(SSL_CTX *ctx, const char *name, char *err, size_t errlen)
{
    char reason[160];
    FILE *file = tls_file_open("ca", name, err, errlen);
    if (file == NULL)
        return false;
    fclose(file);
    if (SSL_CTX_load_verify_file(ctx, name) == 1)
        return true;
    snprintf(err, errlen, "ca '%s': no certificate in it that can be read (PEM is expected): %s",
             name, tls_error(reason, sizeof(reason)));
    return false;
}

static bool load_identity(SSL_CTX *ctx, const struct tls_client_config *config, char *err,
                          size_t errlen)
{
    const struct tls_config identity = {.certificate = config->certificate, .key = config->key};
    if (config->certificate == NULL && config->key == NULL)
        return true;
    if (config->certificate == NULL || config->key == NULL) {
        snprintf(err, errlen, "certificate and key need each other");
        return false;
    }
    return tls_identity_load(ctx, &identity, err, errlen);
}

static bool set_policy(SSL_CTX *ctx)
{
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                 SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                              SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    return SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) == 1;
}

static bool set_up(struct tls_client *t, const struct tls_client_config *config, char *err,
                   size_t errlen)
{
    bool named = config->server_name == NULL || t->name != NULL;
    if (t->ctx == NULL || t->method == NULL || !named || !set_policy(t->ctx)) {
        snprintf(err, errlen, "out of memory");
        return false;
    }
    SSL_CTX_set_verify(t->ctx, t->unverified ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, NULL);
    if (config->ca == NULL) {
        if (SSL_CTX_set_default_verify_paths(t->ctx) != 1) {
            snprintf(err, errlen, "ca: the system's authorities can't be used");
            return false;
        }
    } else if (!load_ca(t->ctx, config->ca, err, errlen)) {
        return false;
    }
    return load_identity(t->ctx, config, err, errlen);
}

struct tls_client *tls_client_new(const struct tls_client_config *config, char *err, size_t errlen)
{
    ERR_clear_error();
    struct tls_client *t = calloc(1, sizeof(*t));
    if (t == NULL) {
        snprintf(err, errlen, "out of memory");
        return NULL;
    }
    atomic_init(&t->refs, 1);
    t->ctx = SSL_CTX_new(TLS_client_method());
    t->method = tls_channel_method_new();
    t->unverified = config->unverified;
    if (config->server_name != NULL)
        t->name = strdup(config->server_name);
    bool ok = set_up(t, config, err, errlen);
    ERR_clear_error();
    if (ok)
        return t;
    tls_client_unref(t);
    return NULL;
}

struct tls_client *tls_client_ref(struct tls_client *t)
{
    if (t != NULL)
        atomic_fetch_add_explicit(&t->refs, 1, memory_order_relaxed);
    return t;
}

void tls_client_unref(struct tls_client *t)
{
    if (t == NULL || atomic_fetch_sub_explicit(&t->refs, 1, memory_order_acq_rel) != 1)
        return;
    SSL_CTX_free(t->ctx);
    BIO_meth_free(t->method);
    free(t->name);
    free(t);
}

/* A certificate that isn't looked at needs no name, but the server may have several to choose from. */
static bool expect(const struct tls_client *t, SSL *ssl, const char *name)
{
    if (is_address(name))
        return t->unverified || X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name) == 1;
    if (SSL_set_tlsext_host_name(ssl, name) != 1)
        return false;
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return t->unverified || SSL_set1_host(ssl, name) == 1;
}

SSL *tls_client_ssl(const struct tls_client *t, const char *host)
{
    SSL *ssl = SSL_new(t->ctx);
    if (ssl != NULL && expect(t, ssl, t->name != NULL ? t->name : host)) {
        SSL_set_connect_state(ssl);
        return ssl;
    }
    SSL_free(ssl);
    ERR_clear_error();
    return NULL;
}

struct tls_channel *tls_client_channel(const struct tls_client *t, const char *host,
                                       const struct tls_carrier *carrier)
{
    SSL *ssl = tls_client_ssl(t, host);
    return ssl != NULL ? tls_channel_new(ssl, t->method, carrier) : NULL;
}
