/*
 * targets - what routing and store tell each other: for whom the store is given a message, and what
 * a session subscribes to.
 *
 * Ownership: arrays and texts are the teller's; valid during the call, or as long as it says.
 */
#ifndef FLOTILLA_BROKER_ROUTING_TARGETS_H
#define FLOTILLA_BROKER_ROUTING_TARGETS_H

#include "common/mqtt/mqtt.h"

/* One granted subscription. */
struct store_subscription {
    struct mqtt_slice filter;
    uint8_t qos;
    bool no_local, retain_as_published;
    uint32_t subscription_id; /* v5, 0: none */
};
typedef void store_subscription_fn(void *arg, const struct store_subscription *sub);

/* What the router found for one message, beyond the clients that are connected here. */
struct store_targets {
    /* Durable sessions that get it from their queue (effective QoS 1 or 2). */
    struct store_queue_target {
        struct mqtt_slice client_id; /* lives as long as the session table's entry */
        uint8_t qos;                 /* effective */
        bool retain_as_published;
        struct mqtt_ids ids; /* of its subscriptions that match; lives as long as the match */
    } * queues;
    size_t queue_count;
    /* Nodes with a matching route (struct route_node of the fleet, as given to router_route_add).
     */
    void **nodes;
    size_t node_count;
    /* Groups of shared subscriptions that get it from their queue: the filters, as
     * "$share/<name>/<filter>"; live as long as the group. */
    struct mqtt_slice *groups;
    size_t group_count;
};
/* How often the store is given the message: for each queue and node, at least once. */
static inline size_t store_targets_copies(const struct store_targets *t)
{
    size_t copies = t->queue_count + t->node_count + t->group_count;
    return copies > 0 ? copies : 1;
}

#endif
