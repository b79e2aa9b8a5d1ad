/* What Redis has of a durable session goes to the core; what it hasn't any more is taken from it. The
 * log may be behind: what it brings again afterwards ends at the same. */
#include "broker/fleet_resync.h"

#include <stdlib.h>
#include <string.h>

#include "broker/fleet.h"

/* What the core has of a session, and Redis hasn't (any more). */
struct stale {
    const redisReply *subs;
    struct fleet_bytes filters;
};

static void note_if_stale(void *arg, const struct store_subscription *sub)
{
    struct stale *stale = arg;

    for (size_t i = 1; i + 1 < stale->subs->elements; i += 2)
        if (stale->subs->element[i]->len == sub->filter.len &&
            memcmp(stale->subs->element[i]->str, sub->filter.data, sub->filter.len) == 0)
            return;
    fleet_bytes_slice(&stale->filters, sub->filter);
}

static void drop_stale(struct fleet *f, const char *id, size_t len, const redisReply *subs)
{
    struct stale stale = {.subs = subs};
    struct fleet_reader r;

    f->host.each_subscription(f->host.arg, id, len, note_if_stale, &stale);
    r = fleet_reader_of(stale.filters.data, stale.filters.len);
    while (fleet_reader_more(&r))
        f->host.durable_unsubscribed(f->host.arg, id, len, fleet_reader_slice(&r));
    fleet_bytes_fini(&stale.filters);
}

void fleet_resync_add(struct fleet *f, struct fleet_session_ref session, const redisReply *subs)
{
    for (size_t i = 1; i + 1 < subs->elements; i += 2) {
        struct store_subscription sub = {.filter = {.data = (const uint8_t *)subs->element[i]->str,
                                                    .len = (uint32_t)subs->element[i]->len}};

        fleet_options_read(subs->element[i + 1]->str, subs->element[i + 1]->len, &sub);
        f->host.durable_subscribed(f->host.arg, (const char *)session.client.data,
                                   session.client.len, &sub);
    }
}

static bool may_take(struct fleet *f, struct fleet_session_ref session)
{
    /* Redis knows no such session: it ended, or was lost and its holder will assert it. */
    bool is_true =
        session.epoch != 0 ? fleet_session_is_new(f, session) : f->now_ms >= f->lost_until_ms;

    /* A session that is connected here is the core's own truth. */
    return is_true && f->host.hold_of(f->host.arg, (const char *)session.client.data,
                                      session.client.len) == NULL;
}

void fleet_resync_take(struct fleet *f, struct fleet_session_ref session, const redisReply *subs)
{
    if (!may_take(f, session))
        return;
    drop_stale(f, (const char *)session.client.data, session.client.len, subs);
    fleet_resync_add(f, session, subs);
}

void fleet_resync_take_part(struct fleet *f, struct fleet_session_ref session,
                            const redisReply *subs, bool first)
{
    if (!may_take(f, session))
        return;
    if (first)
        f->host.durable_ended(f->host.arg, (const char *)session.client.data, session.client.len);
    fleet_resync_add(f, session, subs);
}

/* ---- one session ----------------------------------------------------------------------------- */

struct resync {
    struct fleet *f;
    size_t len;
    char client[];
};

static void on_session(void *arg, const redisReply *r)
{
    struct resync *s = arg;
    struct fleet_session_ref session = {
        .client = {.data = (const uint8_t *)s->client, .len = (uint32_t)s->len}};

    if (r != NULL && r->type == REDIS_REPLY_ARRAY && r->elements > 0) {
        session.epoch = strtoull(r->element[0]->str, NULL, 10);
        fleet_resync_take(s->f, session, r);
    }
    free(s);
}

void fleet_resync(struct fleet *f, const char *client_id, size_t len)
{
    struct fleet_key key =
        fleet_key_clients(&f->keys, fleet_client_bucket(&f->keys, client_id, len));
    struct resync *s = malloc(sizeof(*s) + len);

    if (s == NULL)
        return; /* at the next reload, then */
    s->f = f;
    s->len = len;
    memcpy(s->client, client_id, len);
    scripts_begin(&f->scripts, f->q, SCRIPT_SESSION, key.text, 1);
    redis_queue_arg(f->q, client_id, len);
    redis_queue_end(f->q, REDIS_REPLAY, on_session, s);
}
