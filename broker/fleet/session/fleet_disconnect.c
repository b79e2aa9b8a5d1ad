/* The end of a connection: what it published is written first, then its session is given up, and
 * its will is published if it is due. Comes from the core, and from connecting attempts that give
 * back what they took. */
#include "broker/fleet/session/fleet_disconnect.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "broker/base/account.h"
#include "broker/fleet/exchange/fleet_channel.h"
#include "broker/fleet/exchange/fleet_outbox.h"
#include "broker/fleet/fence/fleet_taken.h"
#include "broker/fleet/group/fleet_group_queue.h"
#include "broker/fleet/hold/fleet_acks.h"
#include "broker/fleet/hold/fleet_assert.h"
#include "broker/fleet/hold/fleet_hold.h"
#include "broker/fleet/log/fleet_append.h"
#include "broker/fleet/log/fleet_reannounce.h"
#include "broker/fleet/node/fleet.h"
#include "broker/fleet/node/fleet_behalf.h"
#include "broker/fleet/publish/fleet_queue.h"
#include "broker/fleet/publish/fleet_retained.h"
#include "broker/fleet/session/fleet_due.h"
#include "broker/fleet/session/fleet_will.h"
#include "broker/fleet/wire/fleet_bytes.h"
#include "broker/fleet/wire/fleet_options.h"

/* The node that asked for the client waits a second (fleet_connect.c). A will may wait as long as
 * Redis is full; the asking node finds out itself whether it was published. */
enum { WILL_MS = 300 };

struct disconnect_op {
    struct fleet *f;
    uint64_t epoch;
    uint64_t entry;
    uint32_t expiry_s;
    unsigned runs;           /* of Redis, when it was told */
    struct fleet_bytes will; /* as this node has it, if it is due, now or later */
    uint64_t delay_ms;       /* of it */
    uint64_t grace_ms;       /* the least */
    store_done_fn *done;
    void *arg;
    bool waits; /* for its will; in the list */
    uint64_t until_ms;
    TAILQ_ENTRY(disconnect_op) waiting;
    /* Of a durable session, which may have to be asserted once more. */
    struct fleet_hold *h; /* NULL: it isn't */
    struct store_hold hold;
    bool again;
    char *user;
    size_t client_len;
    char client[];
};

TAILQ_HEAD(disconnect_list, disconnect_op);

bool fleet_disconnects_init(struct fleet *f)
{
    f->disconnects = malloc(sizeof(*f->disconnects));
    if (f->disconnects == NULL)
        return false;
    TAILQ_INIT(f->disconnects);
    return true;
}

void fleet_disconnects_free(struct fleet *f)
{
    free(f->disconnects);
    f->disconnects = NULL;
}

static void op_free(struct disconnect_op *op)
{
    fleet_hold_unref(op->h);
    fleet_bytes_fini(&op->will);
    free(op->user);
    free(op);
}

static void tell(struct disconnect_op *op, enum store_status status)
{
    store_done_fn *done = op->done;
    op->done = NULL;
    if (done != NULL && status == STORE_OK)
        fleet_append_wait(op->f, op->entry, done, op->arg);
    else if (done != NULL)
        done(op->arg, status);
}

static void finish(struct disconnect_op *op, enum store_status status)
{
    tell(op, status);
    op_free(op);
}

/* ---- the will -------------------------------------------------------------------------------- */

static void stop_waiting(struct disconnect_op *op)
{
    if (op->waits)
        TAILQ_REMOVE(op->f->disconnects, op, waiting);
    op->waits = false;
}

static void on_will_published(void *arg, enum store_status status)
{
    struct disconnect_op *op = arg;
    stop_waiting(op);
    finish(op, status);
}

static void publish_will(struct disconnect_op *op, const void *frame, size_t len)
{
    op->waits = true;
    op->until_ms = op->f->now_ms + WILL_MS;
    TAILQ_INSERT_TAIL(op->f->disconnects, op, waiting);
    fleet_will_publish(op->f, op->client, op->client_len, op->epoch, frame, len, on_will_published,
                       op);
}

void fleet_disconnect_tick(struct fleet *f)
{
    struct disconnect_op *op;
    while ((op = TAILQ_FIRST(f->disconnects)) != NULL && f->now_ms >= op->until_ms) {
        stop_waiting(op);
        tell(op, STORE_OK);
    }
}

/* ---- another run of Redis -------------------------------------------------------------------- */

static void write_disconnect(struct disconnect_op *op, bool due);

static void announce_subscribed(void *arg, const struct store_subscription *sub)
{
    struct disconnect_op *op = arg;
    struct fleet_options o = fleet_options_write(sub);
    struct fleet_session_ref session = {
        .client = {.data = (const uint8_t *)op->client, .len = (uint32_t)op->client_len},
        .epoch = op->epoch};
    fleet_append_subscribed(op->f, session, sub->filter,
                            (struct mqtt_slice){.data = o.bytes, .len = (uint32_t)o.len});
}

/* Redis may have an older session than the one that ended, or none, and no other node can assert
 * it. So it is asserted as if it were connected, and then ended. */
static void begin_again(struct disconnect_op *op)
{
    struct fleet *f = op->f;
    struct fleet_hold *h = op->h;
    bool due = op->will.len > 0;
    op->again = false;
    op->runs = f->runs;
    if (f->host.hold_of(f->host.arg, store_hold_id(&op->hold)) != NULL) {
        finish(op, STORE_OK); /* it is back, and asserts itself */
        return;
    }
    if (due)
        h->will = op->will;
    h->hold = &op->hold;
    fleet_hold_assert(h);
    h->hold = NULL;
    if (due)
        h->will = (struct fleet_bytes){0};
    f->host.each_subscription(f->host.arg, store_hold_id(&op->hold), announce_subscribed, op);
    write_disconnect(op, due);
}

/* ---- the call -------------------------------------------------------------------------------- */

static void on_disconnect(void *arg, const redisReply *r)
{
    struct disconnect_op *op = arg;
    struct fleet *f = op->f;
    enum store_status status = fleet_reply_status(r);
    if (status != STORE_OK || r->type != REDIS_REPLY_ARRAY || r->elements != 3) {
        finish(op, status != STORE_OK ? status : STORE_UNAVAILABLE);
        return;
    }
    if (op->again) {
        begin_again(op);
        return;
    }
    if (r->element[1]->integer == 1)
        op->entry = fleet_session_ended(
            f, (struct fleet_session_ref){
                   .client = {.data = (const uint8_t *)op->client, .len = (uint32_t)op->client_len},
                   .epoch = op->epoch});
    if (r->element[2]->len > 0)
        publish_will(op, r->element[2]->str, r->element[2]->len);
    else if (op->will.len > 0 && op->delay_ms == 0 && op->runs != f->runs &&
             strcmp(r->element[0]->str, "lost") == 0)
        publish_will(op, op->will.data, op->will.len); /* another Redis, without it */
    else
        finish(op, STORE_OK);
}

static void void_will(void *each_arg, void *arg, struct redis_args args)
{
    const struct fleet *f = each_arg;
    struct disconnect_op *op = arg;
    (void)args;
    if (fleet_taken_has(f, fleet_behalf_of(f, op->client, op->client_len, op->epoch)))
        op->will.len = 0;
}

void fleet_disconnects_void(struct fleet *f)
{
    redis_queue_each(f->q, on_disconnect, void_will, f);
}

/* EVALSHA sha 1 key · client, epoch, ...: of an epoch that nobody has it does nothing. */
static void void_call(void *each_arg, void *arg, struct redis_args args)
{
    struct disconnect_op *op = arg;
    size_t len = 0;
    char *epoch = NULL;
    (void)each_arg;
    for (size_t i = 0; i < 4 + 2; i++)
        epoch = redis_args_next(&args, &len);
    if (epoch == NULL || op->h == NULL)
        return;
    memset(epoch, '0', len);
    op->again = true;
}

void fleet_disconnects_run_changed(struct fleet *f)
{
    redis_queue_each(f->q, on_disconnect, void_call, NULL);
}

static void write_disconnect(struct disconnect_op *op, bool due)
{
    struct fleet *f = op->f;
    const struct fleet_hold *h = op->hold.store_data;
    struct fleet_key key = fleet_key_clients(&f->keys, h->bucket);
    scripts_begin(&f->scripts, f->q, SCRIPT_DISCONNECT, key.text, 8);
    redis_queue_arg(f->q, op->client, op->client_len);
    redis_queue_u64(f->q, op->epoch);
    redis_queue_str(f->q, f->hex);
    redis_queue_str(f->q, due ? "1" : "0");
    redis_queue_u64(f->q, op->grace_ms);
    fleet_hold_write_expiry(f->q, op->expiry_s);
    redis_queue_u64(f->q, h->sent);
    redis_queue_str(f->q, h->unsaid > 0 ? "1" : "0");
    redis_queue_end(f->q, REDIS_REPLAY, on_disconnect, op);
}

static struct disconnect_op *op_new(struct fleet *f, struct store_hold *hold, uint32_t expiry_s)
{
    struct fleet_hold *h = hold->store_data;
    struct disconnect_op *op = calloc(1, sizeof(*op) + hold->client_id_len + 1);
    if (op == NULL)
        return NULL;
    op->f = f;
    op->epoch = hold->epoch;
    op->expiry_s = expiry_s;
    op->runs = f->runs;
    op->client_len = hold->client_id_len;
    memcpy(op->client, hold->client_id, hold->client_id_len);
    op->hold = *hold;
    op->hold.client_id = op->client;
    op->hold.user = NULL;
    if (!hold->durable || expiry_s == 0)
        return op;
    if (hold->user != NULL && (op->user = strdup(hold->user)) == NULL) {
        free(op);
        return NULL;
    }
    op->hold.user = op->user;
    op->h = h;
    h->refs++;
    return op;
}

/* What it published is written before its end. Otherwise a stall in between could bring it after
 * what the client publishes next at another broker, which has no owner to ask. In the turn's
 * order. */
static void flush_publishes(struct fleet *f, const struct fleet_hold *h)
{
    if (h->publishes == NULL && !fleet_retaining_is_due(f))
        return;
    fleet_queues_flush(f);
    fleet_group_queues_flush(f);
    outboxes_flush(f);
    if (fleet_can_act(f))
        fleet_channel_flush(f, fleet_retaining_is_due(f));
    fleet_retaining_flush(f);
}

/* Redis decides; this is for what it may lose, and to look in time. */
static void take_will(struct disconnect_op *op, struct fleet_hold *h)
{
    uint32_t delay_s = op->hold.durable ? h->will_delay_s : 0;
    if (delay_s > op->expiry_s) /* STORE_EXPIRES_NEVER is the largest */
        delay_s = op->expiry_s;
    op->delay_ms = (uint64_t)delay_s * 1000;
    if (op->delay_ms < op->grace_ms)
        op->delay_ms = op->grace_ms;
    if (op->delay_ms > 0)
        fleet_due_expect(op->f, h->bucket, op->delay_ms);
    account_uncount(ACCOUNT_CLIENTS, h->will.data);
    op->will = h->will;
    h->will = (struct fleet_bytes){0};
}

void fleet_disconnect(struct fleet *f, struct store_hold *hold, bool publish_will,
                      uint32_t session_expiry_s, store_done_fn *done, void *arg)
{
    struct fleet_hold *h = hold->store_data;
    struct disconnect_op *op = h != NULL ? op_new(f, hold, session_expiry_s) : NULL;
    if (op == NULL) {
        fleet_defer(f, done, arg, h == NULL ? STORE_OK : STORE_UNAVAILABLE);
        return;
    }
    op->done = done;
    op->arg = arg;
    fleet_hold_assert_once(h);
    op->grace_ms = (uint64_t)hold->will_grace_s * 1000;
    if (publish_will && h->will.len > 0)
        take_will(op, h);
    fleet_acks_write(h);
    flush_publishes(f, h);
    write_disconnect(op, publish_will);
    fleet_hold_drop(h);
}
