/* Writes into the log what a dead node, or a lost reply, may have left out. Writing something twice
 * is harmless. */
#include "broker/fleet/log/fleet_reannounce.h"

#include <stdlib.h>
#include <string.h>

#include "broker/fleet/log/fleet_epochs.h"
#include "broker/fleet/node/fleet.h"
#include "broker/fleet/wire/fleet_options.h"

struct ended {
    struct fleet *f;
    uint64_t epoch;
    size_t len;
    char client[];
};

static void on_logged(void *arg, enum store_status status)
{
    struct ended *e = arg;
    struct fleet *f = e->f;
    if (status == STORE_OK) {
        struct fleet_key key =
            fleet_key_clients(&f->keys, fleet_client_bucket(&f->keys, e->client, e->len));
        scripts_begin(&f->scripts, f->q, SCRIPT_END_LOGGED, key.text, 2);
        redis_queue_arg(f->q, e->client, e->len);
        redis_queue_u64(f->q, e->epoch);
        redis_queue_end(f->q, REDIS_REPLAY, NULL, NULL);
    }
    free(e);
}

uint64_t fleet_session_ended(struct fleet *f, struct fleet_session_ref session)
{
    uint64_t entry = fleet_append_ended(f, session);
    struct ended *e = malloc(sizeof(*e) + session.client.len);
    if (e == NULL)
        return entry; /* announced again later, then */
    e->f = f;
    e->epoch = session.epoch;
    e->len = session.client.len;
    memcpy(e->client, session.client.data, session.client.len);
    fleet_append_wait(f, entry, on_logged, e);
    return entry;
}

static struct mqtt_slice slice_of(const redisReply *r)
{
    return (struct mqtt_slice){.data = (const uint8_t *)r->str, .len = (uint32_t)r->len};
}

/* {filter, options, ...} from its element `from` on. */
static void reannounce_subscriptions(struct fleet *f, struct fleet_session_ref session,
                                     const redisReply *subs, size_t from)
{
    bool news = fleet_session_is_new(f, session);
    for (size_t i = from; i + 1 < subs->elements; i += 2) {
        struct store_subscription sub = {.filter = slice_of(subs->element[i])};
        struct mqtt_slice options = slice_of(subs->element[i + 1]);
        fleet_append_subscribed(f, session, sub.filter, options);
        if (!news)
            continue;
        fleet_options_read(options.data, options.len, &sub);
        f->host.durable_subscribed(f->host.arg, session.client, &sub);
    }
}

void fleet_reannounce_subscriptions(struct fleet *f, struct fleet_session_ref session,
                                    const redisReply *subs)
{
    reannounce_subscriptions(f, session, subs, 0);
}

uint64_t fleet_reannounce_removals(struct fleet *f, struct fleet_session_ref session,
                                   const redisReply *filters)
{
    uint64_t entry = 0;
    for (size_t i = 0; i < filters->elements; i++) {
        struct mqtt_slice filter = slice_of(filters->element[i]);
        entry = fleet_append_unsubscribed(f, session, filter);
        if (fleet_session_is_new(f, session))
            f->host.durable_unsubscribed(f->host.arg, session.client, filter);
    }
    return entry;
}

void fleet_reannounce_end(struct fleet *f, struct fleet_session_ref session,
                          const redisReply *later)
{
    const char *epoch = later->elements > 0 ? later->element[0]->str : "";
    fleet_session_ended(f, session);
    if (fleet_session_is_new(f, session))
        f->host.durable_ended(f->host.arg, session.client);
    session.epoch = strtoull(epoch, NULL, 10);
    if (session.epoch != 0)
        reannounce_subscriptions(f, session, later, 1);
}

struct reannouncing {
    struct fleet *f;
    struct fleet_session_ref session;
};

static void reannounce_one(void *arg, const struct store_subscription *sub)
{
    struct reannouncing *t = arg;
    struct fleet_options o = fleet_options_write(sub);
    fleet_append_subscribed(t->f, t->session, sub->filter,
                            (struct mqtt_slice){.data = o.bytes, .len = (uint32_t)o.len});
}

bool fleet_reannounce_own(struct fleet *f, struct fleet_session_ref session)
{
    struct store_hold *hold = f->host.hold_of(f->host.arg, session.client);
    struct reannouncing t = {.f = f, .session = session};
    if (hold == NULL || !hold->durable || hold->epoch == 0 || hold->epoch < session.epoch)
        return false;
    t.session.epoch = hold->epoch;
    if (hold->store_data == NULL)
        return f->connect_ops->each_subscription(f, hold, reannounce_one, &t);
    f->host.each_subscription(f->host.arg, session.client, reannounce_one, &t);
    return true;
}
