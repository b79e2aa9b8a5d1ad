/*
 * fleet_nodes - the other nodes, and what waits here to be sent to each.
 *
 * Data flow: made when the log, a beat or a client's claim first names one; gone when it is dead.
 * Ownership: the table owns the nodes. The host has their addresses, and is told before one goes.
 */
#ifndef FLOTILLA_BROKER_FLEET_EXCHANGE_FLEET_NODES_H
#define FLOTILLA_BROKER_FLEET_EXCHANGE_FLEET_NODES_H

#include <uthash.h>

#include "broker/fleet/exchange/outbox_chunk.h"
#include "broker/fleet/wire/fleet_keys.h"

struct fleet;

/* Another node. */
struct route_node {
    uint64_t id;
    UT_hash_handle hh;
    char hex[FLEET_HEX_SIZE];
    uint64_t known_since;    /* boot_ms */
    bool killing;            /* a kill script is under way */
    unsigned generation;     /* the load in which it was last seen (loads of the context) */
    struct outbox outbox;    /* QoS 1 and 2, wake-ups, requests: to its inbox */
    struct fleet_bytes bulk; /* QoS 0: to its channel */
    uint32_t bulk_count;
    uint64_t bulk_sent_us; /* when the last batch went */
};

/* NULL: there is none. */
struct route_node *fleet_node_find(struct fleet *f, uint64_t id);
/* Made when it is new; NULL: no memory. */
struct route_node *fleet_node_get(struct fleet *f, uint64_t id);
/* Dead or gone: its routes go, who waits for it is told. */
void fleet_node_remove(struct fleet *f, struct route_node *n);
/* This node's place among all, for shared work. */
void fleet_nodes_rank(struct fleet *f, unsigned *rank, unsigned *count);

#endif
