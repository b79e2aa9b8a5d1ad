/* The table of other nodes: made when the log or a beat first names one, gone when it is dead. */
#include "broker/fleet/exchange/fleet_nodes.h"

#include <stdlib.h>
#include <string.h>

#include "broker/fleet/exchange/outbox_chain.h"
#include "broker/fleet/node/fleet.h"
#include "common/log/log.h"

struct route_node *fleet_node_find(struct fleet *f, uint64_t id)
{
    struct route_node *n = NULL;
    HASH_FIND(hh, f->nodes, &id, sizeof(id), n);
    return n;
}

struct route_node *fleet_node_get(struct fleet *f, uint64_t id)
{
    struct route_node *n = fleet_node_find(f, id);
    if (n != NULL)
        return n;
    n = calloc(1, sizeof(*n));
    if (n == NULL)
        return NULL;
    outbox_init(&n->outbox);
    n->id = id;
    n->known_since = f->boot_ms;
    fleet_hex(id, n->hex);
    HASH_ADD(hh, f->nodes, id, sizeof(n->id), n);
    metric_set(f->metrics.nodes, (int64_t)HASH_COUNT(f->nodes) + 1);
    LOG_INFO("node_seen", KV_STR("node", n->hex));
    return n;
}

void fleet_node_remove(struct fleet *f, struct route_node *n)
{
    uint64_t id = n->id;
    f->host.node_removed(f->host.arg, n);
    HASH_DEL(f->nodes, n);
    metric_set(f->metrics.nodes, (int64_t)HASH_COUNT(f->nodes) + 1);
    outbox_drop(f, &n->outbox);
    outbox_chain_leave(f, id);
    fleet_bytes_fini(&n->bulk);
    free(n);
    f->connect_ops->node_gone(f, id);
}

void fleet_nodes_rank(struct fleet *f, unsigned *rank, unsigned *count)
{
    *rank = 0;
    *count = 1;
    for (struct route_node *n = f->nodes; n != NULL; n = n->hh.next) {
        (*count)++;
        if (n->id < f->id)
            (*rank)++;
    }
}
