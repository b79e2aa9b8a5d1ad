/* Connections on their way to their client ids, each found by its client, by the request that was sent
 * for it, and when its wait is over. Thousands come at once after a failover: nothing here walks over
 * all of them. */
#include <stdlib.h>
#include <string.h>

#include "broker/fleet/connect/fleet_connect.h"
#include "broker/fleet/connect/fleet_connect_op.h"
#include "broker/fleet/hold/fleet_hold.h"
#include "broker/fleet/node/fleet.h"
#include "broker/fleet/node/fleet_behalf.h"

struct fleet_connects {
    struct connect_op *ops;
    struct hash_table by_client, by_request;
    struct connect_queue waits[CONNECT_WAIT_COUNT]; /* each in the order of its ends */
};

static const uint64_t wait_ms[CONNECT_WAIT_COUNT] = {
    [CONNECT_WAIT_OWNERS] = 1000,
    [CONNECT_WAIT_WILL] = 50,
    [CONNECT_WAIT_ROOM] = 250,
    [CONNECT_WAIT_SETTLED] = CONNECT_MS,
};

static const struct fleet_connect_ops ops = {
    .node_gone = connect_node_gone,
    .asked = connect_asked,
    .answered = connect_answered,
    .each_subscription = connect_each_subscription,
};

bool fleet_connects_init(struct fleet *f)
{
    struct fleet_connects *c = f->connects = calloc(1, sizeof(*f->connects));
    f->connect_ops = &ops;
    if (c == NULL)
        return false;
    for (size_t i = 0; i < CONNECT_WAIT_COUNT; i++)
        TAILQ_INIT(&c->waits[i]);
    return hash_table_init(&c->by_client) && hash_table_init(&c->by_request);
}

void fleet_connects_free(struct fleet *f)
{
    if (f->connects == NULL)
        return;
    hash_table_fini(&f->connects->by_client);
    hash_table_fini(&f->connects->by_request);
    free(f->connects);
    f->connects = NULL;
}

static uint32_t client_hash(struct fleet_behalf behalf)
{
    return (uint32_t)(behalf.client >> 32);
}

void connect_list_add(struct connect_op *op)
{
    struct fleet_connects *c = op->f->connects;
    op->next = c->ops;
    if (op->next != NULL)
        op->next->prev = op;
    c->ops = op;
    hash_table_add(&c->by_client, &op->by_client, client_hash(op->h->behalf));
    hash_table_add(&c->by_request, &op->by_request, (uint32_t)op->request);
}

void connect_list_remove(struct connect_op *op)
{
    struct fleet_connects *c = op->f->connects;
    connect_wait(op, CONNECT_WAIT_NONE);
    hash_table_remove(&c->by_client, &op->by_client);
    hash_table_remove(&c->by_request, &op->by_request);
    if (op->prev != NULL)
        op->prev->next = op->next;
    else
        c->ops = op->next;
    if (op->next != NULL)
        op->next->prev = op->prev;
}

struct connect_op *connect_list_first(const struct fleet *f)
{
    return f->connects != NULL ? f->connects->ops : NULL;
}

struct connect_op *connect_of_request(const struct fleet *f, uint64_t request)
{
    struct hash_link *l = hash_table_chain(&f->connects->by_request, (uint32_t)request);
    for (; l != NULL; l = l->next) {
        struct connect_op *op = HASH_OWNER(l, struct connect_op, by_request);
        if (op->request == request)
            return op;
    }
    return NULL;
}

static struct connect_op *of_client(struct hash_link *l, const char *client, size_t len)
{
    for (; l != NULL; l = l->next) {
        struct connect_op *op = HASH_OWNER(l, struct connect_op, by_client);
        if (op->hold->client_id_len == len && memcmp(op->hold->client_id, client, len) == 0)
            return op;
    }
    return NULL;
}

struct connect_op *connect_of_client(const struct fleet *f, const char *client, size_t len)
{
    uint32_t hash = client_hash(fleet_behalf_of(f, client, len, 0));
    return of_client(hash_table_chain(&f->connects->by_client, hash), client, len);
}

struct connect_op *connect_next_of_client(const struct connect_op *op)
{
    return of_client(op->by_client.next, op->hold->client_id, op->hold->client_id_len);
}

/* ---- waits ----------------------------------------------------------------------------------- */

void connect_wait(struct connect_op *op, enum connect_wait wait)
{
    struct fleet_connects *c = op->f->connects;
    if (op->wait != CONNECT_WAIT_NONE)
        TAILQ_REMOVE(&c->waits[op->wait], op, waiting);
    op->wait = wait;
    if (wait == CONNECT_WAIT_NONE)
        return;
    op->deadline_ms = op->f->now_ms + wait_ms[wait];
    TAILQ_INSERT_TAIL(&c->waits[wait], op, waiting);
}

struct connect_op *connect_next_due(const struct fleet *f)
{
    for (size_t i = CONNECT_WAIT_NONE + 1; i < CONNECT_WAIT_COUNT; i++) {
        struct connect_op *op = TAILQ_FIRST(&f->connects->waits[i]);
        if (op != NULL && f->now_ms >= op->deadline_ms)
            return op;
    }
    return NULL;
}
