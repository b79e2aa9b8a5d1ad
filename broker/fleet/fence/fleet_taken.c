/* A table of what was taken, for as long as it is applied. The modules that write for clients make
 * their own parts void: each knows its commands. */
#include "broker/fleet/fence/fleet_taken.h"

#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "broker/fleet/connect/fleet_connect.h"
#include "broker/fleet/exchange/fleet_outbox.h"
#include "broker/fleet/hold/fleet_hold.h"
#include "broker/fleet/node/fleet.h"
#include "broker/fleet/publish/fleet_publish.h"
#include "broker/fleet/publish/fleet_queue.h"
#include "broker/fleet/publish/fleet_retained.h"
#include "broker/fleet/session/fleet_deliver.h"
#include "broker/fleet/session/fleet_disconnect.h"
#include "broker/fleet/wire/fleet_bytes.h"
#include "common/base/timebox.h"
#include "common/log/log.h"

enum { CLOSE_US = 8 }; /* about what a connection's end costs */

struct fleet_taken {
    UT_hash_handle hh;
    struct fleet_behalf behalf; /* epoch: up to this one */
    size_t len;
    char client[];
};

static struct fleet_taken *find(const struct fleet *f, uint64_t client)
{
    struct fleet_taken *t = NULL;

    HASH_FIND(hh, f->taken, &client, sizeof(client), t);
    return t;
}

void fleet_taken_add(struct fleet *f, const char *client_id, size_t len, uint64_t epoch)
{
    struct fleet_behalf behalf = fleet_behalf_of(f, client_id, len, epoch);
    struct fleet_taken *t = find(f, behalf.client);

    if (t != NULL) {
        t->behalf.epoch = epoch > t->behalf.epoch ? epoch : t->behalf.epoch;
        return;
    }
    t = calloc(1, sizeof(*t) + len);
    if (t == NULL) {
        fleet_is_dead(f); /* what it isn't told it would do: begin anew */
        return;
    }
    t->behalf = behalf;
    t->len = len;
    memcpy(t->client, client_id, len);
    HASH_ADD(hh, f->taken, behalf.client, sizeof(t->behalf.client), t);
}

void fleet_taken_note(struct fleet *f, const char *data, size_t len)
{
    struct fleet_reader r = fleet_reader_of(data, len);

    while (fleet_reader_more(&r)) {
        struct mqtt_slice client = fleet_reader_slice(&r);
        uint64_t epoch = fleet_reader_varint(&r);

        if (!r.failed)
            fleet_taken_add(f, (const char *)client.data, client.len, epoch);
    }
}

bool fleet_taken_has(const struct fleet *f, struct fleet_behalf behalf)
{
    const struct fleet_taken *t = behalf.client != 0 ? find(f, behalf.client) : NULL;

    return t != NULL && behalf.epoch <= t->behalf.epoch;
}

/* What is gathered becomes commands like the rest, that wait for the link. */
static void gather_all(struct fleet *f)
{
    fleet_acks_flush(f);
    fleet_queues_flush(f);
    outboxes_flush(f);
    fleet_retaining_flush(f);
}

static void close_one(struct fleet *f, const struct fleet_taken *t)
{
    struct store_hold *hold = f->host.hold_of(f->host.arg, t->client, t->len);

    fleet_connect_taken(f, t->client, t->len, t->behalf.epoch);
    if (hold != NULL && hold->store_data != NULL && hold->epoch <= t->behalf.epoch)
        fleet_hold_fenced(hold->store_data);
}

/* A broker that stood still loses thousands at once. */
bool fleet_taken_close(struct fleet *f, struct timebox *box)
{
    if (!f->closing_taken)
        return true;
    while (f->taken != NULL) {
        struct fleet_taken *t = f->taken;

        HASH_DEL(f->taken, t);
        close_one(f, t);
        free(t);
        if (timebox_spend(box, CLOSE_US))
            break;
    }
    f->closing_taken = f->store.suspended = f->taken != NULL;
    return !f->closing_taken;
}

void fleet_taken_apply(struct fleet *f)
{
    if (f->taken == NULL)
        return;
    LOG_WARN("clients_taken", KV_STR("node", f->hex), KV_UINT("clients", HASH_COUNT(f->taken)),
             KV_STR("why", "this node was silent when others asked for them"));
    gather_all(f);
    fleet_publish_void(f);
    fleet_disconnects_void(f);
    fleet_queues_void(f);
    fleet_retaining_void(f);
    outboxes_void(f);
    f->closing_taken = true;
    fleet_taken_close(f, f->box);
}

void fleet_taken_reset(struct fleet *f)
{
    struct fleet_taken *t;
    struct fleet_taken *next;

    HASH_ITER (hh, f->taken, t, next) {
        HASH_DEL(f->taken, t);
        free(t);
    }
    f->closing_taken = false;
}
