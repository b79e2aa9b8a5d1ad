/*
 * router - finds who gets a message: walks the topic tree, with a cache keyed by topic.
 *
 * Data flow: publish.c asks who is to get a message, the fleet asks again for one that it keeps; the
 *            handlers add and remove subscriptions, the fleet the routes of other nodes. The tree's
 *            leaves are subscribers: sessions (broker/routing/session.h) and nodes. What is found is
 *            handed out as a value; who delivers is above.
 * Ownership: the router owns the tree and the cache, never the subscribers; a subscriber's owner
 *            takes it out of the tree before freeing it.
 */
#ifndef FLOTILLA_BROKER_ROUTING_ROUTER_H
#define FLOTILLA_BROKER_ROUTING_ROUTER_H

#include "broker/routing/targets.h"

struct match_entry;
struct message;
struct router;
struct session;
struct share_groups;
struct subscription;
struct subscription_options;
struct timebox;

/* Who is told of changes, before the router's call returns. */
struct router_hooks {
    void *arg;
    /* A session's subscriptions are about to change: what it is still to get by the old ones it gets
     * now. */
    void (*changing)(void *arg, struct session *s);
    /* No connected session holds the filter any more. */
    void (*interest_ended)(void *arg, struct mqtt_slice filter);
    /* A group of shared subscriptions has no member any more, in the whole fleet. */
    void (*share_ended)(void *arg, struct mqtt_slice filter);
};

struct router *router_new(uint64_t hash_key, const struct router_hooks *hooks);
void router_free(struct router *r);

/* The filter of a subscription, as it was subscribed; good until the next call. */
struct mqtt_slice router_filter(struct router *r, const struct subscription *s);

/* ---- matching -------------------------------------------------------------------------------- */

/* Who matches the topic: match_cache.h. NULL only when out of memory. Good until a subscription
 * changes or another topic is matched. */
const struct match_entry *router_match(struct router *r, struct mqtt_slice topic);
/* A match that is kept over a wait. `e` may be NULL: then there is nothing to be used again. */
struct kept_match {
    const struct match_entry *entry;
    uint64_t changes; /* of the cache, when it was kept */
};
struct kept_match router_keep_match(const struct router *r, const struct match_entry *e);
/* Who matches the topic now: the match that was kept for it, if nothing has changed since; then it
 * isn't looked up again. As router_match otherwise. */
const struct match_entry *router_match_again(struct router *r, struct mqtt_slice topic,
                                             const struct kept_match *kept);
/* Among them the queues of durable sessions and the nodes, for a message of this QoS.
 * The publisher (by its client id, since the message may have come by another broker or connection;
 * empty: the broker itself) doesn't get it back where that isn't wanted (5.0: 3.8.3.1). The arrays
 * are valid until the next targets are asked for. False: out of memory, and no targets. To be asked
 * where match_entry_may_have_targets; else there are none. */
bool router_targets_among(struct router *r, const struct match_entry *e, uint8_t qos,
                          struct mqtt_slice publisher, struct store_targets *out);
/* Matches again, for rule 5: the targets of a message as of now; none when out of memory. */
void router_targets(struct router *r, const struct message *m, struct store_targets *out);

/* Memory is short: what can be found again is forgotten. Not while a message is routed. */
void router_forget_matches(struct router *r);

enum { ROUTER_STEPS_PER_US = 8 }; /* of matching, roughly */
/* What matching has cost so far: topic_tree_steps. To be read as long as the router lives. */
const uint64_t *router_steps(const struct router *r);

/* ---- subscriptions --------------------------------------------------------------------------- */

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
/* The session outlives its connection from now on, or doesn't any more. */
void router_session_set_durable(struct router *r, struct session *s, bool durable);
/* The session's client is online now. */
void router_session_joined(struct router *r, struct session *s);
/* It is offline now; one that isn't durable loses its subscriptions. */
void router_session_left(struct router *r, struct session *s);

size_t router_subscription_count(const struct router *r);
/* The same by whose they are. In a fleet each broker has those of all durable sessions, and those of its
 * own other ones. */
struct router_counts {
    size_t clean, durable, routes;
    size_t shared; /* of clean and durable, those that begin with "$share/" */
};
const struct router_counts *router_counts(const struct router *r);

/* Goes on with what is left to be done after a node was removed, until the box is over. */
void router_go_on(struct router *r, struct timebox *box);
bool router_is_behind(const struct router *r);

/* ---- for the fleet --------------------------------------------------------------------------- */

/* Another node wants what matches the filter. `node` is the fleet's struct, opaque here. Adding
 * twice is harmless; router_node_removed takes all of a node's routes. */
bool router_route_add(struct router *r, void *node, struct mqtt_slice filter);
void router_route_remove(struct router *r, void *node, struct mqtt_slice filter);
void router_node_removed(struct router *r, void *node);

/* The same for a shared filter: so many of the node's clients are members of the group, the highest
 * of them at this QoS. */
bool router_route_members(struct router *r, void *node, struct mqtt_slice filter, uint32_t members,
                          uint8_t qos);

/* A connected session of this broker holds the filter: its route must stay announced. */
bool router_has_interest(const struct router *r, struct mqtt_slice filter);

/* ---- shared subscriptions -------------------------------------------------------------------- */

/* For delivery/share.c: share_groups.h. */
struct share_groups *router_groups(const struct router *r);
/* The group is there from now on, also without members. False: out of memory. */
bool router_declare_group(struct router *r, struct mqtt_slice filter);

#endif
