/* Files into keys. Signatures: jwt_signer.c. */
#include "broker/auth/jwt/jwt_keys.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/sha.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker/auth/jwt/jwt_signer.h"
#include "broker/base/broker_config.h"
#include "common/process/regular_file.h"

enum {
    FILE_MAX_BYTES = 64 * 1024,
    SECRET_MIN_BYTES = 32, /* RFC 7518, 3.2: as long as the hash */
    RSA_MIN_BITS = 2048,
    RSA_MAX_BITS = 8192,
};

struct jwt_key {
    char *name;
    enum jwt_algorithm algorithm;
    EVP_PKEY *key;
    uint64_t stamp;
};

struct jwt_keys {
    struct jwt_rules rules;
    char *issuer, *audience, *username_claim, *acl_claim; /* of the rules */
    struct jwt_key *keys;
    size_t count;
};

static const char *const algorithms[] = {
    [JWT_HS256] = "HS256", [JWT_RS256] = "RS256", [JWT_ES256] = "ES256"};

/* ---- one key's file --------------------------------------------------------------------------- */

struct bytes {
    uint8_t data[FILE_MAX_BYTES + 1];
    size_t len;
};

/* What is wrong with the file; NULL: nothing. */
static const char *read_file(const char *path, struct bytes *out)
{
    const char *cause = "it can't be read";
    FILE *file = regular_file_open(path, &cause);
    if (file == NULL)
        return cause;
    out->len = fread(out->data, 1, sizeof(out->data), file);
    bool failed = ferror(file) != 0;
    fclose(file);
    if (failed)
        return "it can't be read";
    return out->len > FILE_MAX_BYTES ? "it is longer than 64 kB" : NULL;
}

/* An editor puts a line end behind a secret. */
static void cut_line_end(struct bytes *b)
{
    if (b->len > 0 && b->data[b->len - 1] == '\n')
        b->len--;
    if (b->len > 0 && b->data[b->len - 1] == '\r')
        b->len--;
}

/* A secret that is a public key would let everybody sign who has that key. */
static const char *make_secret(struct bytes *b, EVP_PKEY **out)
{
    static const char pem[] = "-----BEGIN";
    cut_line_end(b);
    if (memmem(b->data, b->len, pem, sizeof(pem) - 1) != NULL)
        return "expected a secret, and this is a PEM file: its algorithm is RS256 or ES256";
    if (b->len < SECRET_MIN_BYTES)
        return "expected a secret of at least 32 bytes";
    *out = EVP_PKEY_new_raw_private_key(EVP_PKEY_HMAC, NULL, b->data, b->len);
    return *out != NULL ? NULL : "OpenSSL doesn't take it";
}

static EVP_PKEY *read_pem(const struct bytes *b)
{
    BIO *bio = BIO_new_mem_buf(b->data, (int)b->len);
    EVP_PKEY *key = bio != NULL ? PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL) : NULL;
    BIO_free(bio);
    if (key != NULL)
        return key;
    bio = BIO_new_mem_buf(b->data, (int)b->len);
    X509 *certificate = bio != NULL ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
    BIO_free(bio);
    if (certificate != NULL)
        key = X509_get_pubkey(certificate);
    X509_free(certificate);
    ERR_clear_error(); /* of what it isn't */
    return key;
}

static bool is_p256(const EVP_PKEY *key)
{
    char group[32] = "";
    return EVP_PKEY_get_base_id(key) == EVP_PKEY_EC &&
           EVP_PKEY_get_group_name(key, group, sizeof(group), NULL) == 1 &&
           strcmp(group, "prime256v1") == 0;
}

static bool is_rsa(const EVP_PKEY *key)
{
    int bits = EVP_PKEY_get_bits(key);
    return EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA && bits >= RSA_MIN_BITS &&
           bits <= RSA_MAX_BITS;
}

static const char *make_public(const struct bytes *b, enum jwt_algorithm algorithm, EVP_PKEY **out)
{
    *out = read_pem(b);
    if (*out == NULL)
        return "expected a public key or a certificate in PEM";
    if (algorithm == JWT_RS256 && !is_rsa(*out))
        return "expected an RSA key of 2048 to 8192 bits";
    if (algorithm == JWT_ES256 && !is_p256(*out))
        return "expected a key on the curve P-256";
    return NULL;
}

/* ---- stamps ----------------------------------------------------------------------------------- */

/* With its length, so that no two lists of texts are the same bytes. */
static bool add_bytes(EVP_MD_CTX *ctx, const void *data, size_t len)
{
    return EVP_DigestUpdate(ctx, &len, sizeof(len)) == 1 && EVP_DigestUpdate(ctx, data, len) == 1;
}

static bool add_text(EVP_MD_CTX *ctx, const char *text)
{
    return text != NULL ? add_bytes(ctx, text, strlen(text) + 1) : add_bytes(ctx, "", 0);
}

static bool add_rules(EVP_MD_CTX *ctx, const struct jwt_rules *r)
{
    return add_text(ctx, r->issuer) && add_text(ctx, r->audience) &&
           add_text(ctx, r->username_claim) && add_text(ctx, r->acl_claim) &&
           add_bytes(ctx, &r->any_username, sizeof(r->any_username)) &&
           add_bytes(ctx, &r->leeway_s, sizeof(r->leeway_s));
}

/* Of the file's bytes: the same key written otherwise counts as another one, which does no harm. */
static bool make_stamp(struct jwt_key *key, const struct jwt_rules *rules, const struct bytes *b)
{
    uint8_t digest[EVP_MAX_MD_SIZE];
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool ok = ctx != NULL && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) == 1 &&
              add_text(ctx, key->name) && add_text(ctx, algorithms[key->algorithm]) &&
              add_bytes(ctx, b->data, b->len) && add_rules(ctx, rules) &&
              EVP_DigestFinal_ex(ctx, digest, NULL) == 1;
    EVP_MD_CTX_free(ctx);
    memcpy(&key->stamp, digest, sizeof(key->stamp));
    key->stamp |= 1;
    return ok;
}

/* ---- all of them ------------------------------------------------------------------------------ */

/* What is wrong with it; NULL: nothing. */
static const char *load_key(struct jwt_keys *k, struct jwt_key *key,
                            const struct jwt_key_config *config)
{
    struct bytes *b = calloc(1, sizeof(*b));
    key->name = strdup(config->name);
    key->algorithm = (enum jwt_algorithm)config->algorithm;
    if (b == NULL || key->name == NULL) {
        free(b);
        return "out of memory";
    }
    const char *problem = read_file(config->file, b);
    if (problem == NULL)
        problem = key->algorithm == JWT_HS256 ? make_secret(b, &key->key)
                                              : make_public(b, key->algorithm, &key->key);
    if (problem == NULL && !make_stamp(key, &k->rules, b))
        problem = "OpenSSL can't hash it";
    OPENSSL_cleanse(b, sizeof(*b));
    free(b);
    return problem;
}

/* An empty text is none. False when out of memory. */
static bool copy_text(const char *from, char **to)
{
    if (from == NULL || from[0] == '\0')
        return true;
    *to = strdup(from);
    return *to != NULL;
}

static bool copy_rules(struct jwt_keys *k, const struct jwt_config *config)
{
    bool ok = copy_text(config->issuer, &k->issuer) && copy_text(config->audience, &k->audience) &&
              copy_text(config->username_claim, &k->username_claim) &&
              copy_text(config->acl_claim, &k->acl_claim);
    k->rules =
        (struct jwt_rules){.issuer = k->issuer,
                           .audience = k->audience,
                           .username_claim = k->username_claim != NULL ? k->username_claim : "sub",
                           .acl_claim = k->acl_claim,
                           .any_username = config->username == JWT_USERNAME_ANY,
                           .leeway_s = config->leeway_ms / 1000};
    return ok;
}

struct jwt_keys *jwt_keys_load(const struct jwt_config *config, char *err, size_t errlen)
{
    const struct jwt_key_config *items = config->keys.items;
    struct jwt_keys *k = calloc(1, sizeof(*k));
    if (k != NULL)
        k->keys = calloc(config->keys.count + 1, sizeof(*k->keys));
    if (k == NULL || k->keys == NULL || !copy_rules(k, config)) {
        snprintf(err, errlen, "auth.jwt: out of memory");
        jwt_keys_free(k);
        return NULL;
    }
    for (; k->count < config->keys.count; k->count++) {
        const struct jwt_key_config *key = &items[k->count];
        const char *problem = load_key(k, &k->keys[k->count], key);
        if (problem == NULL)
            continue;
        snprintf(err, errlen, "auth.jwt.keys.%s: %s: %s", key->name, key->file, problem);
        k->count++; /* with what there is of it */
        jwt_keys_free(k);
        return NULL;
    }
    return k;
}

void jwt_keys_free(struct jwt_keys *k)
{
    if (k == NULL)
        return;
    for (size_t i = 0; i < k->count; i++) {
        free(k->keys[i].name);
        EVP_PKEY_free(k->keys[i].key);
    }
    free(k->keys);
    free(k->issuer);
    free(k->audience);
    free(k->username_claim);
    free(k->acl_claim);
    free(k);
}

/* ---- asking ----------------------------------------------------------------------------------- */

const struct jwt_rules *jwt_keys_rules(const struct jwt_keys *k)
{
    return &k->rules;
}

static const struct jwt_key *only_one(const struct jwt_keys *k, const char *algorithm)
{
    const struct jwt_key *found = NULL;
    for (size_t i = 0; i < k->count; i++) {
        if (strcmp(algorithms[k->keys[i].algorithm], algorithm) != 0)
            continue;
        if (found != NULL)
            return NULL;
        found = &k->keys[i];
    }
    return found;
}

const struct jwt_key *jwt_keys_find(const struct jwt_keys *k, const char *name,
                                    const char *algorithm)
{
    if (name == NULL)
        return only_one(k, algorithm);
    for (size_t i = 0; i < k->count; i++)
        if (strcmp(k->keys[i].name, name) == 0)
            return &k->keys[i];
    return NULL;
}

bool jwt_keys_has_stamp(const struct jwt_keys *k, uint64_t stamp)
{
    for (size_t i = 0; k != NULL && i < k->count; i++)
        if (k->keys[i].stamp == stamp)
            return true;
    return false;
}

const char *jwt_key_algorithm(const struct jwt_key *key)
{
    return algorithms[key->algorithm];
}

uint64_t jwt_key_stamp(const struct jwt_key *key)
{
    return key->stamp;
}

struct jwt_signer *jwt_signer_of(const struct jwt_key *key)
{
    return jwt_signer_new(key->key, key->algorithm);
}
