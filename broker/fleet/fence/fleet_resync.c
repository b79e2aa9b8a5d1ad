/* What Redis has of a durable session goes to the core; what it hasn't any more is taken from it. The
 * log may be behind: what it brings again afterwards ends at the same. */
#include "broker/fleet/fence/fleet_resync.h"

#include <stdlib.h>
#include <string.h>

#include "broker/fleet/fence/fleet_subscriptions.h"
#include "broker/fleet/log/fleet_epochs.h"
#include "broker/fleet/node/fleet.h"
#include "broker/fleet/wire/fleet_options.h"

/* What the core has of a session, and Redis hasn't (any more). */
struct stale {
    const struct store_subscription *subs; /* by filter */
    size_t count;
    struct fleet_bytes filters;
};

static int compare(const void *a, const void *b)
{
    const struct mqtt_slice *x = &((const struct store_subscription *)a)->filter;
    const struct mqtt_slice *y = &((const struct store_subscription *)b)->filter;
    size_t shorter = x->len < y->len ? x->len : y->len;
    int order = shorter > 0 ? memcmp(x->data, y->data, shorter) : 0;
    return order != 0 ? order : (x->len > y->len) - (x->len < y->len);
}

static void note_if_stale(void *arg, const struct store_subscription *sub)
{
    struct stale *stale = arg;
    if (stale->count == 0 || bsearch(sub, stale->subs, stale->count, sizeof(*sub), compare) == NULL)
        fleet_bytes_slice(&stale->filters, sub->filter);
}

static void drop_stale(struct fleet *f, struct mqtt_slice client,
                       const struct store_subscription *subs, size_t count)
{
    struct stale stale = {.subs = subs, .count = count};
    f->host.each_subscription(f->host.arg, client, note_if_stale, &stale);
    struct fleet_reader r = fleet_reader_of(stale.filters.data, stale.filters.len);
    while (fleet_reader_more(&r))
        f->host.durable_unsubscribed(f->host.arg, client, fleet_reader_slice(&r));
    fleet_bytes_fini(&stale.filters);
}

void fleet_resync_add(struct fleet *f, struct fleet_session_ref session, const redisReply *subs)
{
    for (size_t i = 1; i + 1 < subs->elements; i += 2) {
        struct store_subscription sub = {.filter = {.data = (const uint8_t *)subs->element[i]->str,
                                                    .len = (uint32_t)subs->element[i]->len}};
        fleet_options_read(subs->element[i + 1]->str, subs->element[i + 1]->len, &sub);
        f->host.durable_subscribed(f->host.arg, session.client, &sub);
    }
}

static bool may_take(struct fleet *f, struct fleet_session_ref session)
{
    /* Redis knows no such session: it ended, or was lost and its holder will assert it. */
    bool is_true = session.epoch != 0 ? fleet_session_is_new(f, session) : !fleet_may_be_lost(f);
    /* A session that is connected here is the core's own truth. */
    return is_true && f->host.hold_of(f->host.arg, session.client) == NULL;
}

static void take_whole(struct fleet *f, struct fleet_session_ref session,
                       const struct fleet_subscriptions *all)
{
    bool ok;
    struct store_subscription *list = fleet_subscriptions_list(all, &ok);
    if (list != NULL)
        qsort(list, all->count, sizeof(*list), compare);
    if (ok) /* else at the next reload */
        drop_stale(f, session.client, list, all->count);
    for (size_t i = 0; ok && i < all->count; i++)
        f->host.durable_subscribed(f->host.arg, session.client, &list[i]);
    free(list);
}

void fleet_resync_take(struct fleet *f, struct fleet_session_ref session, const redisReply *subs)
{
    struct fleet_subscriptions all = {0};
    if (!may_take(f, session))
        return;
    fleet_subscriptions_take(&all, subs, 1);
    take_whole(f, session, &all);
    fleet_subscriptions_fini(&all);
}

void fleet_resync_take_part(struct fleet *f, struct fleet_session_ref session,
                            const redisReply *subs, bool first)
{
    if (!may_take(f, session))
        return;
    if (first)
        f->host.durable_ended(f->host.arg, session.client);
    fleet_resync_add(f, session, subs);
}

/* ---- one session ----------------------------------------------------------------------------- */

struct resync {
    struct fleet *f;
    struct fleet_subscriptions subs;
    size_t len;
    char client[];
};

/* All at once: a publish in between would miss those that weren't there yet. */
static void on_session(void *arg, enum store_status status, uint64_t epoch)
{
    struct resync *s = arg;
    struct fleet_session_ref session = {
        .client = {.data = (const uint8_t *)s->client, .len = (uint32_t)s->len}, .epoch = epoch};
    if (status == STORE_OK && may_take(s->f, session))
        take_whole(s->f, session, &s->subs);
    fleet_subscriptions_fini(&s->subs);
    free(s);
}

void fleet_resync(struct fleet *f, const char *client_id, size_t len)
{
    struct resync *s = calloc(1, sizeof(*s) + len);
    if (s == NULL)
        return; /* at the next reload, then */
    s->f = f;
    s->len = len;
    memcpy(s->client, client_id, len);
    fleet_subscriptions_read(
        f, (struct mqtt_slice){.data = (const uint8_t *)s->client, .len = (uint32_t)len}, "0",
        &s->subs, on_session, s);
}
