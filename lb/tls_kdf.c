/*
 * HMAC (RFC 2104) and HKDF (RFC 5869) on the digests' own functions. OpenSSL calls these
 * deprecated, since they bypass its providers; that is the point here. They use the same assembly.
 */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "lb/tls_kdf.h"

#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/sha.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

#define DIGEST_MAX SHA384_DIGEST_LENGTH
#define BLOCK_MAX SHA512_CBLOCK
#define LABEL_MAX 64 /* with its prefix; the longest of TLS 1.3 is 18 */
#define INFO_MAX (2 + 1 + LABEL_MAX + 1 + DIGEST_MAX)

/* A digest under way. */
union hash {
    SHA256_CTX sha256;
    SHA512_CTX sha384;
};

struct digest {
    const char *names[2];
    size_t size;
    size_t block;
    int (*init)(union hash *h);
    int (*update)(union hash *h, const void *data, size_t len);
    int (*final)(unsigned char *out, union hash *h);
};

struct bytes {
    const unsigned char *data;
    size_t len;
};

struct request {
    int mode;
    const struct digest *digest;
    struct bytes key, salt, prefix, label, data;
};

static int sha256_init(union hash *h)
{
    return SHA256_Init(&h->sha256);
}

static int sha256_update(union hash *h, const void *data, size_t len)
{
    return SHA256_Update(&h->sha256, data, len);
}

static int sha256_final(unsigned char *out, union hash *h)
{
    return SHA256_Final(out, &h->sha256);
}

static int sha384_init(union hash *h)
{
    return SHA384_Init(&h->sha384);
}

static int sha384_update(union hash *h, const void *data, size_t len)
{
    return SHA384_Update(&h->sha384, data, len);
}

static int sha384_final(unsigned char *out, union hash *h)
{
    return SHA384_Final(out, &h->sha384);
}

static const struct digest digests[] = {
    {{"SHA2-256", "SHA256"},
     SHA256_DIGEST_LENGTH,
     SHA256_CBLOCK,
     sha256_init,
     sha256_update,
     sha256_final},
    {{"SHA2-384", "SHA384"},
     SHA384_DIGEST_LENGTH,
     SHA512_CBLOCK,
     sha384_init,
     sha384_update,
     sha384_final},
};

static const struct digest *digest_of(const char *name)
{
    for (size_t i = 0; i < sizeof(digests) / sizeof(digests[0]); i++) {
        const struct digest *d = &digests[i];
        if (strcasecmp(name, d->names[0]) == 0 || strcasecmp(name, d->names[1]) == 0)
            return d;
    }
    return NULL;
}

/* Starts a hash with a block of the key, each byte changed by `pad`. */
static void start_padded(const struct digest *d, union hash *h, const unsigned char *key,
                         size_t keylen, unsigned char pad)
{
    unsigned char block[BLOCK_MAX];
    memset(block, pad, d->block);
    for (size_t i = 0; i < keylen; i++)
        block[i] ^= key[i];
    d->init(h);
    d->update(h, block, d->block);
    OPENSSL_cleanse(block, d->block);
}

/* HMAC of `text`. The key is at most a block, which holds for all secrets of TLS 1.3. */
static bool hmac(const struct digest *d, struct bytes key, struct bytes text, unsigned char *out)
{
    union hash h;
    unsigned char inner[DIGEST_MAX];
    if (key.len > d->block)
        return false;
    start_padded(d, &h, key.data, key.len, 0x36);
    d->update(&h, text.data, text.len);
    d->final(inner, &h);
    start_padded(d, &h, key.data, key.len, 0x5c);
    d->update(&h, inner, d->size);
    d->final(out, &h);
    OPENSSL_cleanse(&h, sizeof(h));
    OPENSSL_cleanse(inner, sizeof(inner));
    return true;
}

/* HKDF-Expand-Label. Nothing in TLS 1.3 is longer than one digest, so one round suffices. */
static bool expand_label(const struct request *r, struct bytes secret, struct bytes context,
                         unsigned char *out, size_t outlen)
{
    unsigned char info[INFO_MAX + 1];
    unsigned char full[DIGEST_MAX];
    size_t label_len = r->prefix.len + r->label.len;
    size_t len = 0;
    if (outlen > r->digest->size || r->prefix.len > LABEL_MAX || label_len > LABEL_MAX ||
        context.len > DIGEST_MAX)
        return false;
    info[len++] = 0;
    info[len++] = (unsigned char)outlen;
    info[len++] = (unsigned char)label_len;
    memcpy(info + len, r->prefix.data, r->prefix.len);
    len += r->prefix.len;
    memcpy(info + len, r->label.data, r->label.len);
    len += r->label.len;
    info[len++] = (unsigned char)context.len;
    memcpy(info + len, context.data, context.len);
    len += context.len;
    info[len++] = 1; /* the number of the round, HKDF-Expand's */
    if (!hmac(r->digest, secret, (struct bytes){info, len}, full))
        return false;
    memcpy(out, full, outlen);
    OPENSSL_cleanse(full, sizeof(full));
    return true;
}

/* The step from one secret to the next: Derive-Secret(before, "derived", ""), then HKDF-Extract. */
static bool extract(const struct request *r, unsigned char *out, size_t outlen)
{
    static const unsigned char zeros[DIGEST_MAX];
    const struct digest *d = r->digest;
    unsigned char salt[DIGEST_MAX];
    unsigned char empty[DIGEST_MAX];
    union hash h;
    struct bytes input = r->key.data == NULL ? (struct bytes){zeros, d->size} : r->key;
    if (outlen != d->size)
        return false;
    if (r->salt.data == NULL)
        return hmac(d, (struct bytes){zeros, 0}, input, out);
    d->init(&h);
    d->final(empty, &h);
    bool ok = expand_label(r, r->salt, (struct bytes){empty, d->size}, salt, d->size) &&
              hmac(d, (struct bytes){salt, d->size}, input, out);
    OPENSSL_cleanse(salt, sizeof(salt));
    return ok;
}

/* Where a parameter's bytes go. */
static const struct field {
    const char *name;
    size_t at;
} fields[] = {
    {OSSL_KDF_PARAM_KEY, offsetof(struct request, key)},
    {OSSL_KDF_PARAM_SALT, offsetof(struct request, salt)},
    {OSSL_KDF_PARAM_PREFIX, offsetof(struct request, prefix)},
    {OSSL_KDF_PARAM_LABEL, offsetof(struct request, label)},
    {OSSL_KDF_PARAM_DATA, offsetof(struct request, data)},
};

static bool is_named(const OSSL_PARAM *p, const char *name)
{
    return p->key[0] == name[0] && strcmp(p->key, name) == 0;
}

/* False: of a wrong type, or a digest that isn't ours. What isn't known is ignored, as usual. */
static bool take(const OSSL_PARAM *p, struct request *r)
{
    if (is_named(p, OSSL_KDF_PARAM_MODE))
        return OSSL_PARAM_get_int(p, &r->mode) == 1;
    if (is_named(p, OSSL_KDF_PARAM_DIGEST))
        return p->data_type == OSSL_PARAM_UTF8_STRING && (r->digest = digest_of(p->data)) != NULL;
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        if (!is_named(p, fields[i].name))
            continue;
        if (p->data_type != OSSL_PARAM_OCTET_STRING)
            return false;
        if (p->data != NULL)
            *(struct bytes *)((char *)r + fields[i].at) = (struct bytes){p->data, p->data_size};
        return true;
    }
    return true;
}

/* The one variable of a thread: see tls_kdf_tell. */
static _Thread_local struct tls_kdf_secrets *told;

void tls_kdf_tell(struct tls_kdf_secrets *s)
{
    told = s;
}

static bool is_label(const struct request *r, const char *label)
{
    return r->label.len == strlen(label) && memcmp(r->label.data, label, r->label.len) == 0;
}

static void tell(const struct request *r, const unsigned char *secret, size_t len)
{
    if (told == NULL || len > TLS_KDF_SECRET_MAX)
        return;
    if (is_label(r, "c ap traffic")) {
        memcpy(told->client, secret, len);
        told->client_len = (uint8_t)len;
    } else if (is_label(r, "s ap traffic")) {
        memcpy(told->server, secret, len);
        told->server_len = (uint8_t)len;
    }
}

static int derive(void *context, unsigned char *out, size_t outlen, const OSSL_PARAM params[])
{
    static const unsigned char none[1];
    struct request r = {.mode = -1, .prefix = {none, 0}, .label = {none, 0}, .data = {none, 0}};
    (void)context;
    for (const OSSL_PARAM *p = params; p != NULL && p->key != NULL; p++) {
        if (!take(p, &r))
            return 0;
    }
    if (r.digest == NULL)
        return 0;
    if (r.mode == EVP_KDF_HKDF_MODE_EXTRACT_ONLY)
        return extract(&r, out, outlen);
    if (r.mode != EVP_KDF_HKDF_MODE_EXPAND_ONLY || r.key.data == NULL ||
        !expand_label(&r, r.key, r.data, out, outlen))
        return 0;
    tell(&r, out, outlen);
    return 1;
}

/* libssl hands all parameters over with the call, so a context is only a token. */
static void *new_context(void *provider)
{
    return provider;
}

static void free_context(void *context)
{
    (void)context;
}

static const OSSL_DISPATCH functions[] = {
    {OSSL_FUNC_KDF_NEWCTX, (void (*)(void))new_context},
    {OSSL_FUNC_KDF_FREECTX, (void (*)(void))free_context},
    {OSSL_FUNC_KDF_DERIVE, (void (*)(void))derive},
    {0, NULL},
};

const OSSL_ALGORITHM tls_kdf_algorithms[] = {
    {"TLS13-KDF", "provider=flotilla", functions, "key schedule of TLS 1.3"},
    {NULL, NULL, NULL, NULL},
};
