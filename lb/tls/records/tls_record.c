/*
 * The algorithms are fetched once for each worker: OpenSSL 3.0 looks them up by name at each use
 * otherwise. It does the cryptography, this is the framing around it.
 */
#include "lb/tls/records/tls_record.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>

#define LEGACY_VERSION 0x0303 /* 5.2: always, whatever was negotiated */
#define LABEL_PREFIX "tls13 "

static const struct suite {
    unsigned protocol_id;
    const char *cipher;
    const struct tls_digest *digest;
    size_t key_len;
} suites[TLS_SUITES] = {
    [TLS_SUITE_AES_128_GCM] = {0x1301, "AES-128-GCM", &tls_sha256, 16},
    [TLS_SUITE_AES_256_GCM] = {0x1302, "AES-256-GCM", &tls_sha384, 32},
    [TLS_SUITE_CHACHA20_POLY1305] = {0x1303, "ChaCha20-Poly1305", &tls_sha256, 32},
};

/* One cipher for one way. */
struct aead {
    EVP_CIPHER_CTX *ctx;
    uint64_t keyed_for; /* struct tls_keys' id, 0: none */
};

struct tls_crypt {
    struct aead sealers[TLS_SUITES], openers[TLS_SUITES];
    uint64_t last_id;
};

static bool aead_init(struct aead *a, const char *name, int sealing)
{
    EVP_CIPHER *cipher = EVP_CIPHER_fetch(NULL, name, NULL);
    a->ctx = EVP_CIPHER_CTX_new();
    bool ok = cipher != NULL && a->ctx != NULL &&
              EVP_CipherInit_ex2(a->ctx, cipher, NULL, NULL, sealing, NULL) == 1;
    EVP_CIPHER_free(cipher); /* the context has its own reference */
    return ok;
}

struct tls_crypt *tls_crypt_new(void)
{
    struct tls_crypt *c = calloc(1, sizeof(*c));
    if (c == NULL)
        return NULL;
    for (unsigned i = 0; i < TLS_SUITES; i++) {
        if (!aead_init(&c->sealers[i], suites[i].cipher, 1) ||
            !aead_init(&c->openers[i], suites[i].cipher, 0)) {
            tls_crypt_free(c);
            return NULL;
        }
    }
    return c;
}

void tls_crypt_free(struct tls_crypt *c)
{
    if (c == NULL)
        return;
    for (unsigned i = 0; i < TLS_SUITES; i++) {
        EVP_CIPHER_CTX_free(c->sealers[i].ctx);
        EVP_CIPHER_CTX_free(c->openers[i].ctx);
    }
    free(c);
}

bool tls_suite_find(unsigned protocol_id, enum tls_suite *suite)
{
    for (unsigned i = 0; i < TLS_SUITES; i++) {
        if (suites[i].protocol_id == protocol_id) {
            *suite = (enum tls_suite)i;
            return true;
        }
    }
    return false;
}

size_t tls_suite_secret_len(enum tls_suite suite)
{
    return tls_digest_size(suites[suite].digest);
}

/* HKDF-Expand-Label (7.1) of the secret, without a context. */
static bool expand(const struct tls_keys *k, const char *label, uint8_t *out, size_t len)
{
    const struct suite *suite = &suites[k->suite];
    struct tls_bytes secret = {k->secret, tls_digest_size(suite->digest)};
    struct tls_label full = {
        {(const uint8_t *)LABEL_PREFIX, strlen(LABEL_PREFIX)},
        {(const uint8_t *)label, strlen(label)},
    };
    return tls_hkdf_expand_label(suite->digest, secret, full, (struct tls_bytes){NULL, 0}, out,
                                 len);
}

/* Key and IV of the secret that is there (7.3). */
static bool derive(struct tls_crypt *c, struct tls_keys *k, uint64_t sequence)
{
    k->id = ++c->last_id;
    k->sequence = sequence;
    return expand(k, "key", k->key, suites[k->suite].key_len) &&
           expand(k, "iv", k->iv, sizeof(k->iv));
}

bool tls_keys_init(struct tls_crypt *c, struct tls_keys *k, enum tls_suite suite,
                   const uint8_t *secret, uint64_t sequence)
{
    k->suite = (uint8_t)suite;
    memcpy(k->secret, secret, tls_suite_secret_len(suite));
    return derive(c, k, sequence);
}

bool tls_keys_update(struct tls_crypt *c, struct tls_keys *k)
{
    return expand(k, "traffic upd", k->secret, tls_suite_secret_len(k->suite)) && derive(c, k, 0);
}

/* The cipher gets this record's nonce: the IV with the sequence number in its last bytes (5.3). */
static bool begin(struct aead *a, const struct tls_keys *k)
{
    uint8_t nonce[sizeof(k->iv)];
    memcpy(nonce, k->iv, sizeof(nonce));
    for (unsigned i = 0; i < 8; i++)
        nonce[sizeof(nonce) - 1 - i] ^= (uint8_t)(k->sequence >> (8 * i));
    const uint8_t *key = a->keyed_for == k->id ? NULL : k->key;
    a->keyed_for = 0;
    if (EVP_CipherInit_ex(a->ctx, NULL, NULL, key, nonce, -1) != 1)
        return false;
    a->keyed_for = k->id;
    return true;
}

static void write_header(uint8_t *wire, size_t len)
{
    wire[0] = SSL3_RT_APPLICATION_DATA;
    wire[1] = LEGACY_VERSION >> 8;
    wire[2] = LEGACY_VERSION & 0xff;
    wire[3] = (uint8_t)(len >> 8);
    wire[4] = (uint8_t)len;
}

size_t tls_record_seal(struct tls_crypt *c, struct tls_keys *k, uint8_t type, const uint8_t *data,
                       size_t len, uint8_t *wire)
{
    struct aead *a = &c->sealers[k->suite];
    uint8_t *body = wire + TLS_RECORD_HEADER;
    int n;
    write_header(wire, len + 1 + TLS_RECORD_TAG);
    /* The content type is sealed in a step of its own, so that the data isn't copied to be
     * followed by it. */
    if (!begin(a, k) || EVP_CipherUpdate(a->ctx, NULL, &n, wire, TLS_RECORD_HEADER) != 1 ||
        (len > 0 && EVP_CipherUpdate(a->ctx, body, &n, data, (int)len) != 1) ||
        EVP_CipherUpdate(a->ctx, body + len, &n, &type, 1) != 1 ||
        EVP_CipherFinal_ex(a->ctx, body + len + 1, &n) != 1 ||
        EVP_CIPHER_CTX_ctrl(a->ctx, EVP_CTRL_AEAD_GET_TAG, TLS_RECORD_TAG, body + len + 1) != 1)
        return 0;
    k->sequence++;
    return len + TLS_RECORD_OVERHEAD;
}

static bool decrypt(struct aead *a, const struct tls_keys *k, const uint8_t *wire, size_t len,
                    uint8_t *out)
{
    const uint8_t *body = wire + TLS_RECORD_HEADER;
    int n;
    return begin(a, k) && EVP_CipherUpdate(a->ctx, NULL, &n, wire, TLS_RECORD_HEADER) == 1 &&
           (len == 0 || EVP_CipherUpdate(a->ctx, out, &n, body, (int)len) == 1) &&
           EVP_CIPHER_CTX_ctrl(a->ctx, EVP_CTRL_AEAD_SET_TAG, TLS_RECORD_TAG,
                               (void *)(body + len)) == 1 &&
           EVP_CipherFinal_ex(a->ctx, out + len, &n) == 1;
}

static enum tls_record_verdict bad(struct tls_record *record, uint8_t alert)
{
    record->alert = alert;
    return TLS_RECORD_BAD;
}

enum tls_record_verdict tls_record_open(struct tls_crypt *c, struct tls_keys *k,
                                        const uint8_t *wire, size_t len, uint8_t *out,
                                        struct tls_record *record)
{
    if (len < TLS_RECORD_HEADER)
        return TLS_RECORD_PARTIAL;
    if (wire[0] != SSL3_RT_APPLICATION_DATA) /* nothing comes unprotected any more (5) */
        return bad(record, SSL_AD_UNEXPECTED_MESSAGE);
    if ((wire[1] << 8 | wire[2]) != LEGACY_VERSION)
        return bad(record, SSL_AD_DECODE_ERROR);
    size_t body = (size_t)wire[3] << 8 | wire[4];
    record->wire_len = TLS_RECORD_HEADER + body;
    if (record->wire_len > TLS_RECORD_MAX)
        return bad(record, SSL_AD_RECORD_OVERFLOW);
    if (body < TLS_RECORD_TAG)
        return bad(record, SSL_AD_BAD_RECORD_MAC);
    if (len < record->wire_len)
        return TLS_RECORD_PARTIAL;
    size_t n = body - TLS_RECORD_TAG;
    if (!decrypt(&c->openers[k->suite], k, wire, n, out)) {
        ERR_clear_error();
        return bad(record, SSL_AD_BAD_RECORD_MAC);
    }
    k->sequence++;
    if (n > TLS_RECORD_CONTENT_MAX + 1)
        return bad(record, SSL_AD_RECORD_OVERFLOW); /* 5.4: padding doesn't make room for more */
    while (n > 0 && out[n - 1] == 0)
        n--;
    if (n == 0) /* no content type (5.4) */
        return bad(record, SSL_AD_UNEXPECTED_MESSAGE);
    record->len = n - 1;
    record->type = out[n - 1];
    return TLS_RECORD_OK;
}
