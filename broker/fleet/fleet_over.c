/* This node was declared dead. It forgets everything and begins anew under another id. There may be a
 * hundred thousand clients and a million routes to forget, so it goes in pieces, a turn's box each:
 *
 *     HOLDS connections lose their hold: later calls of the core for them do nothing
 *     -> CORE    the core closes all clients and forgets all sessions; it serves nobody meanwhile
 *     -> COMMANDS unanswered commands are completed without an answer
 *     -> ROUTES  those of this node
 *     -> then the rest at once, which is little: it begins anew
 *
 * Until then no link is read or written. */
#include "broker/fleet/fleet_over.h"

#include <event2/util.h>
#include <stdlib.h>
#include <string.h>

#include "broker/fleet/connect/fleet_connect.h"
#include "broker/fleet/exchange/fleet_nodes.h"
#include "broker/fleet/exchange/inbox.h"
#include "broker/fleet/exchange/inbox_barrier.h"
#include "broker/fleet/fence/fleet_cut.h"
#include "broker/fleet/fence/fleet_taken.h"
#include "broker/fleet/group/fleet_group_done.h"
#include "broker/fleet/group/fleet_group_queue.h"
#include "broker/fleet/hold/fleet_acks.h"
#include "broker/fleet/hold/fleet_hold.h"
#include "broker/fleet/log/fleet_append.h"
#include "broker/fleet/log/fleet_log.h"
#include "broker/fleet/log/fleet_version.h"
#include "broker/fleet/log/route.h"
#include "broker/fleet/membership/fleet_load.h"
#include "broker/fleet/membership/fleet_register.h"
#include "broker/fleet/membership/reaper.h"
#include "broker/fleet/node/fleet.h"
#include "broker/fleet/publish/fleet_publish.h"
#include "broker/fleet/publish/fleet_queue.h"
#include "broker/fleet/publish/fleet_retained.h"
#include "broker/fleet/publish/fleet_retained_read.h"
#include "broker/fleet/storage/fleet_replicas.h"
#include "broker/fleet/storage/fleet_totals.h"
#include "common/base/timebox.h"
#include "common/log/log.h"

enum { HOLD_US = 1, COMMAND_US = 1 };

bool fleet_over_init(struct fleet *f)
{
    f->over = calloc(1, sizeof(*f->over));
    return f->over != NULL;
}

void fleet_over_free(struct fleet *f)
{
    free(f->over);
    f->over = NULL;
}

void fleet_take_new_id(struct fleet *f)
{
    do
        evutil_secure_rng_get_bytes(&f->id, sizeof(f->id));
    while (f->id == 0);
    fleet_hex(f->id, f->hex);
    fleet_register_new_id(f);
    fleet_totals_new_id(f);
}

void fleet_drop_everything(struct fleet *f)
{
    struct redis_link *links[] = {f->commands, f->inbox_link, f->log_link, f->channel,
                                  f->replica_link};
    struct timebox *box = f->box;
    struct timebox endless;
    timebox_open_at(&endless, UINT64_MAX, 0, 0);
    f->box = &endless; /* who waited is told now, or the store is freed */
    for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++) {
        if (links[i] != NULL) {
            redis_link_hold(links[i], false);
            redis_link_reset(links[i], "the node starts over or ends");
        }
    }
    fleet_load_reset(f);
    fleet_log_stop(f);
    while (f->nodes != NULL)
        fleet_node_remove(f, f->nodes);
    reapers_free(f);
    fleet_cut_reset(f);
    fleet_taken_reset(f);
    inbox_barriers_reset(f);
    fleet_connect_reset(f);
    fleet_acks_reset(f);
    fleet_retaining_reset(f);
    fleet_retained_reset(f);
    fleet_queues_reset(f);
    fleet_group_queues_reset(f);
    fleet_group_dones_reset(f);
    fleet_append_reset(f);
    routes_reset(f);
    fleet_replicas_reset(f);
    fleet_totals_reset(f);
    fleet_versions_reset(f);
    fleet_publish_reset(f);
    fleet_run_deferred(f, false);
    fleet_connect_reset(f); /* who waited for that */
    f->box = box;
}

void fleet_start_over(struct fleet *f)
{
    fleet_enter(f, FLEET_OVER);
    f->over->step = OVER_HOLDS;
    f->store.suspended = true;
}

static bool detach_holds(struct fleet *f, struct timebox *box)
{
    while (f->holds->first != NULL) {
        fleet_hold_drop(f->holds->first);
        if (timebox_spend(box, HOLD_US))
            return f->holds->first == NULL;
    }
    return true;
}

static bool drop_commands(struct fleet *f, struct timebox *box)
{
    while (f->over->commands > 0) {
        f->over->commands--;
        redis_queue_give_up(f->q);
        if (timebox_spend(box, COMMAND_US))
            break;
    }
    return f->over->commands == 0;
}

static void begin_anew(struct fleet *f)
{
    char old[FLEET_HEX_SIZE];
    memcpy(old, f->hex, sizeof(old));
    fleet_drop_everything(f);
    fleet_take_new_id(f);
    f->run_id[0] = '\0';
    f->store.suspended = false;
    LOG_WARN("node_starts_over", KV_STR("was", old), KV_STR("node", f->hex));
    if (f->state != FLEET_OVER)
        return; /* it ends */
    fleet_enter(f, FLEET_STARTING);
    inbox_start(f);
    fleet_load_tick(f);
}

/* True when the step is done. */
static bool go_on(struct fleet *f, struct timebox *box)
{
    switch (f->over->step) {
    case OVER_HOLDS:
        return detach_holds(f, box);
    case OVER_CORE:
        if (!f->host.start_over(f->host.arg, box))
            return false;
        f->over->commands = redis_link_leave(f->commands, "the node starts over");
        return true;
    case OVER_COMMANDS:
        return drop_commands(f, box);
    case OVER_ROUTES:
        return routes_drop(f, box);
    case OVER_NOT:
        break;
    }
    return false;
}

void fleet_over_go_on(struct fleet *f, struct timebox *box)
{
    do {
        if (!go_on(f, box)) {
            fleet_wake(f);
            return;
        }
        f->over->step = f->over->step == OVER_ROUTES ? OVER_NOT : f->over->step + 1;
    } while (f->over->step != OVER_NOT);
    begin_anew(f);
}
