/*
 * topic_node - the topic tree and its nodes; shared by topic_tree.c, which owns them, topic_match.c and topic_weight.c.
 */
#ifndef FLOTILLA_BROKER_ROUTING_TOPIC_NODE_H
#define FLOTILLA_BROKER_ROUTING_TOPIC_NODE_H

#include <string.h>

#include "broker/routing/subscriber.h"
#include "common/base/hash.h"
#include "common/base/hash_table.h"

struct topic_heavy;

/* One holder of a leaf's filter. */
struct holder {
    struct subscriber *subscriber;
    uint32_t at; /* index in subscriber->items */
    struct subscription_terms terms;
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

/* A topic name taken apart: level i is at starts[i] and ends one before starts[i + 1]. */
struct topic_name {
    const char *text;
    uint32_t len, levels;
    uint32_t starts[65537];
};

struct topic_tree {
    struct hash_table by_level;
    uint64_t
        changes; /* of who holds which filter: a leaf that was found is good until the next one */
    uint64_t hash_key;
    uint64_t steps;          /* made by matches */
    char scratch[65536];     /* a filter's text */
    struct topic_name topic; /* being matched */
    struct topic_node root;
};

static inline uint32_t topic_node_key(const struct topic_tree *t, const struct topic_node *parent,
                                      const char *level, uint16_t len)
{
    return (uint32_t)hash_bytes(t->hash_key ^ (uint64_t)(uintptr_t)parent, level, len);
}

/* The child whose text begins with this level. */
static inline struct topic_node *topic_node_child(const struct topic_tree *t,
                                                  const struct topic_node *parent,
                                                  const char *level, uint16_t len)
{
    uint32_t key = topic_node_key(t, parent, level, len);
    for (struct hash_link *l = hash_table_chain(&t->by_level, key); l != NULL; l = l->next) {
        struct topic_node *n = HASH_OWNER(l, struct topic_node, by_level);
        if (l->hash == key && n->parent == parent && n->text_len >= len &&
            memcmp(n->text, level, len) == 0 && (n->text_len == len || n->text[len] == '/'))
            return n;
    }
    return NULL;
}

#endif
