/* Rule 7: a connection takes its client id in the whole fleet. The states are in fleet_connect_op.h;
 * here are begin and end, SETTLING, and what happens to attempts from outside. */
#include "broker/fleet/connect/fleet_connect.h"

#include <event2/util.h>
#include <stdlib.h>
#include <string.h>

#include "broker/base/account.h"
#include "broker/fleet/connect/fleet_connect_op.h"
#include "broker/fleet/exchange/inbox_barrier.h"
#include "broker/fleet/fence/fleet_resync.h"
#include "broker/fleet/fence/fleet_subscriptions.h"
#include "broker/fleet/hold/fleet_hold.h"
#include "broker/fleet/log/fleet_append.h"
#include "broker/fleet/log/fleet_version.h"
#include "broker/fleet/node/fleet.h"
#include "broker/fleet/node/fleet_behalf.h"
#include "broker/fleet/node/fleet_clock.h"
#include "broker/fleet/session/fleet_disconnect.h"
#include "broker/fleet/wire/fleet_frame.h"
#include "common/base/timebox.h"
#include "common/log/log.h"

enum { DUE_US = 5 };

/* ---- the end --------------------------------------------------------------------------------- */

static void leave_list(struct connect_op *op)
{
    connect_list_remove(op);
    connect_pass_on_asked(op);
}

static void free_result(struct connect_op *op)
{
    free(op->subs);
    free(op->released);
    fleet_subscriptions_fini(&op->text);
    op->subs = NULL;
    op->released = NULL;
    op->result = (struct store_connect_result){0};
}

static void op_free(struct connect_op *op)
{
    free_result(op);
    fleet_hold_unref(op->h);
    free(op);
}

/* Not connected after all: what the claim took is given back. */
static void give_back(struct connect_op *op)
{
    if (op->hold->epoch == 0 && op->h->hold != NULL) {
        fleet_hold_drop(op->h); /* it took nothing */
        return;
    }
    if (op->hold->store_data == NULL && op->h->hold != NULL)
        op->hold->store_data = op->h;
    if (op->hold->store_data != NULL)
        fleet_disconnect(op->f, op->hold, false, op->h->expiry_s, NULL, NULL);
}

/* Its claim, and what the claim answered, may be lost. If they aren't, the same answer comes again,
 * because the token is the same. */
void connect_begin_again(struct connect_op *op)
{
    connect_wait(op, CONNECT_WAIT_NONE);
    connect_release_routes(op);
    free_result(op);
    op->again = false;
    op->outcome = STORE_OK;
    op->wills[0] = op->wills[1] = 0;
    op->owner_count = 0;
    if (op->h->hold == NULL)
        connect_finish(op, STORE_UNAVAILABLE); /* the node started over meanwhile */
    else
        connect_claim(op);
}

struct fleet_session_ref connect_session(const struct connect_op *op)
{
    return (struct fleet_session_ref){
        .client = {.data = (const uint8_t *)op->hold->client_id, .len = op->hold->client_id_len},
        .epoch = op->hold->epoch};
}

bool connect_is_fenced(const struct connect_op *op)
{
    return op->fenced_by > op->hold->epoch;
}

void connect_finish(struct connect_op *op, enum store_status status)
{
    if (status == STORE_OK && op->h->hold == NULL)
        status = STORE_UNAVAILABLE; /* the node started over meanwhile */
    connect_enter(op, CONNECT_ENDED);
    LOG_DEBUG("client_connected", KV_STR("client_id", op->hold->client_id),
              KV_UINT("epoch", op->hold->epoch), KV_INT("status", status));
    if (status == STORE_OK) {
        op->hold->store_data = op->h;
        op->h->sent = op->result.next_sequence - 1;
        op->result.subscriptions_told = true;
        op->done(op->arg, STORE_OK, &op->result);
    } else {
        if (status == STORE_FENCED && op->hold->durable && op->hold->epoch != 0)
            fleet_resync(op->f, op->hold->client_id, op->hold->client_id_len);
        give_back(op);
        op->done(op->arg, status, NULL);
    }
    connect_release_routes(op);
    leave_list(op);
    op_free(op);
}

/* Refuses the client: what it waits for didn't come in time. */
static void give_up(struct connect_op *op)
{
    LOG_LIMITED(LOG_LEVEL_WARN, "connect_timed_out", KV_STR("client_id", op->hold->client_id),
                KV_UINT("waits_for", op->waits));
    connect_enter(op, CONNECT_REFUSED);
    leave_list(op);
    connect_release_routes(op);
    give_back(op);
    op->done(op->arg, STORE_UNAVAILABLE, NULL);
}

/* ---- SETTLING -------------------------------------------------------------------------------- */

struct settle_version {
    struct fleet_version_wait wait; /* first */
    struct connect_op *op;
};

static void conclude(struct connect_op *op)
{
    if (connect_is_fenced(op))
        connect_finish(op, STORE_FENCED);
    else if (op->again)
        connect_begin_again(op);
    else
        connect_finish(op, op->outcome);
}

/* One answer may be what a thousand attempts wait for, and going online takes time: the tick does
 * it. */
static void settled(struct connect_op *op, bool ok)
{
    if (!ok && op->outcome == STORE_OK)
        op->outcome = STORE_UNAVAILABLE;
    if (--op->waits > 0)
        return;
    if (op->state == CONNECT_REFUSED) {
        connect_enter(op, CONNECT_ENDED);
        op_free(op);
        return;
    }
    connect_wait(op, CONNECT_WAIT_TIME);
    fleet_wake(op->f);
}

static void on_version(struct fleet_version_wait *w, bool ok)
{
    struct connect_op *op = ((struct settle_version *)w)->op;
    free(w);
    settled(op, ok);
}

static void on_barrier(void *arg, bool ok)
{
    settled(arg, ok);
}

/* The log has the removals that the claim handed out. */
static void forget_removals(struct connect_op *op)
{
    struct fleet *f = op->f;
    struct fleet_key key = fleet_key_clients(&f->keys, op->h->bucket);
    scripts_begin(&f->scripts, f->q, SCRIPT_UNSUBSCRIBE, key.text, 3);
    redis_queue_arg(f->q, op->hold->client_id, op->hold->client_id_len);
    redis_queue_u64(f->q, op->hold->epoch);
    redis_queue_str(f->q, "0");
    redis_queue_end(f->q, REDIS_REPLAY, NULL, NULL);
}

static void on_appended(void *arg, enum store_status status)
{
    struct connect_op *op = arg;
    if (status == STORE_OK && op->entry != 0 && op->state != CONNECT_REFUSED)
        forget_removals(op);
    settled(op, status == STORE_OK);
}

static void on_armed(void *arg, const redisReply *r)
{
    struct connect_op *op = arg;
    if (fleet_reply_status(r) == STORE_OK && r->integer == 0)
        op->outcome = STORE_FENCED; /* Redis has another claim, or none */
    settled(op, fleet_reply_status(r) == STORE_OK);
}

/* From here on the connection has a will. */
static void arm_will(struct connect_op *op)
{
    struct fleet *f = op->f;
    struct fleet_key key = fleet_key_clients(&f->keys, op->h->bucket);
    if (op->h->will.len == 0)
        return;
    op->waits++;
    scripts_begin(&f->scripts, f->q, SCRIPT_ARM, key.text, 4);
    redis_queue_arg(f->q, op->hold->client_id, op->hold->client_id_len);
    redis_queue_u64(f->q, op->hold->epoch);
    redis_queue_arg(f->q, op->h->will.data, op->h->will.len);
    redis_queue_u64(f->q, op->h->will_delay_s);
    redis_queue_end(f->q, REDIS_REPLAY, on_armed, op);
}

void connect_settle(struct connect_op *op)
{
    struct fleet *f = op->f;
    struct settle_version *version = calloc(1, sizeof(*version));
    uint64_t entry = op->entry > op->routes_entry ? op->entry : op->routes_entry;
    connect_enter(op, CONNECT_SETTLING);
    op->waits = 4;
    arm_will(op);
    inbox_barrier(f, on_barrier, op);
    fleet_append_wait(f, entry, on_appended, op);
    if (version != NULL) {
        version->op = op;
        fleet_version_check(f, &version->wait, on_version);
    } else {
        settled(op, false);
    }
    settled(op, true); /* the last of the four: this function */
}

/* Whether it waits for nothing that refers to it. */
static bool is_idle(const struct connect_op *op)
{
    switch (op->state) {
    case CONNECT_SEIZING:
        return !op->seizing.busy;
    case CONNECT_RESTORING:
        return true;
    case CONNECT_SETTLING:
        return op->waits == 0;
    case CONNECT_NEW:
    case CONNECT_CLAIMING:
    case CONNECT_READING:
    case CONNECT_HANDING_OVER:
    case CONNECT_REFUSED:
    case CONNECT_ENDED:
        return false;
    }
    return false;
}

/* Those of the client that this epoch fences, marked so; of them, one that waits for nothing that
 * refers to it. The others end by themselves. */
static struct connect_op *fence(struct fleet *f, const char *client_id, size_t len, uint64_t epoch)
{
    struct connect_op *idle = NULL;
    struct connect_op *op = connect_of_client(f, client_id, len);
    for (; op != NULL; op = connect_next_of_client(op)) {
        if (op->hold->epoch == 0 || op->hold->epoch >= epoch)
            continue;
        if (epoch > op->fenced_by)
            op->fenced_by = epoch;
        if (is_idle(op))
            idle = op;
    }
    return idle;
}

void fleet_connect_taken(struct fleet *f, const char *client_id, size_t len, uint64_t epoch)
{
    struct connect_op *op;
    while ((op = fence(f, client_id, len, epoch)) != NULL)
        connect_finish(op, STORE_FENCED);
}

bool connect_each_subscription(struct fleet *f, const struct store_hold *hold,
                               store_subscription_fn *each, void *arg)
{
    struct connect_op *op = connect_of_client(f, hold->client_id, hold->client_id_len);
    while (op != NULL && op->hold != hold)
        op = connect_next_of_client(op);
    for (size_t i = 0; op != NULL && i < op->result.subscription_count; i++)
        each(arg, &op->subs[i]);
    return op != NULL;
}

static struct connect_op *op_new(struct fleet *f, const struct store_connect_request *req,
                                 store_connect_fn *done, void *arg)
{
    struct connect_op *op = calloc(1, sizeof(*op));
    if (op == NULL)
        return NULL;
    op->h = fleet_hold_new(f, req->hold);
    if (op->h == NULL) {
        free(op);
        return NULL;
    }
    op->h->refs++; /* the list's and the op's */
    op->h->expiry_s = req->session_expiry_s;
    op->h->will_delay_s = req->will.delay_s;
    op->h->arrived = fleet_clock_at(f->clock, req->hold->arrived_ms);
    if (req->will.message != NULL)
        fleet_frame_put(&op->h->will, req->will.message, true);
    account_count(ACCOUNT_CLIENTS, op->h->will.data);
    op->f = f;
    op->hold = req->hold;
    op->clean_start = req->clean_start;
    op->done = done;
    op->arg = arg;
    evutil_secure_rng_get_bytes(&op->request, sizeof(op->request));
    connect_list_add(op);
    return op;
}

struct connect_refused {
    store_connect_fn *done;
    void *arg;
};

static void on_refused(void *arg, enum store_status status)
{
    struct connect_refused *refused = arg;
    refused->done(refused->arg, status, NULL);
    free(refused);
}

static void refuse(struct fleet *f, store_connect_fn *done, void *arg)
{
    struct connect_refused *refused = malloc(sizeof(*refused));
    if (refused == NULL) {
        done(arg, STORE_UNAVAILABLE, NULL);
        return;
    }
    *refused = (struct connect_refused){.done = done, .arg = arg};
    fleet_defer(f, on_refused, refused, STORE_UNAVAILABLE);
}

void fleet_connect(struct fleet *f, const struct store_connect_request *req, store_connect_fn *done,
                   void *arg)
{
    struct connect_op *op = NULL;
    req->hold->store_data = NULL;
    req->hold->epoch = 0;
    if (fleet_health(f) == STORE_READY)
        op = op_new(f, req, done, arg);
    if (op == NULL)
        refuse(f, done, arg); /* Redis away: no new sessions (rule 9) */
    else
        connect_claim(op);
}

/* One that still restores keeps its place. */
static void wait_is_over(struct connect_op *op)
{
    if (op->state == CONNECT_RESTORING) {
        connect_restore_some(op);
        return;
    }
    connect_wait(op, CONNECT_WAIT_NONE);
    if (op->state == CONNECT_HANDING_OVER)
        connect_pass_over_owners(op);
    else if (op->state == CONNECT_SEIZING && !op->seizing.busy)
        connect_seize(op);
    else if (op->state == CONNECT_SETTLING && op->waits > 0)
        give_up(op);
    else if (op->state == CONNECT_SETTLING)
        conclude(op);
}

/* Those for whom there is no time go first in the next turn. */
void fleet_connect_tick(struct fleet *f)
{
    connect_release_some(f);
    struct connect_op *op;
    while ((op = connect_next_due(f)) != NULL) {
        uint32_t cost_us = op->wait == CONNECT_WAIT_TIME ? TIMEBOX_LOOK_US : DUE_US;
        wait_is_over(op);
        if (timebox_spend(f->box, cost_us)) {
            fleet_wake(f);
            return;
        }
    }
}

static bool can_begin_again_now(struct connect_op *op)
{
    switch (op->state) {
    case CONNECT_HANDING_OVER:
        return connect_leave_owners(op);
    case CONNECT_SEIZING:
    case CONNECT_RESTORING:
    case CONNECT_SETTLING:
        return is_idle(op);
    case CONNECT_NEW:
    case CONNECT_CLAIMING:
    case CONNECT_READING:
    case CONNECT_REFUSED:
    case CONNECT_ENDED:
        return false;
    }
    return false;
}

void fleet_connects_begin_again(struct fleet *f)
{
    struct connect_op *next;
    for (struct connect_op *op = connect_list_first(f); op != NULL; op = next) {
        next = op->next;
        if (op->state == CONNECT_CLAIMING || connect_is_fenced(op))
            continue; /* its claim comes behind the loss; or it won't be anyway */
        op->again = true;
        if (can_begin_again_now(op))
            connect_begin_again(op);
    }
}

/* Those that wait for another node or for time; the others are told by the link or the lists they wait
 * in. */
void fleet_connect_reset(struct fleet *f)
{
    struct connect_op *next;
    for (struct connect_op *op = connect_list_first(f); op != NULL; op = next) {
        next = op->next;
        if (op->state == CONNECT_HANDING_OVER || is_idle(op))
            connect_finish(op, STORE_UNAVAILABLE);
    }
    connect_drop_releases(f);
}
