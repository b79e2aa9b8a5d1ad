/* A question may be answered after its asker is gone: then it is cancelled with it. */
#include "broker/auth/sources/source_http.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#include "broker/auth/http/http_memory.h"
#include "broker/auth/http/http_question.h"
#include "broker/auth/jwt/jwt_judge.h"
#include "broker/auth/sources/grant_terms.h"
#include "broker/auth/sources/source_login.h"
#include "broker/base/broker_config.h"
#include "common/base/clock.h"
#include "common/base/hash.h"
#include "common/http/http_client.h"
#include "common/log/log.h"
#include "common/net/peer.h"

enum { ANSWER_MAX = 64 * 1024, NAME_MAX_BYTES = 256 };

/* One question. Of the name only as much is kept as failures are counted by. */
struct asking {
    struct source_http *source;
    struct source_wait *wait;
    struct http_request *request;
    struct http_proof proof;
    bool is_proved, has_peer, has_password;
    struct peer peer;
    uint8_t name[NAME_MAX_BYTES];
    uint32_t name_len;
};

static void end(struct asking *a)
{
    a->wait->pending = NULL;
    free(a);
}

/* ---- what an answer means -------------------------------------------------------------------- */

static enum source_answer fail(struct source_http *h, const char *why)
{
    h->stats.failed++;
    LOG_LIMITED(LOG_LEVEL_ERROR, "auth_service_failed", KV_STR("url", h->config->url),
                KV_STR("err", why));
    return h->config->on_failure == HTTP_FAILURE_IGNORE ? SOURCE_NOT_MINE : SOURCE_BUSY;
}

static enum source_answer refuse(struct source_http *h, const struct login_request *r,
                                 struct source_wait *wait)
{
    h->stats.denied++;
    source_login_expect(wait);
    return source_login_answer(wait, login_refuse(h->logins, r, false, &wait->login));
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

static enum source_answer admit(struct source_http *h, const struct http_finding *found,
                                struct source_wait *wait)
{
    wait->grant.stamp = h->stamp;
    if (found->acl != NULL || found->until_s > 0) {
        wait->grant.terms = grant_terms_new(found->until_s, found->acl != NULL);
        if (wait->grant.terms == NULL)
            return SOURCE_BUSY;
        if (found->acl != NULL && !jwt_acl_each(found->acl, allow, wait->grant.terms)) {
            grant_fini(&wait->grant);
            return fail(h, "too many topic filters in acl");
        }
    }
    h->stats.allowed++;
    return SOURCE_ADMIT;
}

static enum source_answer judge(struct source_http *h, const struct http_answer *answer,
                                const struct login_request *r, struct source_wait *wait,
                                bool *allowed)
{
    struct http_finding found;
    const char *why;
    enum source_answer verdict = SOURCE_NOT_MINE;
    switch (http_question_answered(answer, &found, &why)) {
    case HTTP_ALLOWS:
        verdict = admit(h, &found, wait);
        break;
    case HTTP_DENIES:
        verdict = refuse(h, r, wait);
        break;
    case HTTP_IGNORES:
        h->stats.ignored++;
        break;
    case HTTP_FAILED:
        verdict = fail(h, why);
        break;
    }
    *allowed = verdict == SOURCE_ADMIT;
    http_finding_fini(&found);
    return verdict;
}

/* ---- asking ---------------------------------------------------------------------------------- */

static void on_answer(void *arg, const struct http_answer *answer)
{
    struct asking *a = arg;
    struct source_http *h = a->source;
    struct source_wait *wait = a->wait;
    /* The password isn't kept; what stands for it is as good for counting. */
    const struct login_request login = {
        .username = mqtt_slice_of(a->name, a->name_len),
        .password = mqtt_slice_of(a->proof.bytes, a->has_password ? HTTP_PROOF_BYTES : 0),
        .source = a->has_peer ? &a->peer : NULL};
    bool allowed;
    enum source_answer verdict = judge(h, answer, &login, wait, &allowed);
    if (allowed && a->is_proved)
        http_memory_note(h->memory, &a->proof, answer, clock_monotonic_ms());
    end(a);
    if (verdict != SOURCE_LATER)
        source_answer(wait, verdict);
}

static struct http_login http_login_of(const struct source_request *r)
{
    return (struct http_login){.has_username = r->has_username,
                               .has_password = r->password.data != NULL,
                               .username = r->username,
                               .password = r->password,
                               .client_id = r->client_id,
                               .peer = r->peer};
}

static enum source_answer post(struct source_http *h, const struct source_request *r,
                               struct asking *a)
{
    size_t len;
    struct http_login login = http_login_of(r);
    char *question = http_question_make(&login, &len);
    if (question == NULL)
        return fail(h, "a name or password that isn't UTF-8, or no memory");
    a->request = http_client_post(h->client, h->config->url, question, len, on_answer, a);
    OPENSSL_clear_free(question, len);
    h->stats.asked++;
    return a->request != NULL
               ? SOURCE_LATER
               : fail(h, "too many questions are under way (auth.http.max_requests)");
}

static void keep_asker(struct asking *a, const struct source_request *r)
{
    a->name_len = r->username.len < NAME_MAX_BYTES ? r->username.len : NAME_MAX_BYTES;
    if (a->name_len > 0)
        memcpy(a->name, r->username.data, a->name_len);
    a->has_password = r->password.len > 0;
    a->has_peer = r->peer != NULL;
    if (a->has_peer)
        a->peer = *r->peer;
}

static enum source_answer ask(struct source *s, const struct source_request *r,
                              struct source_wait *wait)
{
    struct source_http *h = (struct source_http *)(void *)s;
    struct login_request login = source_login_request(r);
    struct http_login asked = http_login_of(r);
    struct http_answer known;
    struct http_proof proof;
    bool allowed;
    bool is_proved = http_memory_prove(h->memory, &asked, &proof);
    if (is_proved &&
        http_memory_ask(h->memory, &proof, h->config->remember_ms, clock_monotonic_ms(), &known)) {
        h->stats.remembered++;
        return judge(h, &known, &login, wait, &allowed);
    }
    struct asking *a = calloc(1, sizeof(*a));
    if (a == NULL)
        return SOURCE_BUSY;
    *a = (struct asking){.source = h, .wait = wait, .proof = proof, .is_proved = is_proved};
    keep_asker(a, r);
    wait->pending = a;
    enum source_answer answer = post(h, r, a);
    if (answer != SOURCE_LATER)
        end(a);
    return answer;
}

/* It waits for the service, or for the time after which it is refused. */
static void cancel(struct source *s, struct source_wait *wait)
{
    struct asking *a = wait->pending;
    if (a == NULL) {
        source_login_cancel(s, wait);
        return;
    }
    http_request_cancel(a->request);
    end(a);
}

static bool is_there(const struct source *s)
{
    return ((const struct source_http *)(const void *)s)->client != NULL;
}

bool source_http_changed(struct source_http *h)
{
    return h->client == NULL || http_client_set_authorization(h->client, h->config->authorization);
}

/* The service isn't asked again; `expire_at` ends what it let in. */
static bool still_admits(const struct source *s, struct mqtt_slice username, uint64_t stamp)
{
    (void)username;
    return is_there(s) && ((const struct source_http *)(const void *)s)->stamp == stamp;
}

/* ---- the configuration ----------------------------------------------------------------------- */

void source_http_init(struct source_http *h, struct event_base *base)
{
    static const struct source_ops ops = {
        .ask = ask, .cancel = cancel, .is_there = is_there, .still_admits = still_admits};
    *h = (struct source_http){.source = {.kind = SOURCE_HTTP, .ops = &ops}, .base = base};
}

static bool has_url(const struct http_auth_config *c)
{
    return c->url != NULL && c->url[0] != '\0';
}

bool source_http_set(struct source_http *h, const struct http_auth_config *config,
                     struct logins *logins)
{
    const struct http_client_config client = {.max_requests = config->max_requests,
                                              .max_answer = ANSWER_MAX,
                                              .timeout_ms = config->timeout_ms,
                                              .ca_file = config->ca_file,
                                              .authorization = config->authorization};
    if (h->memory == NULL && has_url(config) && (h->memory = http_memory_new()) == NULL)
        return false;
    if (h->client == NULL && has_url(config) &&
        (h->client = http_client_new(h->base, &client)) == NULL)
        return false;
    h->config = config;
    h->logins = logins;
    if (has_url(config))
        h->stamp = hash_bytes(1, config->url, strlen(config->url)) | 1;
    return true;
}

void source_http_fini(struct source_http *h)
{
    http_client_free(h->client);
    http_memory_free(h->memory);
    h->client = NULL;
    h->memory = NULL;
}
