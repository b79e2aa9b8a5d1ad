/*
 * HMAC (RFC 2104) and HKDF (RFC 5869) on the digests' own functions. OpenSSL calls these
 * deprecated, since they bypass its providers; that is the point here. They use the same assembly.
 */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "lb/tls/records/tls_hkdf.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <string.h>
#include <strings.h>

#define BLOCK_MAX SHA512_CBLOCK
#define LABEL_MAX 64 /* with its prefix; the longest of TLS 1.3 is 18 */
#define INFO_MAX (2 + 1 + LABEL_MAX + 1 + TLS_DIGEST_MAX)

/* A digest under way. */
union hash {
    SHA256_CTX sha256;
    SHA512_CTX sha384;
};

struct tls_digest {
    const char *names[2];
    size_t size;
    size_t block;
    int (*init)(union hash *h);
    int (*update)(union hash *h, const void *data, size_t len);
    int (*final)(uint8_t *out, union hash *h);
};

static int sha256_init(union hash *h)
{
    return SHA256_Init(&h->sha256);
}

static int sha256_update(union hash *h, const void *data, size_t len)
{
    return SHA256_Update(&h->sha256, data, len);
}

static int sha256_final(uint8_t *out, union hash *h)
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

static int sha384_final(uint8_t *out, union hash *h)
{
    return SHA384_Final(out, &h->sha384);
}

const struct tls_digest tls_sha256 = {
    .names = {"SHA2-256", "SHA256"},
    .size = SHA256_DIGEST_LENGTH,
    .block = SHA256_CBLOCK,
    .init = sha256_init,
    .update = sha256_update,
    .final = sha256_final,
};

const struct tls_digest tls_sha384 = {
    .names = {"SHA2-384", "SHA384"},
    .size = SHA384_DIGEST_LENGTH,
    .block = SHA512_CBLOCK,
    .init = sha384_init,
    .update = sha384_update,
    .final = sha384_final,
};

static bool is_named(const struct tls_digest *d, const char *name)
{
    return strcasecmp(name, d->names[0]) == 0 || strcasecmp(name, d->names[1]) == 0;
}

const struct tls_digest *tls_digest_find(const char *name)
{
    if (is_named(&tls_sha256, name))
        return &tls_sha256;
    return is_named(&tls_sha384, name) ? &tls_sha384 : NULL;
}

size_t tls_digest_size(const struct tls_digest *d)
{
    return d->size;
}

/* Starts a hash with a block of the key, each byte changed by `pad`. */
static void start_padded(const struct tls_digest *d, union hash *h, struct tls_bytes key,
                         uint8_t pad)
{
    uint8_t block[BLOCK_MAX];
    memset(block, pad, d->block);
    for (size_t i = 0; i < key.len; i++)
        block[i] ^= key.data[i];
    d->init(h);
    d->update(h, block, d->block);
    OPENSSL_cleanse(block, d->block);
}

/* HMAC of `text`. The key is at most a block, which holds for all secrets of TLS 1.3. */
static bool hmac(const struct tls_digest *d, struct tls_bytes key, struct tls_bytes text,
                 uint8_t *out)
{
    union hash h;
    uint8_t inner[TLS_DIGEST_MAX];
    if (key.len > d->block)
        return false;
    start_padded(d, &h, key, 0x36);
    d->update(&h, text.data, text.len);
    d->final(inner, &h);
    start_padded(d, &h, key, 0x5c);
    d->update(&h, inner, d->size);
    d->final(out, &h);
    OPENSSL_cleanse(&h, sizeof(h));
    OPENSSL_cleanse(inner, sizeof(inner));
    return true;
}

static size_t append(uint8_t *to, size_t at, struct tls_bytes b)
{
    if (b.len > 0)
        memcpy(to + at, b.data, b.len);
    return at + b.len;
}

bool tls_hkdf_expand_label(const struct tls_digest *d, struct tls_bytes secret,
                           struct tls_label label, struct tls_bytes context, uint8_t *out,
                           size_t len)
{
    uint8_t info[INFO_MAX + 1];
    uint8_t full[TLS_DIGEST_MAX];
    size_t label_len = label.prefix.len + label.name.len;
    size_t n = 0;
    if (len > d->size || label.prefix.len > LABEL_MAX || label_len > LABEL_MAX ||
        context.len > TLS_DIGEST_MAX)
        return false;
    info[n++] = 0;
    info[n++] = (uint8_t)len;
    info[n++] = (uint8_t)label_len;
    n = append(info, n, label.prefix);
    n = append(info, n, label.name);
    info[n++] = (uint8_t)context.len;
    n = append(info, n, context);
    info[n++] = 1; /* the number of the round; one has enough bytes */
    if (!hmac(d, secret, (struct tls_bytes){info, n}, full))
        return false;
    memcpy(out, full, len);
    OPENSSL_cleanse(full, sizeof(full));
    return true;
}

bool tls_hkdf_extract(const struct tls_digest *d, struct tls_bytes salt, struct tls_bytes input,
                      uint8_t *out)
{
    return hmac(d, salt, input, out);
}

void tls_digest_of_nothing(const struct tls_digest *d, uint8_t *out)
{
    union hash h;
    d->init(&h);
    d->final(out, &h);
}
