/*
 * retained_tree - retained messages of the memory store, by topic level, so that a filter with
 * wildcards walks only where it can match.
 *
 * Reading:   a cursor steps from match to match and may rest between steps for as long as it likes:
 *            the node that it rests at stays until it goes on, also when its value is gone. What is
 *            added meanwhile may or may not be seen.
 * Two trees: topic_tree.h keeps filters, which share little, so a node there takes many levels and parts or joins as
 *            others come and go. Here topics share most of their levels, and a cursor may rest at each node, so a
 *            node is one level and never moves.
 * Ownership: the tree holds a reference to each message; nodes are its own. Cursors are embedded by
 *            their users and must be finished before the tree is freed.
 */
#ifndef FLOTILLA_BROKER_STORE_RETAINED_TREE_H
#define FLOTILLA_BROKER_STORE_RETAINED_TREE_H

#include "broker/message/message.h"

struct retained_tree;
struct retained_node;

struct retained_tree *retained_tree_new(uint64_t hash_key);
void retained_tree_free(struct retained_tree *t);

/* Keeps the message as its topic's value. False when out of memory. */
bool retained_tree_put(struct retained_tree *t, struct message *m);
void retained_tree_remove(struct retained_tree *t, struct mqtt_slice topic);
struct message *retained_tree_get(const struct retained_tree *t, struct mqtt_slice topic);
size_t retained_tree_count(const struct retained_tree *t);
/* Looks for values that have expired, in a part of the tree that is about `size` nodes large: each call goes
 * on where the one before ended. Removes them; returns how many. */
size_t retained_tree_sweep(struct retained_tree *t, uint32_t size, uint64_t now_ms);
/* `removed` is called for each value that a sweep removes, right before. NULL: nobody is told. */
typedef void retained_removed_fn(void *arg, const struct message *m);
void retained_tree_watch(struct retained_tree *t, retained_removed_fn *removed, void *arg);

struct retained_cursor {
    struct retained_tree *tree;
    struct retained_node *at;  /* to be looked at next, NULL at the end */
    struct mqtt_slice *levels; /* of the filter, with its text after them; owned */
    uint32_t level_count;
    bool many; /* ends in '#', which isn't in levels */
};
/* Copies the filter. False when out of memory. */
bool retained_cursor_init(struct retained_cursor *c, struct retained_tree *t,
                          struct mqtt_slice filter);
/* The next message that matches; NULL at the end, or when *steps more nodes were looked at in vain
 * (it counts them down). Borrowed until the tree changes. */
struct message *retained_cursor_next(struct retained_cursor *c, uint32_t *steps);
static inline bool retained_cursor_is_at_end(const struct retained_cursor *c)
{
    return c->at == NULL;
}
void retained_cursor_fini(struct retained_cursor *c);

#endif
