/*
 * topic_node - a node of the topic tree; shared by topic_tree.c, which owns it, and topic_weight.c.
 */
#ifndef FLOTILLA_BROKER_ROUTING_TOPIC_NODE_H
#define FLOTILLA_BROKER_ROUTING_TOPIC_NODE_H

#include "broker/routing/subscriber.h"
#include "common/base/hash_table.h"

struct topic_heavy;

/* One holder of a leaf's filter. */
struct holder {
    struct subscriber *subscriber;
    uint32_t at; /* index in subscriber->items */
    struct subscription_options options;
};

/* One or more levels that no filter ends or branches within. */
struct topic_node {
    struct topic_node *parent;
    struct hash_link by_level;      /* of (parent, first level) */
    struct topic_node *plus, *hash; /* children that begin with '+'; that are '#' */
    struct holder *holders;
    uint32_t holder_count, holder_capacity;
    uint32_t children;
    uint32_t connected;  /* holders that are connected sessions */
    uintptr_t child_xor; /* of all children's addresses: of an only child its own */
    char *joined;        /* owned: the text after two nodes became one; else NULL */
    const char *text;    /* the levels, "a/+/b": in `bytes` or `joined` */
    uint16_t text_len, levels;
    uint16_t filter_len; /* of the filter up to here */
    bool wildcard : 1;   /* is in it */
    bool plus_in : 1;    /* a '+' is */
    bool literal : 1;    /* no wildcard in the text */
    /* topic_weight.c */
    uint32_t weight;              /* steps of a match here and below, at most */
    uint32_t light;               /* the same of its light children */
    struct topic_heavy *heavy;    /* its place among its siblings, NULL: it is light */
    struct topic_heavy *heaviest; /* of its children */
    char bytes[];
};

/* What looking at it costs a match. */
static inline uint32_t topic_node_steps(const struct topic_node *n)
{
    return n->literal ? 1 : 1 + n->levels / 16u;
}

#endif
