/* The other side of rule 7: this node is asked to hand a client over. A connection of it is closed
 * by the core; an attempt from an earlier claim is ended. The answer is sent when neither is
 * left. */
#include <stdlib.h>
#include <string.h>

#include "broker/fleet/connect/fleet_connect_op.h"
#include "broker/fleet/exchange/fleet_nodes.h"
#include "broker/fleet/exchange/fleet_outbox.h"
#include "broker/fleet/node/fleet.h"
#include "common/log/log.h"

static bool is_about(const struct handover *l, const struct connect_op *op)
{
    return op->request != l->request && op->hold->epoch <= l->epoch;
}

static void answer(struct handover *l)
{
    if (l->node == l->f->id) {
        connect_answered(l->f, l->node, l->request);
    } else {
        struct route_node *n =
            fleet_node_get(l->f, l->node); /* it may be newer than our last beat */
        if (n != NULL)
            outbox_add_gone(l->f, n, l->request);
    }
    free(l);
}

/* Answers when no attempt of an earlier claim goes on any more. Such attempts fail, but each goes
 * on until its own former owner has handed the client over: only then is the client id free. */
static void await_connecting(struct handover *l)
{
    struct connect_op *op = connect_of_client(l->f, l->client, l->client_len);
    struct connect_op *last = NULL;
    for (; op != NULL; op = connect_next_of_client(op)) {
        if (!is_about(l, op))
            continue;
        if (l->epoch > op->fenced_by)
            op->fenced_by = l->epoch;
        last = op;
    }
    if (last == NULL) {
        answer(l);
        return;
    }
    l->next = last->asked;
    last->asked = l;
    if (last->state == CONNECT_SEIZING && !last->seizing.busy)
        connect_finish(last, STORE_FENCED);
}

void connect_pass_on_asked(struct connect_op *op)
{
    struct handover *list = op->asked;
    op->asked = NULL;
    while (list != NULL) {
        struct handover *l = list;
        list = l->next;
        await_connecting(l);
    }
}

static void on_handed_over(void *arg, enum store_status status)
{
    (void)status;
    await_connecting(arg);
}

/* The connection that is there already is the core's to close. */
static void ask_core(struct handover *l)
{
    LOG_DEBUG("client_asked", KV_STR("client_id", l->client), KV_UINT("epoch", l->epoch),
              KV_UINT("by", l->node));
    l->f->host.hand_over(l->f->host.arg, mqtt_slice_of(l->client, l->client_len), l->epoch,
                         on_handed_over, l);
}

static struct handover *handover_new(struct fleet *f, uint64_t node, uint64_t request,
                                     uint64_t epoch, struct mqtt_slice client)
{
    struct handover *l = calloc(1, sizeof(*l) + client.len + 1);
    if (l == NULL)
        return NULL;
    l->f = f;
    l->node = node;
    l->request = request;
    l->epoch = epoch;
    l->client_len = client.len;
    memcpy(l->client, client.data, client.len);
    return l;
}

void connect_asked(struct fleet *f, uint64_t node, uint64_t request, struct mqtt_slice client,
                   uint64_t epoch)
{
    struct handover *l = handover_new(f, node, request, epoch, client);
    if (l != NULL)
        ask_core(l);
}

void connect_await_own(struct connect_op *op)
{
    struct mqtt_slice client = {.data = (const uint8_t *)op->hold->client_id,
                                .len = op->hold->client_id_len};
    struct handover *l = handover_new(op->f, op->f->id, op->request, op->hold->epoch, client);
    if (l != NULL)
        await_connecting(l);
}
