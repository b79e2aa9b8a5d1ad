/*
 * Fuzzes what a CONNECT's password becomes when it is meant as a token: taken apart, judged, its signature
 * checked. The first byte chooses: even, the rest is the token; odd, the rest is header and claims in JSON,
 * with a zero byte between them, which are encoded and given a wrong signature.
 *
 * No token is signed by the key here, so none may be taken; what is judged to be good must say who it is and
 * until when.
 */
#include <openssl/evp.h>
#include <string.h>

#include "broker/auth/jwt/jwt_judge.h"
#include "broker/auth/jwt/jwt_keys.h"
#include "broker/auth/jwt/jwt_signer.h"
#include "broker/auth/sources/grant_terms.h"
#include "broker/base/broker_config.h"
#include "tests/fuzz/fuzz_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { NOW = 1000000, TEXT_MAX = 3 * JWT_TOKEN_MAX_BYTES };

static const char secret[] = "a secret of at least 32 bytes, of which nobody knows";

/* One key, a secret; what tokens must say is as little as may be. */
static const struct jwt_keys *keys(void)
{
    static struct jwt_keys *made;
    static char name[] = "k", acl[] = "acl";
    if (made != NULL)
        return made;
    const char *path = fuzz_file((const uint8_t *)secret, sizeof(secret) - 1);
    char file[64], err[256];
    snprintf(file, sizeof(file), "%s", path);
    struct jwt_key_config key = {.name = name, .algorithm = JWT_HS256, .file = file};
    struct jwt_config config = {
        .keys = {.items = &key, .count = 1}, .acl_claim = acl, .leeway_ms = 30000};
    made = jwt_keys_load(&config, err, sizeof(err));
    demand(made != NULL);
    return made;
}

static size_t encode(uint8_t *to, const uint8_t *bytes, size_t len)
{
    size_t n = (size_t)EVP_EncodeBlock(to, bytes, (int)len);
    for (size_t i = 0; i < n; i++) {
        if (to[i] == '+')
            to[i] = '-';
        else if (to[i] == '/')
            to[i] = '_';
    }
    while (n > 0 && to[n - 1] == '=')
        n--;
    return n;
}

/* A token of header and claims; its length, 0 when they are too long. */
static size_t make(uint8_t *to, const uint8_t *data, size_t size)
{
    const uint8_t *end = memchr(data, 0, size);
    size_t header = end != NULL ? (size_t)(end - data) : size;
    size_t claims = end != NULL ? size - header - 1 : 0;
    if (size > JWT_TOKEN_MAX_BYTES)
        return 0;
    size_t used = encode(to, data, header);
    to[used++] = '.';
    used += encode(to + used, data + size - claims, claims);
    memcpy(to + used, ".AAAA", 5);
    return used + 5;
}

static bool allow(void *arg, struct mqtt_slice filter, unsigned uses)
{
    demand(uses >= 1 && uses <= 3);
    return grant_terms_allow(arg, filter, uses);
}

static void look_at(const struct jwt_finding *found)
{
    demand(found->key != NULL && found->username[0] != '\0');
    demand(found->until_s > NOW);
    struct grant_terms *terms = grant_terms_new(found->until_s, found->acl != NULL);
    bool all = jwt_acl_each(found->acl, allow, terms);
    demand(all || grant_terms_bytes(terms) > GRANT_FILTERS_MAX);
    (void)grant_terms_cover(terms, mqtt_slice_of("a/b", 3), GRANT_PUBLISH);
    grant_terms_free(terms);
}

static void fuzz(struct mqtt_slice text)
{
    const struct jwt_asker asker = {0};
    struct jwt_token token;
    struct jwt_finding found;
    (void)jwt_is_meant(text);
    enum jwt_verdict verdict = jwt_token_read(text, &token);
    demand(verdict != JWT_OK || text.len <= JWT_TOKEN_MAX_BYTES);
    if (verdict == JWT_OK && jwt_judge(keys(), &token, &asker, NOW, &found) == JWT_OK) {
        look_at(&found);
        struct jwt_signer *s = jwt_signer_of(found.key);
        demand(s != NULL && !jwt_signer_signed(s, text));
        jwt_signer_free(s);
    }
    jwt_token_fini(&token);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t made[TEXT_MAX];
    if (size == 0)
        return 0;
    if ((data[0] & 1) == 0)
        fuzz(mqtt_slice_of(data + 1, size - 1));
    else
        fuzz(mqtt_slice_of(made, make(made, data + 1, size - 1)));
    return 0;
}
