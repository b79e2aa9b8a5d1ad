/* One function for each claim. */
#include "broker/auth/jwt/jwt_judge.h"

#include <cjson/cJSON.h>
#include <string.h>

#include "broker/auth/jwt/jwt_keys.h"

static const double SECONDS_MAX = 9007199254740992.0; /* beyond it a double isn't exact */

static const cJSON *claim_of(const struct jwt_token *t, const char *name)
{
    return cJSON_GetObjectItemCaseSensitive(t->claims, name);
}

static bool is_time(const cJSON *claim)
{
    return cJSON_IsNumber(claim) && claim->valuedouble >= 0 && claim->valuedouble < SECONDS_MAX;
}

/* ---- key and time ----------------------------------------------------------------------------- */

static enum jwt_verdict find_key(const struct jwt_keys *keys, const struct jwt_token *t,
                                 struct jwt_finding *out)
{
    out->key = jwt_keys_find(keys, t->key_name, t->algorithm);
    if (out->key == NULL)
        return JWT_UNKNOWN_KEY;
    return strcmp(jwt_key_algorithm(out->key), t->algorithm) == 0 ? JWT_OK : JWT_OTHER_ALGORITHM;
}

static enum jwt_verdict judge_time(const struct jwt_token *t, uint64_t leeway_s, uint64_t now_s,
                                   struct jwt_finding *out)
{
    const cJSON *exp = claim_of(t, "exp");
    const cJSON *nbf = claim_of(t, "nbf");
    if (!is_time(exp))
        return JWT_NO_EXPIRY;
    out->until_s = (uint64_t)exp->valuedouble + leeway_s;
    if (now_s >= out->until_s)
        return JWT_EXPIRED;
    if (nbf != NULL && (!is_time(nbf) || (uint64_t)nbf->valuedouble > now_s + leeway_s))
        return JWT_NOT_YET;
    return JWT_OK;
}

/* ---- issuer and audience ---------------------------------------------------------------------- */

static bool is_text(const cJSON *value, const char *text)
{
    return cJSON_IsString(value) && strcmp(value->valuestring, text) == 0;
}

static bool is_or_contains(const cJSON *value, const char *text)
{
    const cJSON *item;
    if (!cJSON_IsArray(value))
        return is_text(value, text);
    cJSON_ArrayForEach(item, value)
    {
        if (is_text(item, text))
            return true;
    }
    return false;
}

static enum jwt_verdict judge_parties(const struct jwt_token *t, const struct jwt_rules *rules)
{
    if (rules->issuer != NULL && !is_text(claim_of(t, "iss"), rules->issuer))
        return JWT_OTHER_ISSUER;
    if (rules->audience != NULL && !is_or_contains(claim_of(t, "aud"), rules->audience))
        return JWT_OTHER_AUDIENCE;
    return JWT_OK;
}

/* ---- the user name ---------------------------------------------------------------------------- */

static enum jwt_verdict judge_username(const struct jwt_token *t, const struct jwt_rules *rules,
                                       const struct jwt_asker *asker, struct jwt_finding *out)
{
    const cJSON *claim = claim_of(t, rules->username_claim);
    size_t len = cJSON_IsString(claim) ? strlen(claim->valuestring) : 0;
    if (len == 0 || len > UINT16_MAX || !mqtt_utf8_valid((const uint8_t *)claim->valuestring, len))
        return JWT_NO_USERNAME;
    out->username = claim->valuestring;
    bool same =
        asker->username.len == len && memcmp(asker->username.data, claim->valuestring, len) == 0;
    return !asker->has_username || rules->any_username || same ? JWT_OK : JWT_OTHER_USERNAME;
}

/* ---- rights ----------------------------------------------------------------------------------- */

/* 0: no such list. */
static unsigned uses_of(const char *name)
{
    if (strcmp(name, "pub") == 0)
        return JWT_USE_PUBLISH;
    if (strcmp(name, "sub") == 0)
        return JWT_USE_SUBSCRIBE;
    return strcmp(name, "all") == 0 ? JWT_USE_PUBLISH | JWT_USE_SUBSCRIBE : 0;
}

static bool is_list_of_filters(const cJSON *list)
{
    const cJSON *item;
    if (!cJSON_IsArray(list))
        return false;
    cJSON_ArrayForEach(item, list)
    {
        if (!cJSON_IsString(item) ||
            !mqtt_topic_filter_valid((const uint8_t *)item->valuestring, strlen(item->valuestring)))
            return false;
    }
    return true;
}

/* Each list at most once: a second one would have to take away, or to add. */
bool jwt_acl_is_valid(const struct cJSON *acl)
{
    const cJSON *list;
    unsigned seen = 0;
    if (!cJSON_IsObject(acl))
        return false;
    cJSON_ArrayForEach(list, acl)
    {
        unsigned uses = uses_of(list->string);
        if (uses == 0 || (seen & 1u << uses) != 0 || !is_list_of_filters(list))
            return false;
        seen |= 1u << uses;
    }
    return true;
}

static enum jwt_verdict judge_acl(const struct jwt_token *t, const struct jwt_rules *rules,
                                  struct jwt_finding *out)
{
    const cJSON *acl = rules->acl_claim != NULL ? claim_of(t, rules->acl_claim) : NULL;
    if (acl == NULL)
        return JWT_OK;
    out->acl = acl;
    return jwt_acl_is_valid(acl) ? JWT_OK : JWT_BAD_ACL;
}

static bool each_of_list(const cJSON *list,
                         bool (*allow)(void *arg, struct mqtt_slice filter, unsigned uses),
                         void *arg)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, list)
    {
        struct mqtt_slice filter = mqtt_slice_of(item->valuestring, strlen(item->valuestring));
        if (!allow(arg, filter, uses_of(list->string)))
            return false;
    }
    return true;
}

bool jwt_acl_each(const struct cJSON *acl,
                  bool (*allow)(void *arg, struct mqtt_slice filter, unsigned uses), void *arg)
{
    const cJSON *list;
    cJSON_ArrayForEach(list, acl)
    {
        if (!each_of_list(list, allow, arg))
            return false;
    }
    return true;
}

/* ---- all -------------------------------------------------------------------------------------- */

enum jwt_verdict jwt_judge(const struct jwt_keys *keys, const struct jwt_token *token,
                           const struct jwt_asker *asker, uint64_t now_s, struct jwt_finding *out)
{
    const struct jwt_rules *rules = jwt_keys_rules(keys);
    *out = (struct jwt_finding){0};
    enum jwt_verdict verdict = find_key(keys, token, out);
    if (verdict == JWT_OK)
        verdict = judge_time(token, rules->leeway_s, now_s, out);
    if (verdict == JWT_OK)
        verdict = judge_parties(token, rules);
    if (verdict == JWT_OK)
        verdict = judge_username(token, rules, asker, out);
    if (verdict == JWT_OK)
        verdict = judge_acl(token, rules, out);
    return verdict;
}
