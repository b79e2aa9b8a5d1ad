/*
 * jwt_judge - whether what a token says would let its client in, if the signature is right: key, algorithm, time,
 * issuer, audience, user name.
 *
 * Rules, in this order; the first that fails is the verdict:
 * - the key: the one that `kid` names, or without `kid` the only one of the token's algorithm;
 * - `alg` is that key's algorithm;
 * - `exp` is there and not over, `nbf` is over, each by the leeway;
 * - `iss` is the configured one; `aud` is, or contains, the configured one;
 * - the user name's claim is a text that could be one in CONNECT; the CONNECT's own name, if it has
 *   one, is the same (unless any is allowed);
 * - the ACL claim, if it is there, is {"pub": [...], "sub": [...], "all": [...]}, each of them a list of topic
 *   filters and optional.
 *
 * Pure: the time is an argument. Checked before the signature, since it costs less; what comes of it is the same for
 * the client.
 */
#ifndef FLOTILLA_BROKER_AUTH_JWT_JWT_JUDGE_H
#define FLOTILLA_BROKER_AUTH_JWT_JWT_JUDGE_H

#include "broker/auth/jwt/jwt_token.h"

struct cJSON;
struct jwt_key;
struct jwt_keys;

struct jwt_finding {
    const struct jwt_key *key;
    const char *username;    /* the token's */
    uint64_t until_s;        /* `exp` and the leeway; seconds since 1970 */
    const struct cJSON *acl; /* the token's; NULL: none */
};

/* What a CONNECT says beside the token. */
struct jwt_asker {
    bool has_username;
    struct mqtt_slice username;
};

enum jwt_verdict jwt_judge(const struct jwt_keys *keys, const struct jwt_token *token,
                           const struct jwt_asker *asker, uint64_t now_s, struct jwt_finding *out);

/* Whether it is an ACL as above. */
bool jwt_acl_is_valid(const struct cJSON *acl);
/* Calls `allow` for each filter of a finding's ACL. False as soon as one call says so. */
enum jwt_use { JWT_USE_PUBLISH = 1, JWT_USE_SUBSCRIBE = 2 };
bool jwt_acl_each(const struct cJSON *acl,
                  bool (*allow)(void *arg, struct mqtt_slice filter, unsigned uses), void *arg);

#endif
