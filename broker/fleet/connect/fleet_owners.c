/* Rule 7, HANDING_OVER: the nodes that the claim names are asked to hand the client over; from those
 * that don't answer it is taken. fleet_hand_over.c is the other side. */
#include <stdlib.h>
#include <string.h>

#include "broker/fleet/connect/fleet_connect_op.h"
#include "broker/fleet/exchange/fleet_nodes.h"
#include "broker/fleet/exchange/fleet_outbox.h"
#include "broker/fleet/fence/fleet_cut.h"
#include "broker/fleet/hold/fleet_hold.h"
#include "broker/fleet/node/fleet.h"
#include "common/log/log.h"

/* No older connection is left anywhere: the next claim needn't ask them any more. */
static void forget_owners(struct connect_op *op)
{
    struct fleet *f = op->f;
    struct fleet_key key = fleet_key_clients(&f->keys, op->h->bucket);
    scripts_begin(&f->scripts, f->q, SCRIPT_HANDED_OVER, key.text, 2);
    redis_queue_arg(f->q, op->hold->client_id, op->hold->client_id_len);
    redis_queue_u64(f->q, op->hold->epoch);
    redis_queue_end(f->q, REDIS_REPLAY, NULL, NULL);
}

static void owner_gone(struct connect_owner *o)
{
    struct connect_op *op = o->op;
    o->state = OWNER_GONE;
    for (size_t i = 0; i < op->owner_count; i++)
        if (op->owners[i].state != OWNER_GONE)
            return;
    if (op->outcome != STORE_OK) { /* an older connection may be left: the next claim asks again */
        connect_finish(op, op->outcome);
        return;
    }
    if (op->owner_count > 0 && !op->again)
        forget_owners(op);
    connect_seize(op);
}

static void on_owner_cut(void *arg, enum store_status status)
{
    struct connect_owner *o = arg;
    struct connect_op *op = o->op;
    o->was_cut = true;
    if (status == STORE_OK) {
        owner_gone(o);
        return;
    }
    o->state = OWNER_GONE;
    op->outcome = STORE_UNAVAILABLE;
    for (size_t i = 0; i < op->owner_count; i++)
        if (op->owners[i].state == OWNER_CUT)
            return; /* its answer refers to the op */
    connect_finish(op, status);
}

static void cut_owner(struct connect_owner *o)
{
    o->state = OWNER_CUT;
    fleet_cut_client(o->op->f, o->node, connect_session(o->op), on_owner_cut, o);
}

static void ask_owner(struct connect_owner *o)
{
    struct connect_op *op = o->op;
    struct fleet *f = op->f;
    if (o->node == f->id) {
        connect_await_own(op);
        return;
    }
    /* A node that this one doesn't know may be new or dead: its inbox will tell. */
    struct route_node *n = fleet_node_get(f, o->node);
    if (n == NULL)
        cut_owner(o);
    else
        outbox_add_hand_over(f, n, op->request, op->hold->epoch, connect_session(op).client);
}

void connect_ask_owners(struct connect_op *op)
{
    size_t count = op->owner_count;
    connect_enter(op, CONNECT_HANDING_OVER);
    if (count == 0) {
        connect_seize(op);
        return;
    }
    metric_add(op->f->metrics.takeovers, 1);
    for (size_t i = count; i-- > 0;) /* the last answer may end the op: this node's own is first */
        ask_owner(&op->owners[i]);
}

static struct connect_owner *owner_asked(struct connect_op *op, uint64_t node)
{
    for (size_t i = 0; op->state == CONNECT_HANDING_OVER && i < op->owner_count; i++)
        if (op->owners[i].node == node && op->owners[i].state == OWNER_ASKED)
            return &op->owners[i];
    return NULL;
}

void connect_answered(struct fleet *f, uint64_t node, uint64_t request)
{
    struct connect_op *op = connect_of_request(f, request);
    struct connect_owner *o = op != NULL ? owner_asked(op, node) : NULL;
    if (o != NULL)
        owner_gone(o);
}

void connect_node_gone(struct fleet *f, uint64_t node)
{
    if (!fleet_is_joined(f))
        return;
    struct connect_op *next;
    for (struct connect_op *op = connect_list_first(f); op != NULL; op = next) {
        struct connect_owner *o = owner_asked(op, node);
        next = op->next;
        if (o != NULL)
            cut_owner(o);
    }
}

/* The wait for owners that don't answer is over. */
void connect_pass_over_owners(struct connect_op *op)
{
    LOG_LIMITED(LOG_LEVEL_WARN, "owner_silent", KV_STR("client_id", op->hold->client_id));
    for (size_t i = op->owner_count; i-- > 0;) {
        struct connect_owner *o = &op->owners[i];
        if (o->state == OWNER_ASKED && o->node == op->f->id)
            owner_gone(o); /* the first one, so the loop's last: the op may be over */
        else if (o->state == OWNER_ASKED)
            cut_owner(o);
    }
}

/* The claim names those to be asked anew. True when nobody is being cut off, whose answer would come
 * in the midst of that. */
bool connect_leave_owners(struct connect_op *op)
{
    bool left = true;
    for (size_t i = 0; i < op->owner_count; i++) {
        if (op->owners[i].state == OWNER_ASKED)
            op->owners[i].state = OWNER_GONE;
        left &= op->owners[i].state == OWNER_GONE;
    }
    return left;
}
