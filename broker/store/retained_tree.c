/*
 * Retained values by topic. store_memory.c puts and reads.
 */
#include "broker/store/retained_tree.h"

#include <stdlib.h>
#include <string.h>

#include "broker/base/account.h"
#include "common/base/hash.h"
#include "common/base/hash_table.h"

struct retained_node {
    struct retained_node *parent;
    struct hash_link by_level;            /* of (parent, level) */
    struct retained_node *first, *last;   /* children */
    struct retained_node *before, *after; /* siblings */
    struct message *message;              /* NULL: only a step on the way */
    uint32_t resting;                     /* cursors that are at it: it stays */
    uint16_t depth;                       /* 0: the root */
    uint16_t len;
    char level[];
};

struct retained_tree {
    struct hash_table by_level;
    size_t messages;
    size_t expiring;   /* of them, those that expire */
    uint32_t sweep_at; /* bucket */
    retained_removed_fn *removed;
    void *removed_arg;
    uint64_t hash_key;
    struct retained_node root;
};

struct retained_tree *retained_tree_new(uint64_t hash_key)
{
    struct retained_tree *t = calloc(1, sizeof(*t));
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
    struct retained_node *n = HASH_OWNER(link, struct retained_node, by_level);
    (void)arg;
    message_unref(n->message);
    account_free(ACCOUNT_RETAINED, n);
}

void retained_tree_free(struct retained_tree *t)
{
    if (t == NULL)
        return;
    hash_table_each(&t->by_level, free_node, NULL);
    hash_table_fini(&t->by_level);
    free(t);
}

size_t retained_tree_count(const struct retained_tree *t)
{
    return t->messages;
}

/* ---- nodes ----------------------------------------------------------------------------------- */

/* Takes the first level off the rest of a topic. False when there is none left. */
static bool next_level(struct mqtt_slice *rest, struct mqtt_slice *level)
{
    if (rest->data == NULL)
        return false;
    const uint8_t *slash = memchr(rest->data, '/', rest->len);
    *level = *rest;
    if (slash == NULL) {
        rest->data = NULL;
        return true;
    }
    level->len = (uint32_t)(slash - rest->data);
    rest->len -= level->len + 1;
    rest->data = slash + 1;
    return true;
}

static uint32_t key_of(const struct retained_tree *t, const struct retained_node *parent,
                       struct mqtt_slice level)
{
    return (uint32_t)hash_bytes(t->hash_key ^ (uint64_t)(uintptr_t)parent, level.data, level.len);
}

static struct retained_node *find_child(const struct retained_tree *t,
                                        const struct retained_node *parent, struct mqtt_slice level)
{
    if (parent->first == NULL)
        return NULL;
    uint32_t key = key_of(t, parent, level);
    for (struct hash_link *l = hash_table_chain(&t->by_level, key); l != NULL; l = l->next) {
        struct retained_node *n = HASH_OWNER(l, struct retained_node, by_level);
        if (l->hash == key && n->parent == parent && n->len == level.len &&
            memcmp(n->level, level.data, level.len) == 0)
            return n;
    }
    return NULL;
}

static struct retained_node *find(const struct retained_tree *t, struct mqtt_slice topic)
{
    const struct retained_node *n = &t->root;
    struct mqtt_slice level;
    while (n != NULL && next_level(&topic, &level))
        n = find_child(t, n, level);
    return (struct retained_node *)n;
}

static struct retained_node *add_child(struct retained_tree *t, struct retained_node *parent,
                                       struct mqtt_slice level)
{
    struct retained_node *n = account_zalloc(ACCOUNT_RETAINED, sizeof(*n) + level.len);
    if (n == NULL)
        return NULL;
    n->parent = parent;
    n->depth = (uint16_t)(parent->depth + 1);
    n->len = (uint16_t)level.len;
    if (level.len > 0)
        memcpy(n->level, level.data, level.len);
    hash_table_add(&t->by_level, &n->by_level, key_of(t, parent, level));
    n->before = parent->last;
    if (parent->last != NULL)
        parent->last->after = n;
    else
        parent->first = n;
    parent->last = n;
    return n;
}

static void unlink_node(struct retained_tree *t, struct retained_node *n)
{
    hash_table_remove(&t->by_level, &n->by_level);
    if (n->before != NULL)
        n->before->after = n->after;
    else
        n->parent->first = n->after;
    if (n->after != NULL)
        n->after->before = n->before;
    else
        n->parent->last = n->before;
}

/* Removes a node without value and children at which nobody rests, and its ancestors as far as that
 * holds for them. */
static void prune(struct retained_tree *t, struct retained_node *n)
{
    while (n != &t->root && n->message == NULL && n->first == NULL && n->resting == 0) {
        struct retained_node *parent = n->parent;
        unlink_node(t, n);
        account_free(ACCOUNT_RETAINED, n);
        n = parent;
    }
}

static void drop_value(struct retained_tree *t, struct retained_node *n)
{
    if (n->message == NULL)
        return;
    t->messages--;
    t->expiring -= n->message->expires_at_ms != 0;
    message_unref(n->message);
    n->message = NULL;
}

bool retained_tree_put(struct retained_tree *t, struct message *m)
{
    struct retained_node *n = &t->root;
    struct mqtt_slice rest = m->topic;
    struct mqtt_slice level;
    while (next_level(&rest, &level)) {
        struct retained_node *child = find_child(t, n, level);
        if (child == NULL)
            child = add_child(t, n, level);
        if (child == NULL) {
            prune(t, n);
            return false;
        }
        n = child;
    }
    drop_value(t, n);
    n->message = message_ref(m);
    t->messages++;
    t->expiring += m->expires_at_ms != 0;
    message_keep(m);
    return true;
}

void retained_tree_remove(struct retained_tree *t, struct mqtt_slice topic)
{
    struct retained_node *n = find(t, topic);
    if (n == NULL || n->message == NULL)
        return;
    drop_value(t, n);
    prune(t, n);
}

static struct retained_node *expired_in(const struct retained_tree *t, uint32_t bucket,
                                        uint64_t now_ms)
{
    for (struct hash_link *l = t->by_level.buckets[bucket]; l != NULL; l = l->next) {
        struct retained_node *n = HASH_OWNER(l, struct retained_node, by_level);
        if (n->message != NULL && message_is_expired(n->message, now_ms))
            return n;
    }
    return NULL;
}

void retained_tree_watch(struct retained_tree *t, retained_removed_fn *removed, void *arg)
{
    t->removed = removed;
    t->removed_arg = arg;
}

/* There are about as many buckets as nodes. */
size_t retained_tree_sweep(struct retained_tree *t, uint32_t size, uint64_t now_ms)
{
    size_t removed = 0;
    for (; size > 0 && t->expiring > 0; size--) {
        struct retained_node *n;
        if (++t->sweep_at >= t->by_level.size)
            t->sweep_at = 0;
        while ((n = expired_in(t, t->sweep_at, now_ms)) != NULL) {
            if (t->removed != NULL)
                t->removed(t->removed_arg, n->message);
            drop_value(t, n);
            prune(t, n);
            removed++;
        }
    }
    return removed;
}

struct message *retained_tree_get(const struct retained_tree *t, struct mqtt_slice topic)
{
    const struct retained_node *n = find(t, topic);
    return n != NULL ? n->message : NULL;
}

/* ---- walking --------------------------------------------------------------------------------- */

enum level_kind { LEVEL_EXACT, LEVEL_ANY, LEVEL_NONE };

/* What the filter says of nodes at this depth. */
static enum level_kind level_at(const struct retained_cursor *c, uint32_t depth)
{
    if (depth > c->level_count)
        return c->many ? LEVEL_ANY : LEVEL_NONE;
    struct mqtt_slice l = c->levels[depth - 1];
    return l.len == 1 && l.data[0] == '+' ? LEVEL_ANY : LEVEL_EXACT;
}

/* From this sibling on, the first that a wildcard may match (4.7.2: not "$..." at the top). */
static struct retained_node *skip_hidden(struct retained_node *n)
{
    while (n != NULL && n->depth == 1 && n->len > 0 && n->level[0] == '$')
        n = n->after;
    return n;
}

static struct retained_node *first_child(const struct retained_cursor *c,
                                         const struct retained_node *n)
{
    uint32_t depth = n->depth + 1u;
    switch (level_at(c, depth)) {
    case LEVEL_EXACT:
        return find_child(c->tree, n, c->levels[depth - 1]);
    case LEVEL_ANY:
        return skip_hidden(n->first);
    case LEVEL_NONE:
        break;
    }
    return NULL;
}

/* The next node after n in the walk. */
static struct retained_node *step(const struct retained_cursor *c, struct retained_node *n)
{
    struct retained_node *child = first_child(c, n);
    if (child != NULL)
        return child;
    for (; n != &c->tree->root; n = n->parent) {
        if (level_at(c, n->depth) != LEVEL_ANY)
            continue;
        struct retained_node *sibling = skip_hidden(n->after);
        if (sibling != NULL)
            return sibling;
    }
    return NULL;
}

static bool is_match(const struct retained_cursor *c, const struct retained_node *n)
{
    return n->message != NULL &&
           (c->many ? n->depth >= c->level_count : n->depth == c->level_count);
}

static void rest_at(struct retained_node *n)
{
    if (n != NULL)
        n->resting++;
}

static void leave(struct retained_tree *t, struct retained_node *n)
{
    if (n == NULL)
        return;
    n->resting--;
    prune(t, n);
}

bool retained_cursor_init(struct retained_cursor *c, struct retained_tree *t,
                          struct mqtt_slice filter)
{
    size_t levels = 1;
    for (uint32_t i = 0; i < filter.len; i++)
        levels += filter.data[i] == '/';
    memset(c, 0, sizeof(*c));
    c->tree = t;
    c->levels = malloc(levels * sizeof(*c->levels) + filter.len);
    if (c->levels == NULL)
        return false;
    uint8_t *text = (uint8_t *)&c->levels[levels];
    memcpy(text, filter.data, filter.len);
    struct mqtt_slice rest = {.data = text, .len = filter.len};
    while (next_level(&rest, &c->levels[c->level_count]))
        c->level_count++;
    struct mqtt_slice last = c->levels[c->level_count - 1];
    if (last.len == 1 && last.data[0] == '#') {
        c->many = true;
        c->level_count--;
    }
    c->at = step(c, &t->root);
    rest_at(c->at);
    return true;
}

static struct message *walk(struct retained_cursor *c, uint32_t *steps)
{
    for (; c->at != NULL && *steps > 0; --*steps) {
        struct retained_node *n = c->at;
        c->at = step(c, n);
        if (is_match(c, n))
            return n->message;
    }
    return NULL;
}

struct message *retained_cursor_next(struct retained_cursor *c, uint32_t *steps)
{
    struct retained_node *from = c->at;
    struct message *found = walk(c, steps);
    rest_at(c->at);
    leave(c->tree, from);
    return found;
}

void retained_cursor_fini(struct retained_cursor *c)
{
    if (c->tree == NULL)
        return;
    leave(c->tree, c->at);
    free(c->levels);
    memset(c, 0, sizeof(*c));
}
