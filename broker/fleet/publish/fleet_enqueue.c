/* One part, for fleet_queue.c, and the version behind it. */
#include "broker/fleet/publish/fleet_enqueue.h"

#include <stddef.h>

#include "broker/base/account.h"
#include "broker/fleet/exchange/fleet_parts.h"
#include "broker/fleet/log/fleet_version.h"
#include "broker/fleet/node/fleet.h"
#include "broker/fleet/publish/fleet_queue.h"
#include "broker/fleet/wire/fleet_keys.h"

struct fleet_enqueue {
    struct fleet_version_wait wait; /* first */
    struct fleet_parts parts;
    unsigned run; /* of Redis, when it was gathered */
    store_done_fn *done;
    void *arg;
};

/* `durability: replica`: another Redis took over before a replica had all of it. */
static bool may_be_lost(const struct fleet_enqueue *e)
{
    const struct fleet *f = e->parts.f;
    return f->cfg.durability == DURABILITY_REPLICA && e->run != f->runs;
}

static void on_version(struct fleet_version_wait *w, bool ok)
{
    struct fleet_enqueue *e = (struct fleet_enqueue *)w;
    if (!ok || may_be_lost(e))
        fleet_parts_failed(&e->parts, STORE_UNAVAILABLE);
    e->done(e->arg, e->parts.status);
    message_unref(e->parts.message);
    account_delete(ACCOUNT_REQUESTS, e, sizeof(*e));
}

static void all_sent(struct fleet_parts *parts)
{
    struct fleet_enqueue *e =
        (struct fleet_enqueue *)((char *)parts - offsetof(struct fleet_enqueue, parts));
    e->wait.writes = true;
    fleet_version_check(parts->f, &e->wait, on_version);
}

void fleet_enqueue(struct fleet *f, struct message *m, const struct store_queue_target *target,
                   store_done_fn *done, void *arg)
{
    struct fleet_enqueue *e =
        f->state != FLEET_LEFT ? account_new(ACCOUNT_REQUESTS, sizeof(*e)) : NULL;
    if (e == NULL) {
        fleet_defer(f, done, arg, STORE_UNAVAILABLE);
        return;
    }
    e->parts.f = f;
    e->parts.message = message_ref(m);
    e->parts.all_sent = all_sent;
    e->parts.never_held = true;
    e->run = f->runs;
    e->done = done;
    e->arg = arg;
    fleet_parts_gathered(&e->parts); /* nothing is asked before it is gathered */
    fleet_queue_add(
        f, &e->parts, m, target,
        (struct fleet_queue_how){
            .is_value = true, .client = fleet_hash(target->client_id.data, target->client_id.len)});
    fleet_parts_issued(&e->parts);
}
