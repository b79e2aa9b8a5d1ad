/* Goes down the topic tree, level by level of a topic name. router.c asks. */
#include "broker/routing/topic_match.h"

#include <stdlib.h>
#include <string.h>

#include "broker/routing/topic_node.h"

static bool add_match(struct topic_matches *out, const struct holder *h)
{
    struct subscriber *s = h->subscriber;
    if (s->matched_at < out->count && out->items[s->matched_at].subscriber == s) {
        struct subscription_options *o = &out->items[s->matched_at].options;
        if (h->options.qos > o->qos)
            o->qos = h->options.qos;
        o->no_local = o->no_local && h->options.no_local;
        o->retain_as_published = o->retain_as_published || h->options.retain_as_published;
        return true;
    }
    if (out->count == out->capacity) {
        uint32_t more = out->capacity == 0 ? 16 : out->capacity * 2;
        struct topic_match *grown = realloc(out->items, more * sizeof(*grown));
        if (grown == NULL)
            return false;
        out->items = grown;
        out->capacity = more;
    }
    s->matched_at = out->count;
    out->items[out->count++] = (struct topic_match){.subscriber = s, .options = h->options};
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

bool topic_tree_match(struct topic_tree *t, struct mqtt_slice topic, struct topic_matches *out)
{
    out->count = 0;
    bool wildcards = topic.len > 0 && topic.data[0] != '$';
    take_apart(&t->topic, topic);
    bool ok = match_below(t, &t->root, 0, wildcards, out);
    t->steps += out->count;
    return ok;
}
