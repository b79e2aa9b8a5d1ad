/*
 * share_groups - groups of shared subscriptions ("$share/<name>/<filter>"): each is a subscriber of
 * the topic tree that holds the inner filter, for all its members together.
 *
 * Data flow: router.c keeps a member's subscription in the tree under its whole text, which no topic
 *            matches, and says here that it came or went. The holders of that text are the members:
 *            sessions, and other nodes, which have said how many of their clients are members.
 *            A matched group is handed out in the match entry; delivery/share.c chooses.
 * Life:      a group is there while it has a member, or is declared in the configuration.
 * Ownership: the router's; a group leaves the tree and the match cache before it is freed.
 * Cost:      a change of a member costs the same in a group of any size (but for the number of other nodes); a
 *            choice looks through the members that can't take the message.
 */
#ifndef FLOTILLA_BROKER_ROUTING_SHARE_GROUPS_H
#define FLOTILLA_BROKER_ROUTING_SHARE_GROUPS_H

#include "broker/routing/subscriber.h"
#include "common/base/hash_table.h"

struct match_cache;
struct session;
struct share_node;
struct topic_node;
struct topic_tree;

struct share_group {
    struct subscriber subscriber; /* first member */
    struct hash_link by_filter;
    struct share_node *nodes; /* other nodes with members */
    uint32_t node_count, node_capacity;
    const struct topic_node *leaf; /* of its members, when the tree had so many changes; else it */
    uint64_t leaf_at;              /* is looked up */
    uint32_t turn;                 /* where the last choice of a member ended, */
    uint32_t drawn;                /* and how many nodes were drawn */
    uint32_t sessions_at[3];       /* members that are sessions known here, by their QoS */
    uint8_t qos;                   /* the highest of its members */
    bool has_member;               /* of any node, also one that is away; or a route that lingers */
    bool is_served;                /* really: somebody can get a message, now or later */
    bool declared;
    bool behind; /* its queue had more than the members here had room for */
    uint32_t filter_len, inner_at;
    char filter[]; /* all of it */
};

struct share_groups;

/* NULL when out of memory. */
struct share_groups *share_groups_new(struct topic_tree *tree, struct match_cache *cache,
                                      uint64_t hash_key);
/* The tree has nobody any more. */
void share_groups_free(struct share_groups *s);

static inline struct share_group *share_group_of(struct subscriber *s)
{
    return (struct share_group *)s;
}
/* All its members are at QoS 0: it gets everything so. Else QoS 1 and 2 go into its queue. */
static inline bool share_group_is_drawn(const struct share_group *g)
{
    return g->is_served && g->qos == 0;
}
static inline struct mqtt_slice share_group_filter(const struct share_group *g)
{
    return (struct mqtt_slice){.data = (const uint8_t *)g->filter, .len = g->filter_len};
}

/* NULL: there is none. */
struct share_group *share_groups_find(const struct share_groups *s, struct mqtt_slice filter);
/* A holder of its text came, changed or went; of a session its QoS before and now, SHARE_NO_QOS: it had, has none. */
enum { SHARE_NO_QOS = 3 };
struct share_change {
    uint8_t before, now;
};
/* *ended: the last one went (the group may be gone). False: out of
 * memory for a new group, or `filter` isn't a valid shared one. */
bool share_groups_changed(struct share_groups *s, struct mqtt_slice filter,
                          struct share_change change, bool *ended);
/* From now on the group is there without members, too. */
bool share_groups_declare(struct share_groups *s, struct mqtt_slice filter);
/* Another node has so many connected members, the highest of them at this QoS. */
bool share_groups_node(struct share_groups *s, struct mqtt_slice filter, void *node,
                       uint32_t members, uint8_t qos);
/* The node has none any more; without a filter: in no group. */
void share_groups_node_gone(struct share_groups *s, const struct mqtt_slice *filter, void *node);
/* Calls for each group. */
void share_groups_each(struct share_groups *s, void (*each)(void *arg, struct share_group *g),
                       void *arg);

/* ---- choosing -------------------------------------------------------------------------------- */

/* Members that are connected here, and the highest QoS of the sessions that are known here: of those that are away,
 * each node knows it anyway. */
uint32_t share_group_members_here(const struct share_groups *s, const struct share_group *g,
                                  uint8_t *qos);

/* A session is a member, and isn't connected here. */
bool share_group_has_away(const struct share_groups *s, struct share_group *g);

/* A member of this node's: its session and with which options it is one. */
struct share_member {
    struct session *session;
    struct subscription_options options;
};
typedef bool share_takes_fn(void *arg, const struct share_member *m);
/* The first member of this node, from place `start` on and around, whose client is connected and for
 * which `takes` says yes. Notes where it ended: the next one in turn starts at g->turn. */
bool share_group_choose(const struct share_groups *s, struct share_group *g, uint32_t start,
                        share_takes_fn *takes, void *arg, struct share_member *out);
/* Which node gets a message: `number` counts through all connected members of the fleet. True, with
 * *node NULL for this one; `except` (may be NULL) and, on demand, this node aren't drawn. False:
 * nobody is there. */
struct share_draw {
    uint64_t number;
    const void *except;
    bool not_here;
};
bool share_group_draw(const struct share_groups *s, struct share_group *g, struct share_draw how,
                      void **node);

#endif
