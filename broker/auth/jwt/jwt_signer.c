/* OpenSSL's keys, and the form in which tokens have signatures. */
#include "broker/auth/jwt/jwt_signer.h"

#include <openssl/crypto.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <stdlib.h>

#include "broker/auth/jwt/jwt_base64.h"
#include "broker/auth/jwt/jwt_token.h"

enum { HMAC_BYTES = 32, P256_BYTES = 32, P256_DER_MAX_BYTES = 72 };

struct jwt_signer {
    EVP_PKEY *key;
    enum jwt_algorithm algorithm;
};

struct jwt_signer *jwt_signer_new(struct evp_pkey_st *key, enum jwt_algorithm algorithm)
{
    struct jwt_signer *s = calloc(1, sizeof(*s));
    if (s == NULL)
        return NULL;
    if (EVP_PKEY_up_ref(key) != 1) {
        free(s);
        return NULL;
    }
    s->key = key;
    s->algorithm = algorithm;
    return s;
}

void jwt_signer_free(struct jwt_signer *s)
{
    if (s == NULL)
        return;
    EVP_PKEY_free(s->key);
    free(s);
}

static bool has_hmac(const struct jwt_signer *s, struct mqtt_slice text, const uint8_t *signature,
                     size_t len)
{
    uint8_t right[EVP_MAX_MD_SIZE];
    size_t right_len = sizeof(right);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool made = ctx != NULL && EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, s->key) == 1 &&
                EVP_DigestSign(ctx, right, &right_len, text.data, text.len) == 1;
    EVP_MD_CTX_free(ctx);
    bool same = made && len == HMAC_BYTES && right_len == HMAC_BYTES &&
                CRYPTO_memcmp(right, signature, HMAC_BYTES) == 0;
    OPENSSL_cleanse(right, sizeof(right));
    return same;
}

static bool is_verified(const struct jwt_signer *s, struct mqtt_slice text,
                        const uint8_t *signature, size_t len)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool ok = ctx != NULL && EVP_DigestVerifyInit(ctx, NULL, EVP_sha256(), NULL, s->key) == 1 &&
              EVP_DigestVerify(ctx, signature, len, text.data, text.len) == 1;
    EVP_MD_CTX_free(ctx);
    return ok;
}

/* RFC 7518, 3.4: both numbers, of 32 bytes each. OpenSSL wants them in DER. */
static size_t make_der(const uint8_t *signature, uint8_t *out)
{
    ECDSA_SIG *pair = ECDSA_SIG_new();
    BIGNUM *r = BN_bin2bn(signature, P256_BYTES, NULL);
    BIGNUM *s = BN_bin2bn(signature + P256_BYTES, P256_BYTES, NULL);
    int len = -1;
    if (pair != NULL && r != NULL && s != NULL && ECDSA_SIG_set0(pair, r, s) == 1) {
        r = NULL; /* the pair's */
        s = NULL;
        len = i2d_ECDSA_SIG(pair, &out);
    }
    BN_free(r);
    BN_free(s);
    ECDSA_SIG_free(pair);
    return len > 0 ? (size_t)len : 0;
}

static bool is_ecdsa(const struct jwt_signer *s, struct mqtt_slice text, const uint8_t *signature,
                     size_t len)
{
    uint8_t der[P256_DER_MAX_BYTES];
    if (len != 2 * (size_t)P256_BYTES)
        return false;
    size_t der_len = make_der(signature, der);
    return der_len > 0 && is_verified(s, text, der, der_len);
}

bool jwt_signer_signed(const struct jwt_signer *s, struct mqtt_slice token)
{
    struct jwt_parts parts;
    uint8_t signature[JWT_SIGNATURE_MAX_BYTES];
    size_t len;
    bool ok = false;
    if (!jwt_split(token, &parts) || !jwt_base64_read(parts.signature.data, parts.signature.len,
                                                      signature, sizeof(signature), &len))
        return false;
    switch (s->algorithm) {
    case JWT_HS256:
        ok = has_hmac(s, parts.signed_text, signature, len);
        break;
    case JWT_RS256:
        ok = is_verified(s, parts.signed_text, signature, len);
        break;
    case JWT_ES256:
        ok = is_ecdsa(s, parts.signed_text, signature, len);
        break;
    }
    ERR_clear_error(); /* this thread's list of errors grows with each forged one */
    return ok;
}
