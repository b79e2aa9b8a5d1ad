/*
 * Used while a configuration is loaded, on the control thread; connections never come here.
 */
#include "common/tls/tls.h"

#include <openssl/err.h>
#include <stdio.h>
#include <string.h>

#include "common/tls/tls_clients.h"
#include "common/tls/tls_config.h"
#include "common/tls/tls_error.h"
#include "common/tls/tls_identity.h"
#include "common/tls/tls_tickets.h"

/* Forward secrecy and AEAD only; what devices of the last ten years speak. */
static const char ciphers_tls12[] = "ECDHE+AESGCM:ECDHE+CHACHA20";
/* AES-128 first: as strong as the rest of the handshake, and its SHA-256 is the cheaper one. */
static const char ciphers_tls13[] =
    "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";
/* X25519 first, also because OpenSSL 3.0 checks a peer's point on P-256 by another multiplication:
 * that exchange costs it 65 us more. Devices that only have P-256 are served all the same. */
static const char groups[] = "X25519:P-256:P-384";
static const char *const alpn_names[] = {[TLS_ALPN_MQTT] = "mqtt", [TLS_ALPN_HTTP] = "http/1.1"};

/* A client that says which protocols it speaks, and the listener's isn't among them, is told that by
 * an alert (RFC 7301, 3.2) rather than served something else. Most say nothing. `arg` is the name. */
static int select_alpn(SSL *ssl, const unsigned char **out, unsigned char *outlen,
                       const unsigned char *in, unsigned inlen, void *arg)
{
    const char *name = arg;
    size_t name_len = strlen(name);
    (void)ssl;
    for (unsigned at = 0; at < inlen && in[at] < inlen - at; at += 1u + in[at]) {
        if (in[at] != name_len || memcmp(in + at + 1, name, name_len) != 0)
            continue;
        *out = in + at + 1;
        *outlen = in[at];
        return SSL_TLSEXT_ERR_OK;
    }
    return SSL_TLSEXT_ERR_ALERT_FATAL;
}

static bool set_policy(SSL_CTX *ctx, const struct tls_config *config)
{
    int min = config->min_version == TLS_FROM_1_3 ? TLS1_3_VERSION : TLS1_2_VERSION;
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                 SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA |
                                 SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                              SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_max_early_data(ctx, 0);
    SSL_CTX_set_alpn_select_cb(ctx, select_alpn, (void *)alpn_names[config->alpn]);
    return SSL_CTX_set_min_proto_version(ctx, min) == 1 &&
           SSL_CTX_set_cipher_list(ctx, ciphers_tls12) == 1 &&
           SSL_CTX_set_ciphersuites(ctx, ciphers_tls13) == 1 &&
           SSL_CTX_set1_groups_list(ctx, groups) == 1;
}

static bool set_tickets(SSL_CTX *ctx, struct tls_tickets *tickets)
{
    if (tickets == NULL) {
        SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
        return SSL_CTX_set_num_tickets(ctx, 0) == 1;
    }
    return SSL_CTX_set_num_tickets(ctx, 1) == 1 && tls_tickets_install(tickets, ctx);
}

SSL_CTX *tls_context_new(const struct tls_config *config, struct tls_tickets *tickets,
                         const char *properties, char *err, size_t errlen)
{
    char reason[160];
    ERR_clear_error();
    SSL_CTX *ctx = SSL_CTX_new_ex(NULL, properties, TLS_server_method());
    if (ctx == NULL || !set_policy(ctx, config) || !set_tickets(ctx, tickets)) {
        snprintf(err, errlen, "TLS settings for certificate '%s': %s", config->certificate,
                 tls_error(reason, sizeof(reason)));
        SSL_CTX_free(ctx);
        return NULL;
    }
    if (!tls_identity_load(ctx, config, err, errlen) ||
        !tls_clients_load(ctx, config, err, errlen)) {
        SSL_CTX_free(ctx);
        return NULL;
    }
    return ctx;
}
