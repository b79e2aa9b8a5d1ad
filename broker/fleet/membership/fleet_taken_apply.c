/* Voids what is pending for the clients in the table of what was taken, then closes their connections. The
 * modules that write for clients make their own parts void: each knows its commands. */
#include "broker/fleet/membership/fleet_taken_apply.h"

#include <stdlib.h>

#include "broker/fleet/connect/fleet_connect.h"
#include "broker/fleet/exchange/fleet_outbox.h"
#include "broker/fleet/fence/fleet_taken.h"
#include "broker/fleet/group/fleet_group_queue.h"
#include "broker/fleet/hold/fleet_hold.h"
#include "broker/fleet/node/fleet.h"
#include "broker/fleet/publish/fleet_publish.h"
#include "broker/fleet/publish/fleet_queue.h"
#include "broker/fleet/publish/fleet_retained.h"
#include "broker/fleet/session/fleet_deliver.h"
#include "broker/fleet/session/fleet_disconnect.h"
#include "common/base/timebox.h"
#include "common/log/log.h"

enum { CLOSE_US = 8 }; /* about what a connection's end costs */

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
    struct store_hold *hold = f->host.hold_of(f->host.arg, mqtt_slice_of(t->client, t->len));
    fleet_connect_taken(f, t->client, t->len, t->behalf.epoch);
    if (hold != NULL && hold->store_data != NULL && hold->epoch <= t->behalf.epoch)
        fleet_hold_fenced(hold->store_data);
}

/* A broker that stood still loses thousands at once. */
bool fleet_taken_close(struct fleet *f, struct timebox *box)
{
    if (!f->closing_taken)
        return true;
    struct fleet_taken *t;
    while ((t = fleet_taken_pop(f)) != NULL) {
        close_one(f, t);
        free(t);
        if (timebox_spend(box, CLOSE_US))
            break;
    }
    f->closing_taken = f->store.suspended = fleet_taken_count(f) > 0;
    return !f->closing_taken;
}

void fleet_taken_apply(struct fleet *f)
{
    if (fleet_taken_count(f) == 0)
        return;
    LOG_WARN("clients_taken", KV_STR("node", f->hex), KV_UINT("clients", fleet_taken_count(f)),
             KV_STR("why", "this node was silent when others asked for them"));
    gather_all(f);
    fleet_publish_void(f);
    fleet_disconnects_void(f);
    fleet_queues_void(f);
    fleet_group_queues_void(f);
    fleet_retaining_void(f);
    outboxes_void(f);
    f->closing_taken = true;
    fleet_taken_close(f, f->box);
}
