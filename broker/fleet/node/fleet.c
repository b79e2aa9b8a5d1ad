/* What every module of a node calls: completions that wait for the next turn, what an answer means; how
 * this node is, and the two functions that change it. */
#include "broker/fleet/node/fleet.h"

#include <assert.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "broker/fleet/lease/heart.h"
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

/* ---- states ---------------------------------------------------------------------------------- */

#define TO(state) (1u << FLEET_##state)

struct arrows {
    const char *name;
    unsigned next; /* bits of those that may follow */
};

static const struct arrows states[FLEET_STATES] = {
    [FLEET_STARTING] = {"starting", TO(READY) | TO(DEAD) | TO(LEAVING)},
    [FLEET_READY] = {"ready", TO(DEAD) | TO(LEAVING)},
    [FLEET_DEAD] = {"dead", TO(OVER)},
    [FLEET_OVER] = {"over", TO(STARTING) | TO(LEAVING)},
    [FLEET_LEAVING] = {"leaving", TO(LEFT)},
    [FLEET_LEFT] = {"left", 0},
};

static const struct arrows leases[FLEET_LEASES] = {
    [FLEET_LEASE_NONE] = {"none", TO(LEASE_SURE)},
    [FLEET_LEASE_SURE] = {"sure", TO(LEASE_UNSURE) | TO(LEASE_NONE)},
    [FLEET_LEASE_UNSURE] = {"unsure", TO(LEASE_SURE) | TO(LEASE_NONE)},
};

const char *fleet_state_name(enum fleet_state state)
{
    return states[state].name;
}

bool fleet_may_enter(enum fleet_state from, enum fleet_state to)
{
    return (states[from].next & (1u << to)) != 0;
}

bool fleet_lease_may_enter(enum fleet_lease from, enum fleet_lease to)
{
    return (leases[from].next & (1u << to)) != 0;
}

static void hold_links(struct fleet *f, bool held)
{
    redis_link_hold(f->commands, held);
    redis_link_hold(f->inbox_link, held);
    redis_link_hold(f->log_link, held);
    redis_link_hold(f->channel, held);
    if (f->replica_link != NULL)
        redis_link_hold(f->replica_link, held);
}

static void end_lease(struct fleet *f)
{
    if (fleet_is_joined(f))
        fleet_lease_enter(f, FLEET_LEASE_NONE);
}

void fleet_enter(struct fleet *f, enum fleet_state state)
{
    assert(fleet_may_enter(f->state, state));
    LOG_DEBUG("node_state", KV_STR("node", f->hex), KV_STR("from", fleet_state_name(f->state)),
              KV_STR("to", fleet_state_name(state)));
    f->state = state;
    switch (state) {
    case FLEET_READY:
        metric_set(f->metrics.ready, 1);
        break;
    case FLEET_OVER:
        end_lease(f);
        metric_set(f->metrics.ready, 0);
        metric_add(f->metrics.start_overs, 1);
        break;
    case FLEET_LEFT:
        end_lease(f);
        hold_links(f, true);
        metric_set(f->metrics.ready, 0);
        break;
    case FLEET_STARTING:
    case FLEET_DEAD:
    case FLEET_LEAVING:
        break;
    }
}

void fleet_declared_dead(struct fleet *f)
{
    if (f->state == FLEET_STARTING || f->state == FLEET_READY)
        fleet_enter(f, FLEET_DEAD);
}

/* ---- the lease ------------------------------------------------------------------------------- */

static void become_unsure(struct fleet *f)
{
    f->unsure_since_ms = f->now_ms;
    hold_links(f, true);
    metric_set(f->metrics.ready, 0);
    LOG_WARN("node_unsure", KV_STR("node", f->hex),
             KV_UINT("since_last_beat_ms", f->boot_ms - heart_alive_ms(f->heart)));
}

static void become_sure_again(struct fleet *f)
{
    uint64_t gap_ms = f->now_ms - f->unsure_since_ms;
    hold_links(f, false);
    metric_set(f->metrics.ready, f->state == FLEET_READY);
    LOG_INFO("node_sure_again", KV_STR("node", f->hex), KV_UINT("took_ms", gap_ms));
    f->host.clients_shift_clocks(f->host.arg, gap_ms);
}

void fleet_lease_enter(struct fleet *f, enum fleet_lease lease)
{
    bool was_unsure = f->lease == FLEET_LEASE_UNSURE;
    assert(fleet_lease_may_enter(f->lease, lease));
    f->lease = lease;
    switch (lease) {
    case FLEET_LEASE_NONE:
        heart_end(f->heart);
        break;
    case FLEET_LEASE_SURE:
        if (was_unsure)
            become_sure_again(f);
        break;
    case FLEET_LEASE_UNSURE:
        become_unsure(f);
        break;
    }
}

/* ---- how it is ------------------------------------------------------------------------------- */

void fleet_reload(struct fleet *f, const char *why)
{
    if (f->reload_why == NULL)
        f->reload_why = why;
    fleet_wake(f);
}

enum store_health fleet_health(const struct fleet *f)
{
    if (f->state == FLEET_STARTING || f->state == FLEET_DEAD || f->state == FLEET_OVER)
        return STORE_STARTING;
    if (f->state == FLEET_READY && !f->knows_clock)
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
