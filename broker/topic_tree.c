/*
 * Subscriptions by topic level. router.c hands filters and topic names in and gets the matching
 * subscribers back; what they are sent is decided there.
 */
#include "broker/topic_tree.h"

#include <stdlib.h>
#include <string.h>

#include "broker/hash.h"
#include "broker/hash_table.h"

/* One holder of a leaf's filter. */
struct holder {
    struct subscriber *subscriber;
    uint32_t at; /* index in subscriber->items */
    struct subscription_options options;
};

struct topic_node {
    struct topic_node *parent;
    struct hash_link by_level; /* of (parent, level) */
    struct topic_node *plus, *hash;
    struct holder *holders;
    uint32_t holder_count, holder_capacity;
    uint32_t children;
    uint32_t connected; /* holders that are connected sessions */
    bool wildcard;      /* in the filter up to here */
    uint16_t level_len;
    char level[];
};

struct topic_tree {
    struct hash_table by_level;
    size_t subscriptions;
    uint64_t hash_key;
    char scratch[65536];
    struct topic_node root;
};

/* The levels of a name or filter, one at a time. */
struct levels {
    const char *at, *end;
};

static bool levels_next(struct levels *l, const char **level, uint16_t *len)
{
    if (l->at == NULL)
        return false;
    const char *slash = memchr(l->at, '/', (size_t)(l->end - l->at));
    const char *stop = slash != NULL ? slash : l->end;
    *level = l->at;
    *len = (uint16_t)(stop - l->at);
    l->at = slash != NULL ? slash + 1 : NULL;
    return true;
}

static struct levels levels_of(struct mqtt_slice s)
{
    const char *text = (const char *)s.data;
    return (struct levels){.at = text, .end = text + s.len};
}

static uint32_t child_key(const struct topic_tree *t, const struct topic_node *parent,
                          const char *level, uint16_t len)
{
    return (uint32_t)hash_bytes(t->hash_key ^ (uint64_t)(uintptr_t)parent, level, len);
}

static struct topic_node *find_child(const struct topic_tree *t, const struct topic_node *parent,
                                     const char *level, uint16_t len)
{
    if (parent->children == 0)
        return NULL;
    uint32_t key = child_key(t, parent, level, len);
    for (struct hash_link *l = hash_table_chain(&t->by_level, key); l != NULL; l = l->next) {
        struct topic_node *n = HASH_OWNER(l, struct topic_node, by_level);
        if (l->hash == key && n->parent == parent && n->level_len == len &&
            memcmp(n->level, level, len) == 0)
            return n;
    }
    return NULL;
}

static struct topic_node *add_child(struct topic_tree *t, struct topic_node *parent,
                                    const char *level, uint16_t len)
{
    struct topic_node *n = calloc(1, sizeof(*n) + len);
    if (n == NULL)
        return NULL;
    bool plus = len == 1 && level[0] == '+';
    bool hash = len == 1 && level[0] == '#';
    n->parent = parent;
    n->wildcard = parent->wildcard || plus || hash;
    n->level_len = len;
    memcpy(n->level, level, len);
    hash_table_add(&t->by_level, &n->by_level, child_key(t, parent, level, len));
    parent->children++;
    if (plus)
        parent->plus = n;
    if (hash)
        parent->hash = n;
    return n;
}

/* Removes a node that nobody needs, and its ancestors as far as that holds for them. */
static void prune(struct topic_tree *t, struct topic_node *n)
{
    while (n != &t->root && n->children == 0 && n->holder_count == 0) {
        struct topic_node *parent = n->parent;
        hash_table_remove(&t->by_level, &n->by_level);
        if (parent->plus == n)
            parent->plus = NULL;
        if (parent->hash == n)
            parent->hash = NULL;
        parent->children--;
        free(n->holders);
        free(n);
        n = parent;
    }
}

static struct topic_node *find_leaf(const struct topic_tree *t, struct mqtt_slice filter)
{
    const struct topic_node *n = &t->root;
    struct levels l = levels_of(filter);
    const char *level;
    uint16_t len;
    while (n != NULL && levels_next(&l, &level, &len))
        n = find_child(t, n, level, len);
    return (struct topic_node *)n;
}

static struct topic_node *make_leaf(struct topic_tree *t, struct mqtt_slice filter)
{
    struct topic_node *n = &t->root;
    struct levels l = levels_of(filter);
    const char *level;
    uint16_t len;
    while (levels_next(&l, &level, &len)) {
        struct topic_node *child = find_child(t, n, level, len);
        if (child == NULL)
            child = add_child(t, n, level, len);
        if (child == NULL) {
            prune(t, n);
            return NULL;
        }
        n = child;
    }
    return n;
}

/* The subscription of `s` at `leaf`, found through the shorter of the two lists. */
static struct subscription *find_subscription(struct subscriber *s, const struct topic_node *leaf)
{
    if (leaf->holder_count < s->count) {
        for (uint32_t i = 0; i < leaf->holder_count; i++)
            if (leaf->holders[i].subscriber == s)
                return &s->items[leaf->holders[i].at];
        return NULL;
    }
    for (uint32_t i = 0; i < s->count; i++)
        if (s->items[i].leaf == leaf)
            return &s->items[i];
    return NULL;
}

/* Room for one more in an array that starts small: most filters have one holder, most sessions few
 * subscriptions. */
static bool reserve(void **items, uint32_t count, uint32_t *capacity, size_t size)
{
    if (count < *capacity)
        return true;
    uint32_t more = *capacity == 0 ? 1 : *capacity < 4 ? 4 : *capacity * 2;
    void *grown = realloc(*items, more * size);
    if (grown == NULL)
        return false;
    *items = grown;
    *capacity = more;
    return true;
}

struct topic_tree *topic_tree_new(uint64_t hash_key)
{
    struct topic_tree *t = calloc(1, sizeof(*t));
    if (t == NULL)
        return NULL;
    t->hash_key = hash_key;
    if (!hash_table_init(&t->by_level)) {
        free(t);
        return NULL;
    }
    return t;
}

static void free_node(void *arg, struct hash_link *link)
{
    struct topic_node *n = HASH_OWNER(link, struct topic_node, by_level);
    (void)arg;
    free(n->holders);
    free(n);
}

void topic_tree_free(struct topic_tree *t)
{
    if (t == NULL)
        return;
    hash_table_each(&t->by_level, free_node, NULL);
    hash_table_fini(&t->by_level);
    free(t);
}

enum topic_change topic_tree_add(struct topic_tree *t, struct subscriber *s,
                                 struct mqtt_slice filter, struct subscription_options options)
{
    struct topic_node *leaf = make_leaf(t, filter);
    if (leaf == NULL)
        return TOPIC_FAILED;
    struct subscription *had = find_subscription(s, leaf);
    if (had != NULL) {
        leaf->holders[had->at].options = options;
        return TOPIC_REPLACED;
    }
    if (!reserve((void **)&leaf->holders, leaf->holder_count, &leaf->holder_capacity,
                 sizeof(*leaf->holders)) ||
        !reserve((void **)&s->items, s->count, &s->capacity, sizeof(*s->items))) {
        prune(t, leaf);
        return TOPIC_FAILED;
    }
    s->items[s->count] = (struct subscription){.leaf = leaf, .at = leaf->holder_count};
    leaf->holders[leaf->holder_count] =
        (struct holder){.subscriber = s, .at = s->count, .options = options};
    leaf->holder_count++;
    s->count++;
    if (s->connected)
        leaf->connected++;
    t->subscriptions++;
    return TOPIC_ADDED;
}

void topic_tree_remove_at(struct topic_tree *t, struct subscriber *s, uint32_t at,
                          bool *last_interest)
{
    struct subscription gone = s->items[at];
    struct topic_node *leaf = gone.leaf;

    s->count--;
    if (at != s->count) {
        s->items[at] = s->items[s->count];
        s->items[at].leaf->holders[s->items[at].at].at = at;
    }
    leaf->holder_count--;
    if (gone.at != leaf->holder_count) {
        struct holder moved = leaf->holders[leaf->holder_count];
        leaf->holders[gone.at] = moved;
        moved.subscriber->items[moved.at].at = gone.at;
    }
    if (s->count == 0) {
        free(s->items);
        s->items = NULL;
        s->capacity = 0;
    }
    *last_interest = s->connected && --leaf->connected == 0;
    t->subscriptions--;
    prune(t, leaf);
}

bool topic_tree_has(struct topic_tree *t, struct subscriber *s, struct mqtt_slice filter)
{
    struct topic_node *leaf = find_leaf(t, filter);
    return leaf != NULL && find_subscription(s, leaf) != NULL;
}

bool topic_tree_remove(struct topic_tree *t, struct subscriber *s, struct mqtt_slice filter,
                       bool *last_interest)
{
    *last_interest = false;
    struct topic_node *leaf = find_leaf(t, filter);
    if (leaf == NULL)
        return false;
    struct subscription *sub = find_subscription(s, leaf);
    if (sub == NULL)
        return false;
    topic_tree_remove_at(t, s, (uint32_t)(sub - s->items), last_interest);
    return true;
}

/* Writes the filter of a node from its end backwards into the scratch buffer. */
static struct mqtt_slice filter_text(struct topic_tree *t, const struct topic_node *n)
{
    char *at = t->scratch + sizeof(t->scratch);
    const char *end = at;
    for (; n != &t->root; n = n->parent) {
        at -= n->level_len;
        memcpy(at, n->level, n->level_len);
        if (n->parent != &t->root)
            *--at = '/';
    }
    return (struct mqtt_slice){.data = (const uint8_t *)at, .len = (uint32_t)(end - at)};
}

void topic_tree_set_connected(struct topic_tree *t, struct subscriber *s, bool connected,
                              topic_filter_fn *ended, void *arg)
{
    if (s->connected == connected)
        return;
    s->connected = connected;
    for (uint32_t i = 0; i < s->count; i++) {
        struct topic_node *leaf = s->items[i].leaf;
        if (connected)
            leaf->connected++;
        else if (--leaf->connected == 0 && ended != NULL)
            ended(arg, filter_text(t, leaf));
    }
}

bool topic_tree_has_interest(const struct topic_tree *t, struct mqtt_slice filter)
{
    const struct topic_node *leaf = find_leaf(t, filter);
    return leaf != NULL && leaf->connected > 0;
}

struct mqtt_slice topic_tree_filter(struct topic_tree *t, const struct subscription *s)
{
    return filter_text(t, s->leaf);
}

struct subscription_options topic_tree_options(const struct subscription *s)
{
    return s->leaf->holders[s->at].options;
}

bool topic_tree_has_wildcard(const struct subscription *s)
{
    return s->leaf->wildcard;
}

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

/* Depth is bounded by the deepest filter, which the limits of SUBSCRIBE bound. */
static bool match_below(const struct topic_tree *t, const struct topic_node *n, struct levels l,
                        bool wildcards, struct topic_matches *out)
{
    const char *level;
    uint16_t len;
    if (wildcards && n->hash != NULL && !add_leaf(out, n->hash))
        return false; /* "a/#" also matches "a" (4.7.1.2) */
    if (!levels_next(&l, &level, &len))
        return add_leaf(out, n);
    const struct topic_node *child = find_child(t, n, level, len);
    if (child != NULL && !match_below(t, child, l, true, out))
        return false;
    return !wildcards || n->plus == NULL || match_below(t, n->plus, l, true, out);
}

bool topic_tree_match(struct topic_tree *t, struct mqtt_slice topic, struct topic_matches *out)
{
    out->count = 0;
    bool wildcards = topic.len > 0 && topic.data[0] != '$';
    return match_below(t, &t->root, levels_of(topic), wildcards, out);
}

size_t topic_tree_subscriptions(const struct topic_tree *t)
{
    return t->subscriptions;
}

size_t topic_tree_nodes(const struct topic_tree *t)
{
    return t->by_level.count;
}
