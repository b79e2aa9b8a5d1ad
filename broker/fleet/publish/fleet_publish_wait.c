/* Rule 5: publishes that wait to be matched: for the id of a QoS 2 message (BINDING), for an earlier
 * one of the same publisher (BEHIND), or for a while (HELD). Their rounds are in fleet_publish.c. */
#include "broker/fleet/exchange/inbox.h"
#include "broker/fleet/hold/fleet_hold.h"
#include "broker/fleet/node/fleet.h"
#include "broker/fleet/publish/fleet_publish.h"
#include "broker/fleet/publish/fleet_publish_op.h"
#include "broker/fleet/publish/fleet_qos2.h"
#include "broker/fleet/wire/fleet_frame.h"

/* ---- BEHIND ---------------------------------------------------------------------------------- */

/* The log has moved since `earlier` was matched, and Redis' answer may show that. Then it is
 * matched again, and new subscribers must get it before what comes behind it. While everything is
 * loaded anew, routes come without a version. While Redis may not know sessions that will be asserted
 * soon, its answer may be that it misses one. */
static bool may_match_again(const struct fleet_publish *earlier)
{
    const struct fleet *f = earlier->parts.f;
    return earlier->state == FLEET_PUBLISH_BEHIND || !fleet_log_is_valid(f) ||
           earlier->matched != fleet_publish_applied(f) ||
           (fleet_may_be_lost(f) && earlier->state != FLEET_PUBLISH_DONE);
}

/* An earlier one will be sent again to somebody whom it missed. Seldom one is anywhere. */
static bool is_behind_missed(const struct fleet_publish *p)
{
    if (p->parts.f->missed == 0 || p->hold == NULL)
        return false;
    for (const struct fleet_publish *q = p->hold->publishes; q != NULL && q != p; q = q->next)
        if (q->parts.missed)
            return true;
    return false;
}

bool fleet_publish_must_wait(const struct fleet_publish *p, const struct fleet_publish *earlier)
{
    return earlier != NULL && (may_match_again(earlier) || is_behind_missed(p));
}

void fleet_publish_release_behind(struct fleet_hold *h)
{
    struct fleet *f = h->fleet;
    struct fleet_publish *earlier = NULL;
    bool ends = !fleet_is_joined(f); /* nobody is told any more */
    for (struct fleet_publish *p = h->publishes; p != NULL && h->behind > 0;
         earlier = p, p = p->next) {
        if (p->state != FLEET_PUBLISH_BEHIND)
            continue;
        if (!ends && fleet_publish_must_wait(p, earlier))
            return;
        if (ends) {
            fleet_parts_failed(&p->parts, STORE_UNAVAILABLE);
            fleet_publish_enter(p, FLEET_PUBLISH_DONE); /* completed behind the one before it */
        } else {
            fleet_publish_match_again(p);
        }
    }
}

/* The one before it has the last word. */
static void match_in_order(struct fleet_publish *p)
{
    struct fleet_publish *earlier = NULL;
    for (struct fleet_publish *q = p->hold != NULL ? p->hold->publishes : p; q != p; q = q->next)
        earlier = q;
    if (fleet_publish_must_wait(p, earlier))
        fleet_publish_enter(p, FLEET_PUBLISH_BEHIND);
    else
        fleet_publish_match(p);
}

/* ---- BINDING --------------------------------------------------------------------------------- */

/* The message takes the id that its packet id is bound to: its own, or that of an earlier try. */
static bool take_bound_id(struct fleet_publish *p, struct message_id bound)
{
    if (bound.node == p->parts.message->id.node && bound.sequence == p->parts.message->id.sequence)
        return true;
    struct message *again = fleet_message_with_id(p->parts.message, bound);
    if (again == NULL)
        return false;
    message_unref(p->parts.message);
    p->parts.message = again;
    return true;
}

static void on_bound(void *arg, const redisReply *r)
{
    struct fleet_publish *p = arg;
    struct fleet *f = p->parts.f;
    enum store_status status = fleet_reply_status(r);
    struct message_id bound;
    if (status == STORE_OK)
        status = p->parts.taken ? STORE_FENCED : fleet_qos2_bound(r, p->hold, &bound);
    if (status == STORE_OK && !take_bound_id(p, bound))
        status = STORE_UNAVAILABLE;
    p->parts.status = status;
    if (status != STORE_OK) {
        fleet_publish_finish(p);
        return;
    }
    if (inbox_knows(f, p->parts.message->id) || f->host.deliver(f->host.arg, p->parts.message))
        fleet_publish_note_reached(p); /* now, or by an earlier try */
    match_in_order(p);
}

void fleet_publish_bind(struct fleet_publish *p, const struct store_publish_request *req)
{
    fleet_publish_enter(p, FLEET_PUBLISH_BINDING);
    fleet_qos2_bind(p->parts.f, req->hold, req->qos2_packet_id, p->parts.message->id, on_bound, p);
}

/* ---- HELD ------------------------------------------------------------------------------------ */

void fleet_publish_tick(struct fleet *f)
{
    struct fleet_publishing *pub = f->publishing;
    if (!fleet_log_is_valid(f) || f->full)
        return;
    while (pub->held != NULL && f->now_ms >= pub->held->again_ms) {
        if (is_behind_missed(pub->held))
            fleet_publish_enter(pub->held, FLEET_PUBLISH_BEHIND);
        else
            fleet_publish_match_new(pub->held);
    }
}

void fleet_publish_reset(struct fleet *f)
{
    while (f->publishing != NULL && f->publishing->held != NULL) {
        struct fleet_publish *p = f->publishing->held;
        fleet_parts_failed(&p->parts, STORE_UNAVAILABLE);
        fleet_publish_finish(p);
    }
}
