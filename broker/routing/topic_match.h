/*
 * topic_match - the subscribers of a topic tree that a topic name concerns.
 *
 * Data flow: router.c asks, and keeps the answer in match_cache.c.
 * Overlaps:  a subscriber is there once, however many of its subscriptions match: at their highest
 *            QoS, with all their identifiers (5.0: 3.3.4). Its own messages it gets by those only
 *            that aren't "no local".
 * Cost:      at most two nodes for each filter that fits; topic_weight.h bounds them together.
 * Errors:    false when out of memory; `out` is of no use then.
 */
#ifndef FLOTILLA_BROKER_ROUTING_TOPIC_MATCH_H
#define FLOTILLA_BROKER_ROUTING_TOPIC_MATCH_H

#include "broker/routing/subscriber.h"

struct match_hit;
struct topic_tree;

struct topic_match {
    struct subscriber *subscriber;
    /* Of all its subscriptions that match: the highest QoS; `no_local` if all are. */
    struct subscription_terms terms;
    uint32_t more; /* if it has more: its one identifier, or MATCH_OVERLAP + a place */
};
enum { MATCH_OVERLAP = 1 << 30 }; /* identifiers are smaller (1.5.5) */
/* Of a subscriber with several identifiers, or of whose subscriptions only some are "no local". */
struct match_overlap {
    uint32_t count;     /* of the identifiers */
    uint32_t own_count; /* the first of them are of subscriptions that aren't "no local" */
    /* Of these subscriptions: the terms by which it gets what it published itself. */
    uint8_t own_qos;
    bool own_retain_as_published;
    uint32_t ids[];
};
struct topic_matches {
    struct topic_match *items;
    uint32_t count, capacity;
    uint32_t *overlaps; /* one struct match_overlap after another; places count words */
    uint32_t overlap_words, overlap_capacity;
    struct match_hit *hits; /* scratch */
    uint32_t hit_count, hit_capacity;
};

/* Fills `out` (zeroed at first; reused, grown as needed) with each subscriber that matches, once.
 * A leading wildcard doesn't match a name that starts with '$' (4.7.2). */
bool topic_tree_match(struct topic_tree *t, struct mqtt_slice topic, struct topic_matches *out);
/* Nobody matches. */
static inline void topic_matches_clear(struct topic_matches *m)
{
    m->count = m->hit_count = m->overlap_words = 0;
}
void topic_matches_fini(struct topic_matches *m);

/* How the subscriber gets a message. */
struct match_terms {
    uint8_t qos; /* the subscription's */
    bool retain_as_published;
    struct mqtt_ids ids; /* live as long as the match and its overlaps */
};
/* `own`: it has published the message itself. False: it doesn't get it. */
static inline bool topic_match_terms(const struct topic_match *m, const uint32_t *overlaps,
                                     bool own, struct match_terms *out)
{
    if (own && m->terms.no_local)
        return false;
    out->qos = m->terms.qos;
    out->retain_as_published = m->terms.retain_as_published;
    out->ids = (struct mqtt_ids){.items = &m->more, .count = m->terms.has_more};
    if (!m->terms.has_more || m->more < MATCH_OVERLAP)
        return true;
    const struct match_overlap *all =
        (const struct match_overlap *)&overlaps[m->more - MATCH_OVERLAP];
    out->ids = (struct mqtt_ids){.items = all->ids, .count = own ? all->own_count : all->count};
    if (own) {
        out->qos = all->own_qos;
        out->retain_as_published = all->own_retain_as_published;
    }
    return true;
}

#endif
