/* Goes down the topic tree, level by level of a topic name. router.c asks. */
#include "broker/routing/topic_match.h"

#include <stdlib.h>
#include <string.h>

#include "broker/routing/topic_node.h"

/* A subscription that matches, where one subscriber has several that can't be told as one. */
struct match_hit {
    uint32_t match; /* index of the subscriber's match */
    uint32_t id;    /* 0: none */
    struct subscription_terms terms;
};

static uint32_t id_of(const struct holder *h)
{
    return h->terms.has_more ? h->subscriber->items[h->at].subscription_id : 0;
}

static bool note_hit(struct topic_matches *out, struct match_hit hit)
{
    if (out->hit_count == out->hit_capacity) {
        uint32_t more = out->hit_capacity == 0 ? 16 : out->hit_capacity * 2;
        struct match_hit *grown = realloc(out->hits, more * sizeof(*grown));
        if (grown == NULL)
            return false;
        out->hits = grown;
        out->hit_capacity = more;
    }
    out->hits[out->hit_count++] = hit;
    return true;
}

/* The subscription is noted, and first what was there before any was. */
static bool note_overlap(struct topic_matches *out, uint32_t at, const struct holder *h)
{
    struct topic_match *m = &out->items[at];
    struct match_hit before = {.match = at, .id = m->more, .terms = m->terms};
    bool noted = m->terms.has_more && m->more == MATCH_OVERLAP;
    if (!noted && !note_hit(out, before))
        return false;
    m->terms.has_more = true;
    m->more = MATCH_OVERLAP;
    return note_hit(out, (struct match_hit){.match = at, .id = id_of(h), .terms = h->terms});
}

/* One more subscription of a subscriber that is there. Those without identifiers that are all "no
 * local", or none of them, become one. */
static bool add_overlap(struct topic_matches *out, uint32_t at, const struct holder *h)
{
    struct subscription_terms *t = &out->items[at].terms;
    if ((t->has_more || h->terms.has_more || t->no_local != h->terms.no_local) &&
        !note_overlap(out, at, h))
        return false;
    if (h->terms.qos > t->qos)
        t->qos = h->terms.qos;
    t->no_local = t->no_local && h->terms.no_local;
    t->retain_as_published = t->retain_as_published || h->terms.retain_as_published;
    return true;
}

static bool add_match(struct topic_matches *out, const struct holder *h)
{
    struct subscriber *s = h->subscriber;
    if (s->matched_at < out->count && out->items[s->matched_at].subscriber == s)
        return add_overlap(out, s->matched_at, h);
    if (out->count == out->capacity) {
        uint32_t more = out->capacity == 0 ? 16 : out->capacity * 2;
        struct topic_match *grown = realloc(out->items, more * sizeof(*grown));
        if (grown == NULL)
            return false;
        out->items = grown;
        out->capacity = more;
    }
    s->matched_at = out->count;
    out->items[out->count++] =
        (struct topic_match){.subscriber = s, .terms = h->terms, .more = id_of(h)};
    return true;
}

static bool add_leaf(struct topic_matches *out, const struct topic_node *n)
{
    for (uint32_t i = 0; i < n->holder_count; i++)
        if (!add_match(out, &n->holders[i]))
            return false;
    return true;
}

static void take_apart(struct topic_name *name, struct mqtt_slice topic)
{
    const char *text = (const char *)topic.data;
    uint32_t len = topic.len < 65535 ? topic.len : 65535;
    name->text = text;
    name->len = len;
    name->levels = 0;
    name->starts[name->levels++] = 0;
    for (const char *at = text; (at = memchr(at, '/', (size_t)(text + len - at))) != NULL; at++)
        name->starts[name->levels++] = (uint32_t)(at - text) + 1;
    name->starts[name->levels] = len + 1;
}

/* Levels that a node's text takes from the topic's level on; TAKES_REST: it ends in a '#'. */
enum { TAKES_NONE = 0, TAKES_REST = -1 };

/* Text with wildcards: level by level. */
static int take_wild_levels(const struct topic_node *n, const struct topic_name *topic,
                            uint32_t level)
{
    const char *at = n->text;
    const char *end = n->text + n->text_len;
    uint32_t left = topic->levels - level;
    for (uint32_t i = 0;; i++) {
        if (at < end && *at == '#')
            return TAKES_REST; /* also if nothing is left: "a/#" matches "a" (4.7.1.2) */
        if (i == left)
            return TAKES_NONE;
        if (at < end && *at == '+') {
            at++;
        } else {
            uint32_t start = topic->starts[level + i];
            uint32_t len = topic->starts[level + i + 1] - 1 - start;
            if ((size_t)(end - at) < len || memcmp(at, topic->text + start, len) != 0)
                return TAKES_NONE;
            at += len;
        }
        if (at == end)
            return (int)(i + 1);
        if (*at++ != '/')
            return TAKES_NONE;
    }
}

static int take_levels(const struct topic_node *n, const struct topic_name *topic, uint32_t level)
{
    if (!n->literal)
        return take_wild_levels(n, topic, level);
    uint32_t start = topic->starts[level];
    bool fits = topic->levels - level >= n->levels &&
                topic->starts[level + n->levels] - 1 - start == n->text_len &&
                memcmp(topic->text + start, n->text, n->text_len) == 0;
    return fits ? n->levels : TAKES_NONE;
}

static bool match_below(struct topic_tree *t, const struct topic_node *n, uint32_t level,
                        bool wildcards, struct topic_matches *out);

static bool match_child(struct topic_tree *t, const struct topic_node *child, uint32_t level,
                        struct topic_matches *out)
{
    int taken = take_levels(child, &t->topic, level);
    t->steps += topic_node_steps(child);
    if (taken == TAKES_NONE)
        return true;
    if (taken == TAKES_REST)
        return add_leaf(out, child);
    return match_below(t, child, level + (uint32_t)taken, true, out);
}

static const struct topic_node *child_at(const struct topic_tree *t, const struct topic_node *n,
                                         uint32_t level)
{
    const struct topic_name *topic = &t->topic;
    uint32_t start = topic->starts[level];
    uint16_t len = (uint16_t)(topic->starts[level + 1] - 1 - start);
    return topic_node_child(t, n, topic->text + start, len);
}

/* Depth is bounded by the deepest filter, which the limits of SUBSCRIBE bound. */
static bool match_below(struct topic_tree *t, const struct topic_node *n, uint32_t level,
                        bool wildcards, struct topic_matches *out)
{
    if (wildcards && n->hash != NULL && !add_leaf(out, n->hash))
        return false;
    if (level == t->topic.levels)
        return add_leaf(out, n);
    uint32_t wild = (n->plus != NULL ? 1u : 0u) + (n->hash != NULL ? 1u : 0u);
    if (n->children > wild) {
        const struct topic_node *child = child_at(t, n, level);
        if (child != NULL && !match_child(t, child, level, out))
            return false;
    }
    return !wildcards || n->plus == NULL || match_child(t, n->plus, level, out);
}

/* ---- overlaps -------------------------------------------------------------------------------- */

static struct match_overlap *overlap_of(const struct topic_matches *m, const struct match_hit *hit)
{
    uint32_t place = m->items[hit->match].more - MATCH_OVERLAP;
    return (struct match_overlap *)&m->overlaps[place];
}

/* Each of them has its place then, and no identifiers yet. */
static bool place_overlaps(struct topic_matches *m)
{
    enum { HEAD_WORDS = sizeof(struct match_overlap) / sizeof(uint32_t) };
    for (uint32_t i = 0; i < m->hit_count; i++)
        m->items[m->hits[i].match].more += m->hits[i].id != 0;
    uint32_t words = 0;
    for (uint32_t i = 0; i < m->count; i++) {
        struct topic_match *t = &m->items[i];
        if (!t->terms.has_more || t->more < MATCH_OVERLAP)
            continue;
        uint32_t needed = HEAD_WORDS + t->more - MATCH_OVERLAP;
        t->more = MATCH_OVERLAP + words;
        words += needed;
    }
    if (words > m->overlap_capacity) {
        uint32_t *grown = realloc(m->overlaps, words * sizeof(*grown));
        if (grown == NULL)
            return false;
        m->overlaps = grown;
        m->overlap_capacity = words;
    }
    m->overlap_words = words;
    memset(m->overlaps, 0, words * sizeof(*m->overlaps));
    return true;
}

/* From the hits: what isn't "no local" first. */
static bool fill_overlaps(struct topic_matches *m)
{
    if (!place_overlaps(m))
        return false;
    for (uint32_t i = 0; i < m->hit_count; i++) {
        const struct match_hit *h = &m->hits[i];
        struct match_overlap *all = overlap_of(m, h);
        if (h->terms.no_local)
            continue;
        if (h->terms.qos > all->own_qos)
            all->own_qos = h->terms.qos;
        all->own_retain_as_published |= h->terms.retain_as_published;
        if (h->id != 0)
            all->ids[all->own_count++] = h->id;
        all->count = all->own_count;
    }
    for (uint32_t i = 0; i < m->hit_count; i++) {
        const struct match_hit *h = &m->hits[i];
        struct match_overlap *all = overlap_of(m, h);
        if (h->terms.no_local && h->id != 0)
            all->ids[all->count++] = h->id;
    }
    return true;
}

bool topic_tree_match(struct topic_tree *t, struct mqtt_slice topic, struct topic_matches *out)
{
    topic_matches_clear(out);
    bool wildcards = topic.len > 0 && topic.data[0] != '$';
    take_apart(&t->topic, topic);
    bool ok = match_below(t, &t->root, 0, wildcards, out);
    t->steps += out->count;
    return ok && (out->hit_count == 0 || fill_overlaps(out));
}

void topic_matches_fini(struct topic_matches *m)
{
    free(m->items);
    free(m->overlaps);
    free(m->hits);
    *m = (struct topic_matches){0};
}
