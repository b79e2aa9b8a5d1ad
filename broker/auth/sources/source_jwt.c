/* Judged first, since that is cheap, and what it says becomes the grant; then the signature. */
#include "broker/auth/sources/source_jwt.h"

#include <string.h>

#include "broker/auth/jwt/jwt_judge.h"
#include "broker/auth/jwt/jwt_keys.h"
#include "broker/auth/jwt/jwt_signer.h"
#include "broker/auth/sources/grant_terms.h"
#include "broker/auth/sources/source_login.h"
#include "broker/base/account.h"
#include "common/base/clock.h"
#include "common/log/log.h"
#include "common/net/peer.h"

enum { SIGNATURE_COST = 64 }; /* iterations of PBKDF2: 90 µs */

/* ---- in a thread ------------------------------------------------------------------------------ */

static bool is_signed(void *secret, struct mqtt_slice token)
{
    return jwt_signer_signed(secret, token);
}

/* ---- in the loop's ---------------------------------------------------------------------------- */

static void release(void *secret)
{
    jwt_signer_free(secret);
}

static bool allow(void *arg, struct mqtt_slice filter, unsigned uses)
{
    unsigned granted = 0;
    if (uses & JWT_USE_PUBLISH)
        granted |= GRANT_PUBLISH;
    if (uses & JWT_USE_SUBSCRIBE)
        granted |= GRANT_SUBSCRIBE;
    return grant_terms_allow(arg, filter, granted);
}

static char *copy_name(const char *name)
{
    size_t size = strlen(name) + 1;
    char *copied = account_alloc(ACCOUNT_CLIENTS, size);
    if (copied != NULL)
        memcpy(copied, name, size);
    return copied;
}

static enum jwt_verdict make_grant(const struct jwt_finding *found, struct grant *out)
{
    out->username = copy_name(found->username);
    out->terms = grant_terms_new(found->until_s, found->acl != NULL);
    if (out->username == NULL || out->terms == NULL)
        return JWT_NO_MEMORY;
    return jwt_acl_each(found->acl, allow, out->terms) ? JWT_OK : JWT_BAD_ACL;
}

static enum source_answer refuse(struct source_jwt *j, const struct source_request *r,
                                 struct source_wait *wait, enum jwt_verdict why)
{
    char text[PEER_TEXT_MAX] = "";
    LOG_LIMITED(LOG_LEVEL_INFO, "token_refused",
                KV_BYTES("client_id", r->client_id.data, r->client_id.len),
                KV_STR("peer", r->peer != NULL ? peer_text(r->peer, text) : NULL),
                KV_STR("reason", jwt_verdict_names[why]));
    if (why == JWT_NO_MEMORY)
        return SOURCE_BUSY;
    struct login_request login = source_login_request(r);
    source_login_expect(wait);
    return source_login_answer(wait, login_refuse(j->logins, &login, false, &wait->login));
}

/* The name that is counted is nobody's until the signature is right: anybody can write any. */
static enum source_answer check_signature(struct source_jwt *j, const struct source_request *r,
                                          struct source_wait *wait, const struct jwt_key *key)
{
    struct login_request login = source_login_request(r);
    struct login_test test = {.stamp = jwt_key_stamp(key),
                              .cost = SIGNATURE_COST,
                              .matches = is_signed,
                              .release = release,
                              .secret = jwt_signer_of(key)};
    if (test.secret == NULL)
        return SOURCE_BUSY;
    login.username = mqtt_slice_of(wait->grant.username, strlen(wait->grant.username));
    source_login_expect(wait);
    return source_login_answer(wait, login_check_by(j->logins, &login, &test, &wait->login));
}

static enum source_answer ask(struct source *s, const struct source_request *r,
                              struct source_wait *wait)
{
    struct source_jwt *j = (struct source_jwt *)(void *)s;
    const struct jwt_asker asker = {.has_username = r->has_username, .username = r->username};
    struct jwt_token token;
    struct jwt_finding found = {0};
    if (!jwt_is_meant(r->password))
        return SOURCE_NOT_MINE;
    enum jwt_verdict verdict = jwt_token_read(r->password, &token);
    if (verdict == JWT_OK)
        verdict = jwt_judge(j->keys, &token, &asker, clock_realtime_ms() / 1000, &found);
    if (verdict == JWT_OK)
        verdict = make_grant(&found, &wait->grant);
    jwt_token_fini(&token);
    return verdict == JWT_OK ? check_signature(j, r, wait, found.key) : refuse(j, r, wait, verdict);
}

static bool is_there(const struct source *s)
{
    return ((const struct source_jwt *)(const void *)s)->keys != NULL;
}

/* Its end is enforced by the connection's timer. */
static bool still_admits(const struct source *s, struct mqtt_slice username, uint64_t stamp)
{
    (void)username;
    return jwt_keys_has_stamp(((const struct source_jwt *)(const void *)s)->keys, stamp);
}

void source_jwt_init(struct source_jwt *j)
{
    static const struct source_ops ops = {.ask = ask,
                                          .cancel = source_login_cancel,
                                          .is_there = is_there,
                                          .still_admits = still_admits};
    *j = (struct source_jwt){.source = {.kind = SOURCE_JWT, .ops = &ops}};
}
