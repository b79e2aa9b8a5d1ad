/* Rule 7, RESTORING: the routes of a session's filters are held until its attempt is over or its
 * connection is online, and the filters go into the core's tree, before CONNACK. A session may have
 * ten thousand filters, and a crowd of them may come at once: they are worked through in pieces, a
 * turn's box for all. So is the way back. */
#include <stdlib.h>

#include "broker/fleet/connect/fleet_connect_op.h"
#include "broker/fleet/fence/fleet_subscriptions.h"
#include "broker/fleet/log/route.h"
#include "broker/fleet/node/fleet.h"
#include "common/base/timebox.h"

enum {
    PIECE = 250,  /* filters, even if there is no time: else a flood would stop it */
    FILTER_US = 2 /* about what one costs */
};

/* Routes that are held no more. */
struct route_release {
    struct route_release *next;
    struct fleet_subscriptions text;
    struct store_subscription *subs;
    size_t left;
};

static size_t piece_of(size_t left)
{
    return left < PIECE ? left : PIECE;
}

/* ---- there ----------------------------------------------------------------------------------- */

/* Not for an attempt that the core has ended: a newer connection may have begun another session. */
static bool tells_core(const struct connect_op *op)
{
    const struct store_hold *hold = op->hold;
    return hold->durable && op->f->host.hold_of(op->f->host.arg, store_hold_id(hold)) == hold;
}

static void restore_one(struct connect_op *op, bool tell)
{
    struct fleet *f = op->f;
    const struct store_subscription *sub = &op->subs[op->restored++];
    uint64_t number = route_hold(f, sub->filter);
    if (number > op->routes_entry)
        op->routes_entry = number;
    if (tell)
        f->host.durable_subscribed(f->host.arg, store_hold_id(op->hold), sub);
}

static void restore_piece(struct connect_op *op)
{
    bool tell = tells_core(op);
    for (size_t n = piece_of(op->result.subscription_count - op->restored); n > 0; n--)
        restore_one(op, tell);
}

bool connect_restore_some(struct connect_op *op)
{
    while (op->restored < op->result.subscription_count) {
        if (connect_is_fenced(op)) {
            connect_finish(op, STORE_FENCED);
            return true;
        }
        restore_piece(op);
        if (op->restored < op->result.subscription_count &&
            timebox_spend(op->f->box, PIECE * FILTER_US))
            return false;
    }
    connect_settle(op);
    return true;
}

void connect_restore(struct connect_op *op)
{
    connect_enter(op, CONNECT_RESTORING);
    if (op->result.subscription_count > PIECE)
        return; /* connect_restore_some does it */
    restore_piece(op);
    connect_settle(op);
}

/* ---- and back -------------------------------------------------------------------------------- */

static void release_piece(struct fleet *f, struct route_release *r)
{
    for (size_t n = piece_of(r->left); n > 0; n--)
        route_release(f, r->subs[--r->left].filter);
}

static void release_free(struct route_release *r)
{
    free(r->subs);
    fleet_subscriptions_fini(&r->text);
    free(r);
}

static struct route_release *release_begin(struct connect_op *op)
{
    struct route_release *r = calloc(1, sizeof(*r));
    if (r == NULL)
        return NULL;
    r->text = op->text;
    r->subs = op->subs;
    r->left = op->restored;
    op->text = (struct fleet_subscriptions){0};
    op->subs = NULL;
    op->result.subscriptions = NULL;
    op->result.subscription_count = 0;
    return r;
}

/* Whichever way it ends. When it came true, the core has told the router of the session before. */
void connect_release_routes(struct connect_op *op)
{
    struct fleet *f = op->f;
    struct route_release *r = op->restored > PIECE ? release_begin(op) : NULL;
    if (r != NULL) {
        r->next = f->releases;
        f->releases = r;
        fleet_wake(f);
    } else {
        for (size_t i = 0; i < op->restored; i++)
            route_release(f, op->subs[i].filter);
    }
    op->restored = 0;
    op->routes_entry = 0;
}

void connect_release_some(struct fleet *f)
{
    while (f->releases != NULL) {
        struct route_release *r = f->releases;
        release_piece(f, r);
        if (r->left == 0) {
            f->releases = r->next;
            release_free(r);
        }
        if (timebox_spend(f->box, PIECE * FILTER_US))
            break;
    }
    if (f->releases != NULL)
        fleet_wake(f);
}

void connect_drop_releases(struct fleet *f)
{
    while (f->releases != NULL) {
        struct route_release *r = f->releases;
        f->releases = r->next;
        release_free(r);
    }
}
