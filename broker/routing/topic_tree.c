/*
 * Subscriptions by topic level: adding, finding and removing filters. topic_match.c matches topics against them.
 */
#include "broker/routing/topic_tree.h"

#include <stdlib.h>
#include <string.h>

#include "broker/base/account.h"
#include "broker/routing/topic_node.h"
#include "broker/routing/topic_weight.h"

/* What is left of a filter; at == NULL: nothing. */
struct levels {
    const char *at, *end;
};

static struct levels levels_of(struct mqtt_slice s)
{
    const char *text = (const char *)s.data;
    return (struct levels){.at = text, .end = text + s.len};
}

static uint16_t first_level_len(const char *text, size_t len)
{
    const char *slash = memchr(text, '/', len);
    return (uint16_t)(slash != NULL ? (size_t)(slash - text) : len);
}

/* Whether the levels begin with the node's text; they are advanced behind it then. */
static bool take_text(const struct topic_node *n, struct levels *l)
{
    size_t left = (size_t)(l->end - l->at);
    if (left < n->text_len || memcmp(l->at, n->text, n->text_len) != 0)
        return false;
    if (left == n->text_len) {
        l->at = NULL;
        return true;
    }
    if (l->at[n->text_len] != '/')
        return false;
    l->at += n->text_len + 1u;
    return true;
}

/* ---- shape ----------------------------------------------------------------------------------- */

static bool is_wild(const char *text, size_t len)
{
    return memchr(text, '+', len) != NULL || memchr(text, '#', len) != NULL;
}

static bool begins_with_plus(const struct topic_node *n)
{
    return n->text_len > 0 && n->text[0] == '+';
}

static bool begins_with_hash(const struct topic_node *n)
{
    return n->text_len > 0 && n->text[0] == '#';
}

static void link_child(struct topic_tree *t, struct topic_node *parent, struct topic_node *n)
{
    n->parent = parent;
    hash_table_add(&t->by_level, &n->by_level,
                   topic_node_key(t, parent, n->text, first_level_len(n->text, n->text_len)));
    parent->children++;
    parent->child_xor ^= (uintptr_t)n;
    if (begins_with_plus(n))
        parent->plus = n;
    if (begins_with_hash(n))
        parent->hash = n;
    topic_weight_linked(n);
}

static void unlink_child(struct topic_tree *t, struct topic_node *n)
{
    struct topic_node *parent = n->parent;
    hash_table_remove(&t->by_level, &n->by_level);
    parent->children--;
    parent->child_xor ^= (uintptr_t)n;
    if (parent->plus == n)
        parent->plus = NULL;
    if (parent->hash == n)
        parent->hash = NULL;
    topic_weight_unlinked(parent, n);
}

static void set_text(struct topic_node *n, const char *text, size_t len)
{
    n->text = text;
    n->text_len = (uint16_t)len;
    n->literal = !is_wild(text, len);
    n->levels = 1;
    for (size_t i = 0; i < len; i++)
        n->levels = (uint16_t)(n->levels + (text[i] == '/'));
}

static struct topic_node *add_child(struct topic_tree *t, struct topic_node *parent,
                                    const char *text, size_t len)
{
    struct topic_node *n = account_zalloc(ACCOUNT_SESSIONS, sizeof(*n) + len);
    if (n == NULL)
        return NULL;
    memcpy(n->bytes, text, len);
    set_text(n, n->bytes, len);
    n->filter_len = (uint16_t)(parent == &t->root ? len : parent->filter_len + 1u + len);
    n->wildcard = parent->wildcard || !n->literal;
    n->plus_in = parent->plus_in || memchr(text, '+', len) != NULL;
    link_child(t, parent, n);
    return n;
}

static void node_free(struct topic_node *n)
{
    account_free(ACCOUNT_SESSIONS, n->joined);
    account_free(ACCOUNT_SESSIONS, n->holders);
    account_free(ACCOUNT_SESSIONS, n->heavy);
    account_free(ACCOUNT_SESSIONS, n);
}

/* Puts a node between n and its parent that takes the first `len` bytes of n's text, which end a
 * level. NULL when out of memory. */
static struct topic_node *split(struct topic_tree *t, struct topic_node *n, size_t len)
{
    struct topic_node *parent = n->parent;
    unlink_child(t, n);
    struct topic_node *upper = add_child(t, parent, n->text, len);
    if (upper == NULL) {
        link_child(t, parent, n);
        return NULL;
    }
    set_text(n, n->text + len + 1, n->text_len - len - 1);
    link_child(t, upper, n);
    return upper;
}

/* Makes one of a node and its only child. The child stays where it is, since holders point at it;
 * without memory both stay. */
static void join(struct topic_tree *t, struct topic_node *n)
{
    struct topic_node *child = (struct topic_node *)n->child_xor;
    struct topic_node *parent = n->parent;
    size_t len = (size_t)n->text_len + 1 + child->text_len;
    char *text = account_alloc(ACCOUNT_SESSIONS, len);
    if (text == NULL)
        return;
    memcpy(text, n->text, n->text_len);
    text[n->text_len] = '/';
    memcpy(text + n->text_len + 1, child->text, child->text_len);
    unlink_child(t, child);
    unlink_child(t, n);
    node_free(n);
    account_free(ACCOUNT_SESSIONS, child->joined);
    child->joined = text;
    set_text(child, text, len);
    link_child(t, parent, child);
}

/* A node that nobody holds stays only where filters branch: its ancestors, too. */
static void prune(struct topic_tree *t, struct topic_node *n)
{
    while (n != &t->root && n->holder_count == 0 && n->children == 0) {
        struct topic_node *parent = n->parent;
        unlink_child(t, n);
        node_free(n);
        n = parent;
    }
    if (n != &t->root && n->holder_count == 0 && n->children == 1)
        join(t, n);
}

/* ---- finding filters ------------------------------------------------------------------------- */

static struct topic_node *next_child(const struct topic_tree *t, const struct topic_node *n,
                                     const struct levels *l)
{
    if (n->children == 0)
        return NULL;
    return topic_node_child(t, n, l->at, first_level_len(l->at, (size_t)(l->end - l->at)));
}

static struct topic_node *find_leaf(const struct topic_tree *t, struct mqtt_slice filter)
{
    const struct topic_node *n = &t->root;
    struct levels l = levels_of(filter);
    while (l.at != NULL) {
        n = next_child(t, n, &l);
        if (n == NULL || !take_text(n, &l))
            return NULL;
    }
    return (struct topic_node *)n;
}

/* How much of the text the levels share with it, in whole levels: one at least. */
static size_t shared_len(const struct topic_node *n, const struct levels *l)
{
    size_t left = (size_t)(l->end - l->at);
    size_t shared = 0;
    size_t i = 0;
    for (; i < n->text_len && i < left && n->text[i] == l->at[i]; i++)
        if (n->text[i] == '/')
            shared = i;
    bool text_level_ends = i == n->text_len || n->text[i] == '/';
    bool level_ends = i == left || l->at[i] == '/';
    return text_level_ends && level_ends ? i : shared;
}

static struct topic_node *make_leaf(struct topic_tree *t, struct mqtt_slice filter)
{
    struct topic_node *n = &t->root;
    struct levels l = levels_of(filter);
    while (l.at != NULL) {
        struct topic_node *child = next_child(t, n, &l);
        if (child == NULL)
            return add_child(t, n, l.at, (size_t)(l.end - l.at));
        if (!take_text(child, &l)) {
            child = split(t, child, shared_len(child, &l));
            if (child == NULL)
                return NULL;
            take_text(child, &l);
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
    void *grown = account_realloc(ACCOUNT_SESSIONS, *items, more * size);
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
    node_free(n);
}

void topic_tree_free(struct topic_tree *t)
{
    if (t == NULL)
        return;
    hash_table_each(&t->by_level, free_node, NULL);
    hash_table_fini(&t->by_level);
    free(t);
}

static struct holder holder_of(struct subscriber *s, uint32_t at,
                               const struct subscription_options *o)
{
    return (struct holder){.subscriber = s,
                           .at = at,
                           .terms = {.qos = o->qos,
                                     .no_local = o->no_local,
                                     .retain_as_published = o->retain_as_published,
                                     .has_more = o->subscription_id != 0}};
}

enum topic_change topic_tree_add(struct topic_tree *t, struct subscriber *s,
                                 struct mqtt_slice filter, struct subscription_options options)
{
    struct topic_node *leaf = make_leaf(t, filter);
    t->changes++;
    if (leaf == NULL)
        return TOPIC_FAILED;
    struct subscription *had = find_subscription(s, leaf);
    if (had != NULL) {
        s->acknowledged_count -= leaf->holders[had->at].terms.qos > 0;
        s->acknowledged_count += options.qos > 0;
        had->subscription_id = options.subscription_id;
        leaf->holders[had->at] = holder_of(s, (uint32_t)(had - s->items), &options);
        return TOPIC_REPLACED;
    }
    if (!reserve((void **)&leaf->holders, leaf->holder_count, &leaf->holder_capacity,
                 sizeof(*leaf->holders)) ||
        !reserve((void **)&s->items, s->count, &s->capacity, sizeof(*s->items))) {
        prune(t, leaf);
        return TOPIC_FAILED;
    }
    s->items[s->count] = (struct subscription){
        .leaf = leaf, .at = leaf->holder_count, .subscription_id = options.subscription_id};
    leaf->holders[leaf->holder_count] = holder_of(s, s->count, &options);
    leaf->holder_count++;
    s->count++;
    s->plus_count += leaf->plus_in;
    s->filter_bytes += leaf->filter_len;
    s->acknowledged_count += options.qos > 0;
    if (s->connected)
        leaf->connected++;
    return TOPIC_ADDED;
}

void topic_tree_remove_at(struct topic_tree *t, struct subscriber *s, uint32_t at,
                          bool *last_interest)
{
    struct subscription gone = s->items[at];
    struct topic_node *leaf = gone.leaf;
    t->changes++;
    s->count--;
    s->plus_count -= leaf->plus_in;
    s->filter_bytes -= leaf->filter_len;
    s->acknowledged_count -= leaf->holders[gone.at].terms.qos > 0;
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
        account_free(ACCOUNT_SESSIONS, s->items);
        s->items = NULL;
        s->capacity = 0;
    }
    *last_interest = s->connected && --leaf->connected == 0;
    prune(t, leaf);
}

const struct subscription *topic_tree_find(struct topic_tree *t, struct subscriber *s,
                                           struct mqtt_slice filter)
{
    struct topic_node *leaf = find_leaf(t, filter);
    return leaf != NULL ? find_subscription(s, leaf) : NULL;
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
        at -= n->text_len;
        memcpy(at, n->text, n->text_len);
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

const struct topic_node *topic_tree_leaf(const struct topic_tree *t, struct mqtt_slice filter)
{
    const struct topic_node *leaf = find_leaf(t, filter);
    return leaf != NULL && leaf->holder_count > 0 ? leaf : NULL;
}

struct mqtt_slice topic_tree_filter(struct topic_tree *t, const struct subscription *s)
{
    return filter_text(t, s->leaf);
}

struct subscription_options topic_tree_options(const struct subscription *s)
{
    const struct subscription_terms *t = &s->leaf->holders[s->at].terms;
    return (struct subscription_options){.qos = t->qos,
                                         .no_local = t->no_local,
                                         .retain_as_published = t->retain_as_published,
                                         .subscription_id = s->subscription_id};
}

bool topic_tree_has_wildcard(const struct subscription *s)
{
    return s->leaf->wildcard;
}

const uint64_t *topic_tree_steps(const struct topic_tree *t)
{
    return &t->steps;
}

uint32_t topic_tree_worst_match(const struct topic_tree *t)
{
    return t->root.weight;
}

size_t topic_tree_nodes(const struct topic_tree *t)
{
    return t->by_level.count;
}
