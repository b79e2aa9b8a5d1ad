/*
 * topic_match - the subscribers of a topic tree that a topic name concerns.
 *
 * Data flow: router.c asks, and keeps the answer in match_cache.c.
 * Cost:      at most two nodes for each filter that fits; topic_weight.h bounds them together.
 * Errors:    false when out of memory; `out` is of no use then.
 */
#ifndef FLOTILLA_BROKER_ROUTING_TOPIC_MATCH_H
#define FLOTILLA_BROKER_ROUTING_TOPIC_MATCH_H

#include "broker/routing/subscriber.h"

struct topic_tree;

struct topic_match {
    struct subscriber *subscriber;
    struct subscription_options options; /* of overlapping subscriptions: the highest QoS */
};
struct topic_matches {
    struct topic_match *items;
    uint32_t count, capacity;
};

/* Fills `out` (reused, grown as needed; the caller frees out->items) with each subscriber that
 * matches, once. A leading wildcard doesn't match a name that starts with '$' (4.7.2). */
bool topic_tree_match(struct topic_tree *t, struct mqtt_slice topic, struct topic_matches *out);

#endif
