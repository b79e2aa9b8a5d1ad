/* Rule 9: Redis came back with less than it had, or may have. This node's holds are asserted there;
 * its routes and its sessions' subscriptions are announced in the log again where it lost some.
 * There may be a hundred thousand holds and a million routes: they are gone through in pieces, and
 * no faster than Redis answers, so that others' commands don't wait behind all of it. What a
 * connection does before its turn comes asserts it first (fleet_hold_assert_once). */
#include "broker/fleet/membership/fleet_reassert.h"

#include <stdlib.h>
#include <string.h>

#include "broker/fleet/hold/fleet_assert.h"
#include "broker/fleet/hold/fleet_hold.h"
#include "broker/fleet/log/fleet_append.h"
#include "broker/fleet/log/route.h"
#include "broker/fleet/node/fleet.h"
#include "broker/fleet/node/fleet_behalf.h"
#include "broker/fleet/wire/fleet_options.h"
#include "common/base/timebox.h"

enum { PENDING_BYTES = 512 << 10 /* unanswered commands beside which holds are asserted */ };

bool fleet_reassert_init(struct fleet *f)
{
    f->reasserting = calloc(1, sizeof(*f->reasserting));
    return f->reasserting != NULL;
}

void fleet_reassert_free(struct fleet *f)
{
    free(f->reasserting);
    f->reasserting = NULL;
}

static void reannounce_subscription(void *arg, const struct store_subscription *sub)
{
    const struct fleet_hold *h = arg;
    struct fleet_options o = fleet_options_write(sub);
    struct fleet_session_ref session = {
        .client = {.data = (const uint8_t *)h->hold->client_id, .len = h->hold->client_id_len},
        .epoch = h->hold->epoch};
    fleet_append_subscribed(h->fleet, session, sub->filter,
                            (struct mqtt_slice){.data = o.bytes, .len = (uint32_t)o.len});
}

static void reassert_hold(struct fleet *f, struct fleet_hold *h)
{
    fleet_hold_assert_once(h);
    if (f->reasserting->lost && h->hold->store_data != NULL && h->hold->durable)
        f->host.each_subscription(f->host.arg, store_hold_id(h->hold), reannounce_subscription, h);
}

void fleet_reassert(struct fleet *f, bool again, bool lost)
{
    struct fleet_reasserting *s = f->reasserting;
    s->lost = s->lost || lost; /* the former walk may not have come to its end */
    if (lost)
        route_announce_all(f);
    if (again) {
        f->holds->round++;
        f->holds->assert_at = f->holds->first;
    }
    s->under_way = again || lost;
    fleet_reassert_tick(f);
}

/* One at least. False: there is more, or no time to see. */
static bool assert_holds(struct fleet *f)
{
    while (f->holds->assert_at != NULL) {
        struct fleet_hold *h = f->holds->assert_at;
        f->holds->assert_at = h->next;
        reassert_hold(f, h);
        if (timebox_spend(f->box, TIMEBOX_LOOK_US)) {
            fleet_wake(f);
            return false;
        }
        if (redis_queue_bytes(f->q) > PENDING_BYTES)
            return false; /* its answers wake this node */
    }
    return true;
}

void fleet_reassert_tick(struct fleet *f)
{
    struct fleet_reasserting *s = f->reasserting;
    if (!s->under_way || !redis_link_is_up(f->commands))
        return;
    if (!route_announce_some(f, f->box)) {
        fleet_wake(f);
        return;
    }
    if (!assert_holds(f))
        return;
    if (s->lost)
        fleet_append_reannounced(f);
    s->under_way = s->lost = false;
}
