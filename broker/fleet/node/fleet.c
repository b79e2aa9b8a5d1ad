/* What every module of a node calls: completions that wait for the next turn, what an answer means, and how
 * this node is. */
#include "broker/fleet/node/fleet.h"

#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/timebox.h"
#include "common/log/log.h"

enum { DEFERRED_US = 4 }; /* about what a completion costs, at least */

struct fleet_deferred {
    struct fleet_deferred *next;
    store_done_fn *done;
    void *arg;
    enum store_status status;
};

void fleet_wake(struct fleet *f)
{
    event_active(f->wake, 0, 0);
}

void fleet_defer(struct fleet *f, store_done_fn *done, void *arg, enum store_status status)
{
    if (done == NULL)
        return;
    struct fleet_deferred *d = calloc(1, sizeof(*d));
    if (d == NULL) {
        done(arg, STORE_UNAVAILABLE);
        return;
    }
    *d = (struct fleet_deferred){.done = done, .arg = arg, .status = status};
    if (f->deferred == NULL)
        f->deferred = d;
    else
        f->deferred_tail->next = d;
    f->deferred_tail = d;
    fleet_wake(f);
}

/* What is deferred meanwhile is for the next turn. */
void fleet_run_deferred(struct fleet *f, bool ok)
{
    struct fleet_deferred *last = f->deferred_tail;
    bool more = f->deferred != NULL;
    while (more) {
        struct fleet_deferred *d = f->deferred;
        f->deferred = d->next;
        more = d != last;
        d->done(d->arg, ok ? d->status : STORE_UNAVAILABLE);
        free(d);
        if (ok && timebox_spend(f->box, DEFERRED_US))
            break;
    }
    if (f->deferred != NULL)
        fleet_wake(f);
}

enum store_status fleet_reply_status(const redisReply *r)
{
    if (r == NULL)
        return STORE_UNAVAILABLE;
    if (r->type != REDIS_REPLY_ERROR)
        return STORE_OK;
    if (strncmp(r->str, "OOM", 3) == 0)
        return STORE_FULL;
    LOG_LIMITED(LOG_LEVEL_ERROR, "redis_error", KV_STR("err", r->str));
    return STORE_UNAVAILABLE;
}

void fleet_is_dead(struct fleet *f)
{
    if (f->state == FLEET_STARTING || f->state == FLEET_READY)
        f->must_start_over = true;
}

void fleet_reload(struct fleet *f, const char *why)
{
    if (f->reload_why == NULL)
        f->reload_why = why;
    fleet_wake(f);
}

enum store_health fleet_health(const struct fleet *f)
{
    if (f->state == FLEET_STARTING)
        return STORE_STARTING;
    if (f->state != FLEET_READY || !fleet_can_act(f) || f->not_durable || f->trouble != NULL)
        return STORE_TROUBLED;
    return STORE_READY;
}

const char *fleet_trouble(const struct fleet *f)
{
    if (f->trouble == NULL && f->full)
        return "Redis is full: publishes of QoS 1 and 2 are held, subscriptions are refused; "
               "clients "
               "can connect and read";
    return f->trouble;
}

bool fleet_accepts(const struct fleet *f)
{
    enum {
        PENDING_BOUND = 1 << 20, /* some ten ms of Redis: every later command waits behind it */
        HELD_BOUND = 8 << 20,
    };

    return redis_queue_bytes(f->q) + f->outbox_bytes < PENDING_BOUND && f->held_bytes < HELD_BOUND;
}
