/*
 * OpenSSL's parameters come in, tls_hkdf.c does the work.
 */
#include "lb/tls/records/tls_kdf.h"

#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <stddef.h>
#include <string.h>

struct request {
    int mode;
    const struct tls_digest *digest;
    struct tls_bytes key, salt, data;
    struct tls_label label;
};

/* The step from one secret to the next: Derive-Secret(before, "derived", ""), then HKDF-Extract. */
static bool extract(const struct request *r, uint8_t *out, size_t len)
{
    static const uint8_t zeros[TLS_DIGEST_MAX];
    uint8_t salt[TLS_DIGEST_MAX];
    uint8_t empty[TLS_DIGEST_MAX];
    const struct tls_digest *d = r->digest;
    size_t size = tls_digest_size(d);
    struct tls_bytes input = r->key.data == NULL ? (struct tls_bytes){zeros, size} : r->key;
    if (len != size)
        return false;
    if (r->salt.data == NULL)
        return tls_hkdf_extract(d, (struct tls_bytes){zeros, 0}, input, out);
    tls_digest_of_nothing(d, empty);
    bool ok =
        tls_hkdf_expand_label(d, r->salt, r->label, (struct tls_bytes){empty, size}, salt, size) &&
        tls_hkdf_extract(d, (struct tls_bytes){salt, size}, input, out);
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
    {OSSL_KDF_PARAM_PREFIX, offsetof(struct request, label.prefix)},
    {OSSL_KDF_PARAM_LABEL, offsetof(struct request, label.name)},
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
        return p->data_type == OSSL_PARAM_UTF8_STRING &&
               (r->digest = tls_digest_find(p->data)) != NULL;
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        if (!is_named(p, fields[i].name))
            continue;
        if (p->data_type != OSSL_PARAM_OCTET_STRING)
            return false;
        if (p->data != NULL)
            *(struct tls_bytes *)((char *)r + fields[i].at) =
                (struct tls_bytes){p->data, p->data_size};
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
    const struct tls_bytes *name = &r->label.name;
    return name->len == strlen(label) && memcmp(name->data, label, name->len) == 0;
}

static void tell(const struct request *r, const unsigned char *secret, size_t len)
{
    if (told == NULL || len > TLS_DIGEST_MAX)
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
    static const uint8_t none[1];
    struct request r = {.mode = -1, .label = {{none, 0}, {none, 0}}, .data = {none, 0}};
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
        !tls_hkdf_expand_label(r.digest, r.key, r.label, r.data, out, outlen))
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
