/* Rule 7, CLAIMING: writes the claim script's call and reads its answer; READING: the subscriptions that it
 * had no room for. */
#include <stdlib.h>
#include <string.h>

#include "broker/fleet/connect/fleet_connect.h"
#include "broker/fleet/connect/fleet_connect_op.h"
#include "broker/fleet/exchange/fleet_nodes.h"
#include "broker/fleet/fence/fleet_subscriptions.h"
#include "broker/fleet/hold/fleet_hold.h"
#include "broker/fleet/log/fleet_epochs.h"
#include "broker/fleet/log/fleet_reannounce.h"
#include "broker/fleet/node/fleet.h"
#include "broker/fleet/node/fleet_behalf.h"
#include "broker/fleet/storage/fleet_usage.h"
#include "common/log/log.h"

static uint64_t number_of(const redisReply *r)
{
    return r->str != NULL ? strtoull(r->str, NULL, 10) : 0;
}

static bool list_subscriptions(struct connect_op *op)
{
    bool ok;
    op->subs = fleet_subscriptions_list(&op->text, &ok);
    op->result.subscriptions = op->subs;
    op->result.subscription_count = ok ? op->text.count : 0;
    return ok;
}

static bool take_released(struct connect_op *op, const redisReply *released)
{
    op->released = calloc(released->elements + 1, sizeof(*op->released));
    if (op->released == NULL)
        return false;
    for (size_t i = 0; i < released->elements; i++)
        op->released[i] = number_of(released->element[i]);
    op->result.released = op->released;
    op->result.released_count = released->elements;
    return true;
}

/* The node that had the client, and those before it that may not have handed it over yet: hex,
 * separated by blanks. This node itself comes first. */
static void take_owners(struct connect_op *op, const redisReply *r)
{
    size_t step = FLEET_HEX_SIZE;
    op->owner_count = 0;
    for (size_t at = 0; at + step - 1 <= r->len && op->owner_count < OWNERS_MAX; at += step) {
        struct connect_owner *o = &op->owners[op->owner_count];
        *o = (struct connect_owner){.op = op};
        if (!fleet_hex_parse(r->str + at, step - 1, &o->node))
            continue;
        op->owner_count++;
        if (o->node == op->f->id && o != op->owners) {
            struct connect_owner first = op->owners[0];
            op->owners[0] = *o;
            *o = first;
        }
    }
}

/* {epoch, previous owners, present, ended, last sequence, last sent, first queued, epoch of the
 * former owner's will, epoch of a will being published, subscriptions, released, filters being
 * removed, has it made a session, cursor of the rest of the subscriptions} */
static bool take_claim(struct connect_op *op, const redisReply *r)
{
    struct fleet *f = op->f;
    struct redisReply **e = r->element;
    op->hold->epoch = op->h->behalf.epoch = number_of(e[0]);
    memcpy(op->h->run, f->run_tag, sizeof(op->h->run));
    take_owners(op, e[1]);
    op->result.session_present = e[2]->str[0] == '1';
    struct fleet_session_ref session = connect_session(op);
    if (op->hold->durable)
        fleet_session_is_new(f, session);
    if (e[3]->str[0] == '1')
        fleet_session_ended(f, session);
    if (e[11]->elements > 0)
        op->entry = fleet_reannounce_removals(f, session, e[11]);
    op->result.next_sequence = e[6]->len > 0 ? number_of(e[6]) : number_of(e[4]) + 1;
    op->wills[0] = number_of(e[8]);
    op->wills[1] = number_of(e[7]);
    fleet_subscriptions_take(&op->text, e[9], 0);
    return take_released(op, e[10]);
}

/* Whether the claim was granted. */
static enum store_status claim_status(const redisReply *r)
{
    enum store_status status = fleet_reply_status(r);
    if (status != STORE_OK)
        return status;
    if (r->type == REDIS_REPLY_ARRAY && r->elements == 14)
        return STORE_OK;
    if (r->type != REDIS_REPLY_ARRAY || r->elements != 1)
        return STORE_UNAVAILABLE;
    if (strcmp(r->element[0]->str, "full") == 0)
        return STORE_FULL;
    return strcmp(r->element[0]->str, "user") == 0 ? STORE_NOT_OWNER : STORE_FENCED;
}

/* Also when fenced: the node that claimed next waits for this. */
static void on_read(void *arg, enum store_status status, uint64_t epoch)
{
    struct connect_op *op = arg;
    (void)epoch;
    if (status == STORE_OK && !op->again && !list_subscriptions(op))
        status = STORE_UNAVAILABLE;
    if (status != STORE_OK)
        connect_finish(op, status);
    else if (op->again)
        connect_begin_again(op);
    else
        connect_ask_owners(op);
}

static void note_full(const struct connect_op *op)
{
    const struct fleet *f = op->f;
    metric_add(f->metrics.sessions_refused, 1);
    LOG_LIMITED(LOG_LEVEL_WARN, "durable_sessions_full", KV_STR("client_id", op->hold->client_id),
                KV_UINT("sessions", f->usage->sessions),
                KV_UINT("limit", f->usage->limits.sessions),
                KV_STR("key", fleet_usage_may_grow(f->usage) ? "limits.max_durable_sessions"
                                                             : "limits.max_stored_bytes"),
                KV_STR("effect", "no new durable sessions; those that are there come back"));
}

static void on_claim(void *arg, const redisReply *r)
{
    struct connect_op *op = arg;
    enum store_status status = claim_status(r);
    if (op->may_make)
        fleet_usage_settle(op->f->usage, status == STORE_OK && r->element[12]->integer == 1);
    if (status == STORE_FULL)
        note_full(op);
    if (status == STORE_OK && !take_claim(op, r))
        status = STORE_UNAVAILABLE;
    if (status != STORE_OK) {
        connect_finish(op, status);
        return;
    }
    LOG_DEBUG("client_claimed", KV_STR("client_id", op->hold->client_id),
              KV_UINT("epoch", op->hold->epoch), KV_UINT("owners", op->owner_count),
              KV_UINT("fenced_by", op->fenced_by));
    connect_pass_on_asked(op);
    connect_enter(op, CONNECT_READING);
    if (strcmp(r->element[13]->str, "0") != 0)
        fleet_subscriptions_read(op->f, connect_session(op).client, r->element[13]->str, &op->text,
                                 on_read, op);
    else
        on_read(op, STORE_OK, op->hold->epoch);
}

static void retag(void *each_arg, void *arg, struct redis_args args)
{
    const struct fleet *f = each_arg;
    (void)arg;
    scripts_end_arg(args, 10, f->run_tag);
}

void fleet_connects_run_changed(struct fleet *f)
{
    redis_queue_each(f->q, on_claim, retag, f);
}

void connect_claim(struct connect_op *op)
{
    struct fleet *f = op->f;
    struct fleet_key key = fleet_key_clients(&f->keys, op->h->bucket);
    connect_enter(op, CONNECT_CLAIMING);
    op->may_make =
        op->hold->durable && fleet_usage_has_room(f->usage, HASH_COUNT(f->nodes) + 1, f->now_ms);
    if (op->may_make)
        fleet_usage_promise(f->usage);
    scripts_begin(&f->scripts, f->q, SCRIPT_CLAIM, key.text, 11);
    redis_queue_arg(f->q, op->hold->client_id, op->hold->client_id_len);
    redis_queue_str(f->q, f->hex);
    redis_queue_str(f->q, op->hold->durable ? "1" : "0");
    redis_queue_str(f->q, op->clean_start ? "1" : "0");
    redis_queue_u64(f->q, op->request);
    fleet_hold_write_expiry(f->q, op->h->expiry_s);
    redis_queue_u64(f->q, op->h->arrived.earliest);
    redis_queue_u64(f->q, op->h->arrived.latest);
    fleet_hold_write_user(f->q, op->hold);
    redis_queue_str(f->q, f->run_tag);
    redis_queue_str(f->q, op->may_make ? "1" : "0");
    redis_queue_end(f->q, REDIS_REPLAY, on_claim, op);
}
