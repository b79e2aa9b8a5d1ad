/* A walk along an array, which a source may interrupt. */
#include "broker/auth/sources/chain.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

static bool is_there(const struct source *s)
{
    return s->ops->is_there == NULL || s->ops->is_there(s);
}

struct source *chain_find(const struct chain *chain, enum source_kind kind)
{
    for (size_t i = 0; i < chain->count; i++)
        if (chain->sources[i]->kind == kind)
            return chain->sources[i];
    return NULL;
}

bool chain_knows_anybody(const struct chain *chain)
{
    for (size_t i = 0; i + 1 < chain->count; i++)
        if (is_there(chain->sources[i]))
            return true;
    return false;
}

/* ---- the copy of what was asked --------------------------------------------------------------- */

static void forget_text(struct chain_wait *w)
{
    if (w->text != NULL)
        OPENSSL_clear_free(w->text, w->text_size);
    w->text = NULL;
}

static struct mqtt_slice copy(uint8_t **at, struct mqtt_slice s)
{
    if (s.len > 0)
        memcpy(*at, s.data, s.len);
    struct mqtt_slice copied = {.data = *at, .len = s.len};
    *at += s.len;
    return copied;
}

/* False when out of memory. */
static bool keep_text(struct chain_wait *w, const struct source_request *r)
{
    size_t size = (size_t)r->username.len + r->password.len + r->client_id.len;
    if (w->text != NULL)
        return true; /* `r` is the copy */
    uint8_t *at = w->text = OPENSSL_malloc(size + 1);
    if (at == NULL)
        return false;
    w->text_size = size + 1;
    w->request = *r;
    w->request.username = copy(&at, r->username);
    w->request.password = copy(&at, r->password);
    w->request.client_id = copy(&at, r->client_id);
    if (r->peer != NULL) {
        w->peer = *r->peer;
        w->request.peer = &w->peer;
    }
    return true;
}

/* ---- the walk --------------------------------------------------------------------------------- */

static enum login_verdict verdict_of(struct chain_wait *w, enum source_answer answer)
{
    static const enum login_verdict verdicts[] = {[SOURCE_LATER] = LOGIN_PENDING,
                                                  [SOURCE_ADMIT] = LOGIN_OK,
                                                  [SOURCE_REFUSE] = LOGIN_BAD,
                                                  [SOURCE_DENY] = LOGIN_NOT_AUTHORIZED,
                                                  [SOURCE_NOT_MINE] = LOGIN_NOT_AUTHORIZED,
                                                  [SOURCE_BUSY] = LOGIN_BUSY};
    if (answer == SOURCE_ADMIT)
        w->source.grant.source = w->source.asked->kind;
    else if (answer != SOURCE_LATER)
        grant_fini(&w->source.grant);
    if (answer != SOURCE_LATER) {
        w->source.asked = NULL;
        forget_text(w);
    }
    return verdicts[answer];
}

/* Asks from `at` on until one doesn't say that it knows nothing. */
static enum source_answer walk(struct chain_wait *w, const struct source_request *r)
{
    enum source_answer answer = SOURCE_NOT_MINE;
    for (; w->at < w->chain->count; w->at++) {
        struct source *s = w->chain->sources[w->at];
        if (!is_there(s))
            continue;
        w->source.asked = s;
        answer = s->ops->ask(s, r, &w->source);
        if (answer != SOURCE_NOT_MINE)
            break;
    }
    bool goes_on = answer == SOURCE_LATER && w->at + 1 < w->chain->count;
    if (!goes_on || keep_text(w, r))
        return answer;
    w->source.asked->ops->cancel(w->source.asked, &w->source);
    return SOURCE_BUSY;
}

enum login_verdict chain_ask(const struct chain *chain, const struct source_request *r,
                             struct chain_wait *w)
{
    w->chain = chain;
    w->at = 0;
    w->text = NULL;
    return verdict_of(w, walk(w, r));
}

void source_answer(struct source_wait *wait, enum source_answer answer)
{
    struct chain_wait *w = (struct chain_wait *)(void *)wait;
    if (answer == SOURCE_NOT_MINE && w->text != NULL) {
        w->at++;
        answer = walk(w, &w->request);
    }
    enum login_verdict verdict = verdict_of(w, answer);
    if (verdict != LOGIN_PENDING)
        w->done(w->arg, verdict);
}

void chain_cancel(struct chain_wait *w)
{
    if (w->source.asked != NULL)
        w->source.asked->ops->cancel(w->source.asked, &w->source);
    w->source.asked = NULL;
    forget_text(w);
    grant_fini(&w->source.grant);
}
