/*
 * jwt_bed - for tests: keys of each algorithm in files, and tokens signed with them.
 *
 *     struct jwt_bed *b = jwt_bed_new();
 *     char *token = jwt_bed_token(b, JWT_ES256, "{\"alg\":\"ES256\"}", "{\"sub\":\"bob\"}");
 *
 * b->config has the keys "secret" (HS256), "rsa" (RS256) and "ec" (ES256), and no other rules.
 */
#ifndef FLOTILLA_TESTS_UNIT_BROKER_AUTH_JWT_JWT_BED_H
#define FLOTILLA_TESTS_UNIT_BROKER_AUTH_JWT_JWT_BED_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>

#include "broker/base/broker_config.h"
#include "common/mqtt/mqtt.h"

#define JWT_BED_SECRET "a secret of at least 32 bytes, of which nobody knows"

enum { JWT_BED_KEYS = 3, JWT_BED_TOKEN = 80000 };

struct jwt_bed {
    EVP_PKEY *rsa, *ec;
    char files[JWT_BED_KEYS][32];
    struct jwt_key_config keys[JWT_BED_KEYS];
    struct jwt_config config;
};

static inline void jwt_bed_must(bool condition)
{
    if (!condition)
        abort();
}

static inline void jwt_bed_write(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    jwt_bed_must(f != NULL && fputs(text, f) >= 0 && fclose(f) == 0);
}

static inline void jwt_bed_write_public(const char *path, EVP_PKEY *key)
{
    FILE *f = fopen(path, "w");
    jwt_bed_must(f != NULL && PEM_write_PUBKEY(f, key) == 1 && fclose(f) == 0);
}

static inline struct jwt_bed *jwt_bed_new(void)
{
    static char names[JWT_BED_KEYS][8] = {"secret", "rsa", "ec"};
    struct jwt_bed *b = calloc(1, sizeof(*b));
    jwt_bed_must(b != NULL);
    b->rsa = EVP_RSA_gen(2048);
    b->ec = EVP_EC_gen("P-256");
    jwt_bed_must(b->rsa != NULL && b->ec != NULL);
    for (int i = 0; i < JWT_BED_KEYS; i++) {
        strcpy(b->files[i], "/tmp/flotilla-jwt-XXXXXX");
        int fd = mkstemp(b->files[i]);
        jwt_bed_must(fd >= 0);
        close(fd);
        b->keys[i] = (struct jwt_key_config){
            .name = names[i], .algorithm = JWT_HS256 + i, .file = b->files[i]};
    }
    jwt_bed_write(b->files[0], JWT_BED_SECRET "\n");
    jwt_bed_write_public(b->files[1], b->rsa);
    jwt_bed_write_public(b->files[2], b->ec);
    b->config.keys = (struct config_list){.items = b->keys, .count = JWT_BED_KEYS};
    b->config.acl_claim = (char *)(uintptr_t) "acl";
    return b;
}

static inline void jwt_bed_free(struct jwt_bed *b)
{
    EVP_PKEY_free(b->rsa);
    EVP_PKEY_free(b->ec);
    for (int i = 0; i < JWT_BED_KEYS; i++)
        unlink(b->files[i]);
    free(b);
}

/* Appends base64url. */
static inline void jwt_bed_encode(char *to, const void *bytes, size_t len)
{
    char *at = to + strlen(to);
    int n = EVP_EncodeBlock((unsigned char *)at, bytes, (int)len);
    for (int i = 0; i < n; i++) {
        if (at[i] == '+')
            at[i] = '-';
        else if (at[i] == '/')
            at[i] = '_';
        else if (at[i] == '=')
            at[i] = '\0';
    }
}

static inline size_t jwt_bed_hmac(const void *secret, size_t secret_len, const char *text,
                                  uint8_t *out)
{
    unsigned len = 0;
    jwt_bed_must(HMAC(EVP_sha256(), secret, (int)secret_len, (const uint8_t *)text, strlen(text),
                      out, &len) != NULL);
    return len;
}

static inline size_t jwt_bed_signature(EVP_PKEY *key, const char *text, uint8_t *out, size_t size)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    jwt_bed_must(ctx != NULL && EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, key) == 1 &&
                 EVP_DigestSign(ctx, out, &size, (const uint8_t *)text, strlen(text)) == 1);
    EVP_MD_CTX_free(ctx);
    return size;
}

/* From DER to two numbers. */
static inline size_t jwt_bed_raw(const uint8_t *der, size_t len, uint8_t *out)
{
    ECDSA_SIG *pair = d2i_ECDSA_SIG(NULL, &der, (long)len);
    jwt_bed_must(pair != NULL && BN_bn2binpad(ECDSA_SIG_get0_r(pair), out, 32) == 32 &&
                 BN_bn2binpad(ECDSA_SIG_get0_s(pair), out + 32, 32) == 32);
    ECDSA_SIG_free(pair);
    return 64;
}

/* Signed with the bed's key of that algorithm, whatever the header says. The caller frees it. */
static inline char *jwt_bed_token(const struct jwt_bed *b, enum jwt_algorithm algorithm,
                                  const char *header, const char *claims)
{
    char *token = calloc(1, JWT_BED_TOKEN);
    uint8_t made[512], raw[512];
    size_t len = 0;
    jwt_bed_must(token != NULL);
    jwt_bed_encode(token, header, strlen(header));
    strcat(token, ".");
    jwt_bed_encode(token, claims, strlen(claims));
    if (algorithm == JWT_HS256) {
        len = jwt_bed_hmac(JWT_BED_SECRET, strlen(JWT_BED_SECRET), token, raw);
    } else if (algorithm == JWT_RS256) {
        len = jwt_bed_signature(b->rsa, token, raw, sizeof(raw));
    } else {
        len = jwt_bed_signature(b->ec, token, made, sizeof(made));
        len = jwt_bed_raw(made, len, raw);
    }
    strcat(token, ".");
    jwt_bed_encode(token, raw, len);
    return token;
}

static inline struct mqtt_slice jwt_bed_slice(const char *text)
{
    return mqtt_slice_of(text, text != NULL ? strlen(text) : 0);
}

#endif
