/* One part, for fleet_queue.c, and the version behind it. */
#include "broker/fleet/publish/fleet_enqueue.h"

#include <stddef.h>
#include <string.h>

#include "broker/base/account.h"
#include "broker/fleet/exchange/fleet_parts.h"
#include "broker/fleet/log/fleet_version.h"
#include "broker/fleet/node/fleet.h"
#include "broker/fleet/publish/fleet_queue.h"
#include "broker/fleet/wire/fleet_keys.h"
#include "broker/message/kept_ids.h"

struct fleet_enqueue {
    struct fleet_version_wait wait; /* first */
    struct fleet_parts parts;
    unsigned run; /* of Redis, when it was gathered */
    store_done_fn *done;
    void *arg;
    struct store_queue_target target; /* its id and identifiers are these: */
    struct kept_ids ids;
    size_t size;
    char client[];
};

static void gather(struct fleet_enqueue *e);

static void enqueue_free(struct fleet_enqueue *e)
{
    kept_ids_drop(&e->ids, ACCOUNT_REQUESTS);
    account_delete(ACCOUNT_REQUESTS, e, e->size);
}

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
    if (e->parts.missed && e->parts.status == STORE_OK) {
        gather(e);
        return;
    }
    fleet_parts_begin(&e->parts);
    e->done(e->arg, e->parts.status);
    message_unref(e->parts.message);
    enqueue_free(e);
}

static void all_sent(struct fleet_parts *parts)
{
    struct fleet_enqueue *e =
        (struct fleet_enqueue *)((char *)parts - offsetof(struct fleet_enqueue, parts));
    e->wait.writes = true;
    fleet_version_check(parts->f, &e->wait, on_version);
}

/* At first, and again when Redis refused it for want of the call before it. */
static void gather(struct fleet_enqueue *e)
{
    uint64_t client = fleet_hash(e->target.client_id.data, e->target.client_id.len);
    fleet_parts_begin(&e->parts);
    e->run = e->parts.f->runs;
    fleet_parts_gathered(&e->parts); /* nothing is asked before it is gathered */
    fleet_queue_add(e->parts.f, &e->parts, e->parts.message, &e->target,
                    (struct fleet_queue_how){.is_value = true, .client = client});
    fleet_parts_issued(&e->parts);
}

/* With a copy of the target. NULL: out of memory. */
static struct fleet_enqueue *enqueue_new(const struct store_queue_target *target)
{
    size_t size = sizeof(struct fleet_enqueue) + target->client_id.len;
    struct fleet_enqueue *e = account_new(ACCOUNT_REQUESTS, size);
    if (e == NULL)
        return NULL;
    e->size = size;
    if (!kept_ids_take(&e->ids, target->ids, ACCOUNT_REQUESTS)) {
        enqueue_free(e);
        return NULL;
    }
    memcpy(e->client, target->client_id.data, target->client_id.len);
    e->target = *target;
    e->target.client_id = mqtt_slice_of(e->client, target->client_id.len);
    e->target.ids = kept_ids_all(&e->ids);
    return e;
}

void fleet_enqueue(struct fleet *f, struct message *m, const struct store_queue_target *target,
                   store_done_fn *done, void *arg)
{
    struct fleet_enqueue *e = f->state != FLEET_LEFT ? enqueue_new(target) : NULL;
    if (e == NULL) {
        fleet_defer(f, done, arg, STORE_UNAVAILABLE);
        return;
    }
    e->parts.f = f;
    e->parts.message = message_ref(m);
    e->parts.all_sent = all_sent;
    e->parts.never_held = true;
    e->done = done;
    e->arg = arg;
    gather(e);
}
