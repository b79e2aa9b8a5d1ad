/* Rule 7, SEIZING: the wills of former connections that their owners didn't publish are published
 * before the CONNACK. Comes from fleet_owners.c; fleet_connect.c settles what is left. */
#include <string.h>

#include "broker/fleet/connect/fleet_connect_op.h"
#include "broker/fleet/fence/fleet_cut.h"
#include "broker/fleet/hold/fleet_hold.h"
#include "broker/fleet/node/fleet.h"
#include "broker/fleet/session/fleet_will.h"
#include "broker/fleet/storage/fleet_full.h"

enum { SEIZE_BUSY_MS = 1000 };

/* The oldest will is out, or isn't there any more. */
static void next_will(struct connect_op *op)
{
    op->wills[0] = op->wills[1];
    op->wills[1] = 0;
    op->seizing.taker = 0;
    op->seizing.until_ms = op->f->now_ms + SEIZE_BUSY_MS;
    connect_seize(op);
}

/* One that failed is still this node's to publish, and must be out before the CONNACK. */
static void on_will_out(void *arg, enum store_status status)
{
    struct connect_op *op = arg;
    struct fleet *f = op->f;
    op->seizing.busy = false;
    if (status == STORE_OK)
        next_will(op);
    else if (!fleet_is_joined(f) || f->now_ms >= op->seizing.give_up_ms)
        connect_finish(op, STORE_UNAVAILABLE);
    else
        connect_wait(op, CONNECT_WAIT_WILL); /* fleet_connect_tick seizes it again */
}

static void on_taker_cut(void *arg, enum store_status status)
{
    struct connect_op *op = arg;
    op->seizing.busy = false;
    if (status != STORE_OK)
        connect_finish(op, status);
    else
        connect_seize(op);
}

static void on_room(void *arg, enum store_status status)
{
    struct connect_op *op = arg;
    struct fleet *f = op->f;
    if (status == STORE_OK) {
        fleet_cut_client(f, op->seizing.taker, connect_session(op), on_taker_cut, op);
        return;
    }
    op->seizing.busy = false;
    op->seizing.taker = 0;
    if (status == STORE_FULL && f->now_ms < op->seizing.give_up_ms)
        connect_wait(op, CONNECT_WAIT_ROOM); /* fleet_connect_tick asks again */
    else
        connect_finish(op, STORE_UNAVAILABLE);
}

/* Another node publishes the will. It is given a second, and longer while Redis is full; then that
 * node is cut off from the will first, so that it can't publish it again behind what this client
 * publishes next. */
static void wait_for_taker(struct connect_op *op, const redisReply *hex)
{
    struct fleet *f = op->f;
    uint64_t taker = 0;
    bool was_cut = false;
    fleet_hex_parse(hex->str, hex->len, &taker);
    for (size_t i = 0; i < op->owner_count; i++)
        was_cut |= op->owners[i].node == taker && op->owners[i].was_cut;
    if (!was_cut && f->now_ms < op->seizing.until_ms) {
        connect_wait(op, CONNECT_WAIT_WILL); /* fleet_connect_tick asks again */
        return;
    }
    op->seizing.taker = taker;
    op->seizing.busy = true;
    if (was_cut)
        on_taker_cut(op, STORE_OK);
    else
        fleet_full_ask(f, on_room, op);
}

static void on_seized(void *arg, const redisReply *r)
{
    struct connect_op *op = arg;
    struct fleet *f = op->f;
    op->seizing.busy = false;
    if (fleet_reply_status(r) != STORE_OK || r->type != REDIS_REPLY_ARRAY) {
        connect_finish(op, fleet_reply_status(r) == STORE_OK ? STORE_UNAVAILABLE
                                                             : fleet_reply_status(r));
        return;
    }
    const char *word = r->element[0]->str;
    op->seizing.busy = strcmp(word, "will") == 0;
    if (op->seizing.busy)
        fleet_will_publish(f, op->hold->client_id, op->hold->client_id_len, op->wills[0],
                           r->element[1]->str, r->element[1]->len, on_will_out, op);
    else if (strcmp(word, "busy") == 0)
        wait_for_taker(op, r->element[1]);
    else
        next_will(op);
}

void connect_enter_seizing(struct connect_op *op)
{
    op->seizing = (struct connect_seizing){.until_ms = op->f->now_ms + SEIZE_BUSY_MS,
                                           .give_up_ms = op->f->now_ms + CONNECT_MS};
}

void connect_seize(struct connect_op *op)
{
    struct fleet *f = op->f;
    struct fleet_key key = fleet_key_clients(&f->keys, op->h->bucket);
    if (op->state != CONNECT_SEIZING)
        connect_enter(op, CONNECT_SEIZING);
    if (connect_is_fenced(op)) {
        connect_finish(op, STORE_FENCED);
        return;
    }
    if (op->again) {
        connect_begin_again(op);
        return;
    }
    if (op->wills[0] == 0 && op->wills[1] != 0)
        op->wills[0] = op->wills[1], op->wills[1] = 0;
    if (op->wills[0] == 0) {
        connect_restore(op);
        return;
    }
    op->seizing.busy = true;
    connect_wait(op, CONNECT_WAIT_NONE); /* until its answer says so */
    scripts_begin(&f->scripts, f->q, SCRIPT_SEIZE, key.text, 4);
    redis_queue_arg(f->q, op->hold->client_id, op->hold->client_id_len);
    redis_queue_u64(f->q, op->wills[0]);
    redis_queue_str(f->q, f->hex);
    char taker[FLEET_HEX_SIZE];
    fleet_hex(op->seizing.taker, taker);
    redis_queue_str(f->q, taker);
    redis_queue_end(f->q, REDIS_REPLAY, on_seized, op);
}
