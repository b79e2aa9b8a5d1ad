/*
 * router - decides who gets a message: walks the topic tree (with a cache keyed by topic), delivers
 * to local sessions, and hands the rest (queues of durable sessions, other nodes) to the store.
 *
 * Data flow: publish handlers, wills and $SYS call router_publish; the store calls
 * router_deliver_local for what other nodes sent and router_route_* for what other nodes want. The
 * tree's leaves are subscribers: sessions (broker/session.h) and nodes. Ownership: the router owns
 * the tree and the cache, never the subscribers; who frees a subscriber takes it out of the tree
 * first.
 */
#ifndef FLOTILLA_BROKER_ROUTER_H
#define FLOTILLA_BROKER_ROUTER_H

#include "broker/message.h"
#include "broker/store.h"

struct router;
struct session;

/* ---- for the fleet ------------------------------------------------------------------------------
 */

/* Another node wants what matches the filter. `node` is the fleet's struct, opaque here. Adding
 * twice is harmless; router_node_removed takes all of a node's routes. */
bool router_route_add(struct router *r, void *node, struct mqtt_slice filter);
void router_route_remove(struct router *r, void *node, struct mqtt_slice filter);
void router_node_removed(struct router *r, void *node);

/* Matches again, for rule 5: the queue targets and nodes for a message as of now. The arrays belong
 * to the router and are valid until its next call. */
void router_targets(struct router *r, const struct message *m, struct store_targets *out);

/* Calls back for each distinct filter that this broker's connected sessions hold now: the routes
 * this node must announce (at start-over, and after Redis lost its data). */
void router_local_filters(struct router *r, void (*each)(void *arg, struct mqtt_slice filter),
                          void *arg);

/* Delivers another node's message to this broker's connected sessions (see store_host.deliver). */
void router_deliver_local(struct router *r, struct message *m);

#endif
