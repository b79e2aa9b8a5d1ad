/*
 * router - decides who gets a message: walks the topic tree (with a cache keyed by topic), delivers
 * to local sessions, and hands the rest (queues of durable sessions, other nodes) to the store.
 *
 * Data flow: publish handlers, wills and $SYS call router_publish; the store calls
 *            router_deliver_local for what other nodes sent and router_route_* for what other nodes
 *            want. The tree's leaves are subscribers: sessions (broker/routing/session.h) and nodes.
 * Ownership: the router owns the tree and the cache, never the subscribers; who frees a subscriber
 *            takes it out of the tree first.
 */
#ifndef FLOTILLA_BROKER_ROUTING_ROUTER_H
#define FLOTILLA_BROKER_ROUTING_ROUTER_H

#include "broker/message/message.h"
#include "broker/store/store.h"

struct encoder;
struct fanouts;
struct timebox;
struct router;
struct session;
struct subscription_options;

struct router *router_new(uint64_t hash_key, struct encoder *encoder);
void router_free(struct router *r);
/* The router and the store know each other; called once before the first publish. */
void router_set_store(struct router *r, struct store *s);

/* ---- for the handlers ------------------------------------------------------------------------ */

/* One message on its way in. */
struct router_publish {
    const struct mqtt_publish *publish;
    struct message *message;   /* the same, when somebody keeps it already (wills); may be NULL */
    struct session *publisher; /* NULL: the broker itself, or a will */
    struct store_hold *hold;   /* the publisher's */
    uint16_t
        qos2_packet_id; /* of a durable publisher, else 0: the store delivers, not the router */
};

/* Delivers to this broker's own clients and finds out who else must get it. ROUTE_STORE: call
 * router_store at once with the same publish; ROUTE_DONE: that was all.
 * In a fleet, QoS 1 and 2 reach the own clients only when the store has completed: until then the
 * message isn't safe, this node may be taken for dead (rule 2), and who subscribes meanwhile gets
 * it, too (promise 1). */
enum route_result { ROUTE_DONE, ROUTE_STORE };
enum route_result router_route(struct router *r, const struct router_publish *p);
/* Hands the message to the store for whom router_route found. `done` may be NULL at QoS 0; without
 * memory for the message it gets STORE_UNAVAILABLE. */
void router_store(struct router *r, const struct router_publish *p, store_done_fn *done, void *arg);
/* A message of the broker itself ($SYS): to this broker's clients only, at QoS 0. */
void router_publish_local(struct router *r, const struct mqtt_publish *p);

struct message_id router_next_message_id(struct router *r);

/* Subscriptions of a session of this broker. */
bool router_subscribe(struct router *r, struct session *s, struct mqtt_slice filter,
                      struct subscription_options options);
/* The same unless one topic could match too many filters with '+' then, of all clients of the fleet
 * together: nothing has changed then. */
enum router_granted { ROUTER_GRANTED, ROUTER_CROWDED, ROUTER_NO_MEMORY };
enum router_granted router_grant(struct router *r, struct session *s, struct mqtt_slice filter,
                                 struct subscription_options options);
/* With which options, if `options` isn't NULL. */
bool router_is_subscribed(struct router *r, struct session *s, struct mqtt_slice filter,
                          struct subscription_options *options);
bool router_unsubscribe(struct router *r, struct session *s, struct mqtt_slice filter);
void router_unsubscribe_all(struct router *r, struct session *s);
/* The same in pieces: true when none is left. */
bool router_unsubscribe_some(struct router *r, struct session *s, struct timebox *box);
/* Calls for each of its subscriptions. The filter is valid during the call. */
void router_each_subscription(struct router *r, const struct session *s,
                              store_subscription_fn *each, void *arg);
/* The session's client is online now. */
void router_session_joined(struct router *r, struct session *s);
/* It is offline now; one that isn't durable loses its subscriptions. */
void router_session_left(struct router *r, struct session *s);

enum { ROUTER_STEPS_PER_US = 8 }; /* of matching, roughly */
/* What matching has cost so far: topic_tree_steps. To be read as long as the router lives. */
const uint64_t *router_steps(const struct router *r);
size_t router_subscription_count(const struct router *r);

/* Messages for many, which are handed out in pieces: fanout.h. */
struct fanouts *router_fanouts(struct router *r);
/* How often the store is given the message that router_route said ROUTE_STORE of: for each queue and
 * node, at least once. */
size_t router_copies(const struct router *r);

/* The message would be another one for many while one is handed out: it is to be published later. */
bool router_must_wait(struct router *r, const struct mqtt_publish *p);

/* Goes on with what is left to be done after a node was removed, until the box is over. */
void router_go_on(struct router *r, struct timebox *box);
bool router_is_behind(const struct router *r);

/* ---- for the fleet --------------------------------------------------------------------------- */

/* Another node wants what matches the filter. `node` is the fleet's struct, opaque here. Adding
 * twice is harmless; router_node_removed takes all of a node's routes. */
bool router_route_add(struct router *r, void *node, struct mqtt_slice filter);
void router_route_remove(struct router *r, void *node, struct mqtt_slice filter);
void router_node_removed(struct router *r, void *node);

/* Matches again, for rule 5: the queue targets and nodes for a message as of now. The arrays belong
 * to the router and are valid until its next call. */
void router_targets(struct router *r, const struct message *m, struct store_targets *out);

/* A connected session of this broker holds the filter: its route must stay announced. */
bool router_has_interest(const struct router *r, struct mqtt_slice filter);

/* Delivers another node's message to this broker's connected sessions (see store_host.deliver). */
void router_deliver_local(struct router *r, struct message *m);
/* Microseconds, roughly, that matching and handing out such messages has taken so far: a message may
 * match thousands of filters, and be for thousands. Only differences mean something. */
uint32_t router_worked_us(const struct router *r);
/* False: one of them waits until an earlier one is handed out, and the next ones should, too. */
bool router_takes_more(const struct router *r);

/* Memory is short: what can be found again is forgotten. Not while a message is routed. */
void router_forget_matches(struct router *r);

#endif
