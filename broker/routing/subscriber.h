/*
 * subscriber - a holder of subscriptions: a session of this broker, or another node.
 *
 * Data flow: sessions and the router's route holders embed one; the topic tree fills it and points
 *            back at it from its leaves.
 * Ownership: the holder's, which isn't freed before the tree has dropped all its subscriptions;
 *            then the items are the holder's to free (account.h, ACCOUNT_SESSIONS).
 */
#ifndef FLOTILLA_BROKER_ROUTING_SUBSCRIBER_H
#define FLOTILLA_BROKER_ROUTING_SUBSCRIBER_H

#include "common/mqtt/mqtt.h"

struct topic_node;

enum subscriber_kind {
    SUBSCRIBER_SESSION,
    SUBSCRIBER_NODE,
    SUBSCRIBER_GROUP, /* of shared subscriptions: share_groups.h */
};

struct subscription_options {
    uint8_t qos;
    bool no_local, retain_as_published; /* v5 */
    uint32_t subscription_id;           /* v5, 0: none */
};

/* As those of a delivery by this subscription alone; good as long as *o. */
static inline struct mqtt_ids subscription_ids(const struct subscription_options *o)
{
    return (struct mqtt_ids){.items = &o->subscription_id, .count = o->subscription_id != 0};
}

/* Options where an identifier, which few have, is elsewhere. */
struct subscription_terms {
    uint8_t qos;
    bool no_local, retain_as_published;
    bool has_more; /* an identifier; of a match several, or other terms for the own messages */
};

/* One subscription as its holder sees it. */
struct subscription {
    struct topic_node *leaf;
    uint32_t at;              /* index among the leaf's holders */
    uint32_t subscription_id; /* 0: none */
};

struct subscriber {
    struct subscription *items;
    uint32_t count, capacity;
    uint32_t plus_count;         /* of them, with '+' in the filter */
    uint32_t shared_count;       /* of them, of groups; router.c counts */
    uint32_t filter_bytes;       /* of all filters together */
    uint32_t acknowledged_count; /* of them, at QoS 1 or 2 */
    uint32_t matched_at; /* where the last match put it: finds overlaps, is checked before use */
    uint8_t kind;        /* enum subscriber_kind */
    bool connected;      /* a session's: counted as interest of this broker */
};

#endif
