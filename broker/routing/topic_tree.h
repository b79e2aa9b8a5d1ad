/*
 * topic_tree - all subscriptions, as a tree of topic levels. Who matches a topic name: topic_match.h.
 *
 * Data flow: router.c adds and removes subscriptions.
 * Shape:     a node for each place where filters end or branch, with the levels from its parent to
 *            there as text; all nodes in one hash table keyed by (parent, first level), so that a
 *            node costs one allocation and a step down one probe. '+' and '#' children are also
 *            pointed at directly. Long filters that share little cost a node each, however many
 *            levels they have, and a match visits at most two nodes a filter.
 * Ownership: the tree owns its nodes. A subscriber embeds struct subscriber and is never freed by
 *            the tree; its subscriptions must have been removed before it goes. Subscription and
 *            leaf point at each other by index, so that each removal is O(1) also where thousands
 *            hold one filter.
 * Errors:    false when out of memory; nothing has changed then.
 */
#ifndef FLOTILLA_BROKER_ROUTING_TOPIC_TREE_H
#define FLOTILLA_BROKER_ROUTING_TOPIC_TREE_H

#include "broker/routing/subscriber.h"

struct topic_tree;

enum topic_change { TOPIC_FAILED, TOPIC_ADDED, TOPIC_REPLACED };

struct topic_tree *topic_tree_new(uint64_t hash_key);
void topic_tree_free(struct topic_tree *t);

enum topic_change topic_tree_add(struct topic_tree *t, struct subscriber *s,
                                 struct mqtt_slice filter, struct subscription_options options);
/* NULL: none. Good until a subscription changes. */
const struct subscription *topic_tree_find(struct topic_tree *t, struct subscriber *s,
                                           struct mqtt_slice filter);
/* False when there was none. *last_interest: no connected session holds the filter any more. */
bool topic_tree_remove(struct topic_tree *t, struct subscriber *s, struct mqtt_slice filter,
                       bool *last_interest);
/* Takes one subscription by its index (the last one moves there). */
void topic_tree_remove_at(struct topic_tree *t, struct subscriber *s, uint32_t at,
                          bool *last_interest);

/* The subscriber (a session) is connected now, or not any more. `ended` (may be NULL) is called for
 * each filter that no connected session holds after that. */
typedef void topic_filter_fn(void *arg, struct mqtt_slice filter);
void topic_tree_set_connected(struct topic_tree *t, struct subscriber *s, bool connected,
                              topic_filter_fn *ended, void *arg);
/* A connected session holds the filter. */
bool topic_tree_has_interest(const struct topic_tree *t, struct mqtt_slice filter);

/* Who holds exactly this filter: topic_node.h; NULL: nobody does, and perhaps others branch there. */
const struct topic_node *topic_tree_leaf(const struct topic_tree *t, struct mqtt_slice filter);

/* Filter and options of one of a subscriber's subscriptions. The text lives in the tree's scratch
 * buffer until the next call. */
struct mqtt_slice topic_tree_filter(struct topic_tree *t, const struct subscription *s);
struct subscription_options topic_tree_options(const struct subscription *s);
bool topic_tree_has_wildcard(const struct subscription *s);

/* What all matches so far have cost: nodes visited, levels compared with wildcards, matches found.
 * About 50 ns each in a large tree. */
const uint64_t *topic_tree_steps(const struct topic_tree *t);

/* The steps that a match may make at most, whatever the topic: topic_weight.h. Without those for the
 * matches found. */
uint32_t topic_tree_worst_match(const struct topic_tree *t);

/* Nodes that are there: levels of filters that somebody holds. */
size_t topic_tree_nodes(const struct topic_tree *t);

#endif
