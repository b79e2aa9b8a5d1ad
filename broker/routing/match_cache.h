/*
 * match_cache - remembers which subscribers matched a topic name, so that a topic seen a moment ago
 * costs one probe instead of a walk through the topic tree.
 *
 * Data flow: router.c asks here first, and puts here what the tree said.
 * Validity:  a change of an exact filter forgets that topic; a change of a filter with wildcards
 *            raises the generation, which makes every entry stale at once. So an entry never holds
 *            a subscriber that has left the tree.
 * Bounds:    a fixed number of slots (four to a set, the stale one or the next one in turn makes
 *            place) and of bytes in all entries together; above it everything is dropped.
 */
#ifndef FLOTILLA_BROKER_ROUTING_MATCH_CACHE_H
#define FLOTILLA_BROKER_ROUTING_MATCH_CACHE_H

#include "broker/routing/session.h"
#include "broker/routing/topic_match.h"

struct match_cache;

struct match_entry {
    uint32_t hash, generation;
    uint32_t count;       /* sessions, first in items */
    uint32_t node_count;  /* nodes of the fleet, after them */
    uint32_t group_count; /* groups of shared subscriptions, last */
    uint32_t topic_len;
    uint32_t overlap_words;
    struct topic_match items[]; /* then the topic's bytes, then the overlaps */
};

static inline const uint32_t *match_entry_overlaps(const struct match_entry *e)
{
    return (const uint32_t *)&e->items[e->count + e->node_count + e->group_count] +
           (e->topic_len + 3) / 4;
}

/* How the session of a match gets a message of this publisher (his client id); false: it doesn't,
 * by "no local" (5.0: 3.8.3.1). */
static inline bool match_serves(const struct topic_match *m, const uint32_t *overlaps,
                                struct mqtt_slice publisher, struct match_terms *out)
{
    bool own = (m->terms.no_local || m->terms.has_more) &&
               session_has_id(session_of(m->subscriber), publisher);
    return topic_match_terms(m, overlaps, own, out);
}

/* Whether there can be targets for the store among them: nodes, and for what has QoS the queues of
 * durable sessions. */
static inline bool match_entry_may_have_targets(const struct match_entry *e, uint8_t qos)
{
    for (uint32_t i = 0; qos > 0 && i < e->count; i++)
        if (session_of(e->items[i].subscriber)->durable)
            return true;
    return e->node_count > 0 || (qos > 0 && e->group_count > 0);
}

/* The groups of shared subscriptions among them. */
static inline const struct topic_match *match_entry_groups(const struct match_entry *e)
{
    return &e->items[e->count + e->node_count];
}

/* Whether a session among them gets what this publisher (its client id) publishes: all but itself where
 * it doesn't want that (no local). */
static inline bool match_entry_has_receiver(const struct match_entry *e,
                                            struct mqtt_slice publisher)
{
    for (uint32_t i = 0; i < e->count; i++)
        if (!e->items[i].terms.no_local ||
            !session_has_id(session_of(e->items[i].subscriber), publisher))
            return true;
    return false;
}

struct match_cache *match_cache_new(uint64_t hash_key);
/* Forgets all if that is worth it: memory is short. */
void match_cache_trim(struct match_cache *c);
void match_cache_free(struct match_cache *c);

/* NULL when it isn't there. Entries live until the next put or forget. */
const struct match_entry *match_cache_get(struct match_cache *c, struct mqtt_slice topic);
/* Stores a copy of the tree's answer, sessions and nodes apart. NULL when out of memory. */
const struct match_entry *match_cache_put(struct match_cache *c, struct mqtt_slice topic,
                                          const struct topic_matches *m);
/* As long as this number stays the same, all entries stay what and where they are. */
uint64_t match_cache_changes(const struct match_cache *c);
/* A subscription to this filter came, changed or went. */
void match_cache_forget(struct match_cache *c, struct mqtt_slice filter, bool wildcard);

#endif
