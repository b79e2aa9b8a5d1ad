/* Rule 9: Redis came back with less than it had, or may have. This node's holds are asserted there;
 * its routes and its sessions' subscriptions are announced in the log again where it lost some.
 * There may be a hundred thousand holds and a million routes: they are gone through in pieces, and
 * no faster than Redis answers, so that others' commands don't wait behind all of it. What a
 * connection does before its turn comes asserts it first (fleet_say_hold). */
#include "broker/fleet/membership/fleet_say_again.h"

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

bool fleet_say_init(struct fleet *f)
{
    f->saying = calloc(1, sizeof(*f->saying));
    return f->saying != NULL;
}

void fleet_say_free(struct fleet *f)
{
    free(f->saying);
    f->saying = NULL;
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

static void say_hold_again(struct fleet *f, struct fleet_hold *h)
{
    fleet_say_hold(h);
    if (f->saying->lost && h->hold->store_data != NULL && h->hold->durable)
        f->host.each_subscription(f->host.arg, h->hold->client_id, h->hold->client_id_len,
                                  reannounce_subscription, h);
}

void fleet_say_again(struct fleet *f, bool again, bool lost)
{
    struct fleet_saying *s = f->saying;

    s->lost = s->lost || lost; /* the former walk may not have come to its end */
    if (lost)
        route_announce_all(f);
    if (again) {
        f->holds->round++;
        f->holds->say_at = f->holds->first;
    }
    s->under_way = again || lost;
    fleet_say_tick(f);
}

/* One at least. False: there is more, or no time to see. */
static bool say_holds(struct fleet *f)
{
    while (f->holds->say_at != NULL) {
        struct fleet_hold *h = f->holds->say_at;

        f->holds->say_at = h->next;
        say_hold_again(f, h);
        if (timebox_spend(f->box, TIMEBOX_LOOK_US)) {
            fleet_wake(f);
            return false;
        }
        if (redis_queue_bytes(f->q) > PENDING_BYTES)
            return false; /* its answers wake this node */
    }
    return true;
}

void fleet_say_tick(struct fleet *f)
{
    struct fleet_saying *s = f->saying;

    if (!s->under_way || !redis_link_is_up(f->commands))
        return;
    if (!route_announce_some(f, f->box)) {
        fleet_wake(f);
        return;
    }
    if (!say_holds(f))
        return;
    if (s->lost)
        fleet_append_reannounced(f);
    s->under_way = s->lost = false;
}
