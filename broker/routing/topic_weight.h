/*
 * topic_weight - what a match may cost at most: how many steps the worst topic causes.
 *
 * At each node a topic goes on into at most two children: the one that '+' begins, and the one that
 * its next level names. So a node weighs its own steps, the weight of its '+' child, and that of the
 * heaviest other child; the root's weight bounds every match, whatever clients' filters it is made of.
 * Data flow: topic_tree.c tells of each child that is linked or unlinked; handle_subscribe.c asks for
 *            the root's weight.
 * Cost:      nearly nothing where filters have few '+': nodes up to TOPIC_LIGHT steps behind levels
 *            without '+' aren't told apart, their parent keeps the largest weight that any had since
 *            it had no children. The others are in a heap of their parent; a change goes up as far as
 *            weights change.
 * Errors:    without memory for a place in the heap a node counts as one of the light, for good.
 */
#ifndef FLOTILLA_BROKER_ROUTING_TOPIC_WEIGHT_H
#define FLOTILLA_BROKER_ROUTING_TOPIC_WEIGHT_H

struct topic_node;

enum { TOPIC_LIGHT = 64 };

/* The node was made its parent's child, or has changed and is again. */
void topic_weight_linked(struct topic_node *n);
/* It is no child of `parent` any more. */
void topic_weight_unlinked(struct topic_node *parent, struct topic_node *n);

#endif
