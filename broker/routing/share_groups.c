/* Groups by their filter. Who is a member is looked up in the topic tree, where the subscriptions are;
 * only what other nodes said of their numbers is kept here. */
#include "broker/routing/share_groups.h"

#include <stdlib.h>
#include <string.h>

#include "broker/base/account.h"
#include "broker/routing/match_cache.h"
#include "broker/routing/session.h"
#include "broker/routing/topic_node.h"
#include "broker/routing/topic_tree.h"
#include "common/base/hash.h"

struct share_node {
    void *node;
    uint32_t members;
    uint8_t qos;
};

struct share_groups {
    struct hash_table by_filter;
    struct topic_tree *tree;
    struct match_cache *cache;
    uint64_t hash_key;
};

struct share_groups *share_groups_new(struct topic_tree *tree, struct match_cache *cache,
                                      uint64_t hash_key)
{
    struct share_groups *s = calloc(1, sizeof(*s));
    if (s == NULL || !hash_table_init(&s->by_filter)) {
        free(s);
        return NULL;
    }
    s->tree = tree;
    s->cache = cache;
    s->hash_key = hash_key;
    return s;
}

static uint32_t hash_of(const struct share_groups *s, struct mqtt_slice filter)
{
    return (uint32_t)hash_bytes(s->hash_key, filter.data, filter.len);
}

struct share_group *share_groups_find(const struct share_groups *s, struct mqtt_slice filter)
{
    uint32_t hash = hash_of(s, filter);
    for (struct hash_link *l = hash_table_chain(&s->by_filter, hash); l != NULL; l = l->next) {
        struct share_group *g = HASH_OWNER(l, struct share_group, by_filter);
        if (l->hash == hash && g->filter_len == filter.len &&
            memcmp(g->filter, filter.data, filter.len) == 0)
            return g;
    }
    return NULL;
}

/* ---- coming and going ------------------------------------------------------------------------ */

static struct mqtt_slice inner_of(const struct share_group *g)
{
    return mqtt_slice_of(g->filter + g->inner_at, g->filter_len - g->inner_at);
}

static bool has_wildcard(struct mqtt_slice filter)
{
    return memchr(filter.data, '+', filter.len) != NULL ||
           memchr(filter.data, '#', filter.len) != NULL;
}

static void forget_matches(struct share_groups *s, const struct share_group *g)
{
    match_cache_forget(s->cache, inner_of(g), has_wildcard(inner_of(g)));
}

static struct share_group *add_group(struct share_groups *s, struct mqtt_slice filter)
{
    struct mqtt_slice name;
    struct mqtt_slice inner;
    if (!mqtt_filter_split_shared(filter, &name, &inner))
        return NULL;
    struct share_group *g = account_zalloc(ACCOUNT_SESSIONS, sizeof(*g) + filter.len);
    if (g == NULL)
        return NULL;
    g->subscriber.kind = SUBSCRIBER_GROUP;
    g->filter_len = filter.len;
    g->inner_at = (uint32_t)(inner.data - filter.data);
    memcpy(g->filter, filter.data, filter.len);
    struct subscription_options all = {.qos = 2};
    if (topic_tree_add(s->tree, &g->subscriber, inner_of(g), all) == TOPIC_FAILED) {
        account_free(ACCOUNT_SESSIONS, g);
        return NULL;
    }
    hash_table_add(&s->by_filter, &g->by_filter, hash_of(s, filter));
    forget_matches(s, g);
    return g;
}

static void remove_group(struct share_groups *s, struct share_group *g)
{
    bool last;
    topic_tree_remove(s->tree, &g->subscriber, inner_of(g), &last);
    forget_matches(s, g);
    hash_table_remove(&s->by_filter, &g->by_filter);
    account_free(ACCOUNT_SESSIONS, g->nodes);
    account_free(ACCOUNT_SESSIONS, g);
}

static void free_one(void *arg, struct hash_link *l)
{
    remove_group(arg, HASH_OWNER(l, struct share_group, by_filter));
}

void share_groups_free(struct share_groups *s)
{
    if (s == NULL)
        return;
    hash_table_each(&s->by_filter, free_one, s);
    hash_table_fini(&s->by_filter);
    free(s);
}

static struct subscription_options options_of(const struct holder *h)
{
    return topic_tree_options(&h->subscriber->items[h->at]);
}

static uint8_t highest_at(const uint32_t counts[3])
{
    return counts[2] > 0 ? 2 : counts[1] > 0;
}

/* A session's options say it; another node's route doesn't, but its number. */
static void find_qos(struct share_group *g)
{
    const uint32_t *at = g->sessions_at;
    g->qos = highest_at(at);
    g->is_served = at[0] + at[1] + at[2] > 0;
    for (uint32_t i = 0; i < g->node_count; i++) {
        g->is_served |= g->nodes[i].members > 0;
        if (g->nodes[i].qos > g->qos)
            g->qos = g->nodes[i].qos;
    }
}

static void count(struct share_group *g, struct share_change change)
{
    if (change.before != SHARE_NO_QOS)
        g->sessions_at[change.before]--;
    if (change.now != SHARE_NO_QOS)
        g->sessions_at[change.now]++;
}

/* Nobody holds its text any more. */
static void end_group(struct share_groups *s, struct share_group *g)
{
    g->has_member = g->is_served = false;
    g->qos = 0;
    g->behind = false;
    if (!g->declared)
        remove_group(s, g);
}

bool share_groups_changed(struct share_groups *s, struct mqtt_slice filter,
                          struct share_change change, bool *ended)
{
    const struct topic_node *leaf = topic_tree_leaf(s->tree, filter);
    struct share_group *g = share_groups_find(s, filter);
    *ended = leaf == NULL && g != NULL && g->has_member;
    if (leaf == NULL && g == NULL)
        return true;
    if (g == NULL)
        g = add_group(s, filter);
    if (g == NULL)
        return false;
    count(g, change);
    if (leaf == NULL) {
        end_group(s, g);
        return true;
    }
    g->has_member = true;
    find_qos(g);
    return true;
}

bool share_groups_declare(struct share_groups *s, struct mqtt_slice filter)
{
    struct share_group *g = share_groups_find(s, filter);
    if (g == NULL)
        g = add_group(s, filter);
    if (g == NULL)
        return false;
    g->declared = true;
    return true;
}

/* ---- other nodes ----------------------------------------------------------------------------- */

static struct share_node *find_node(const struct share_group *g, const void *node)
{
    for (uint32_t i = 0; i < g->node_count; i++)
        if (g->nodes[i].node == node)
            return &g->nodes[i];
    return NULL;
}

static bool reserve_node(struct share_group *g)
{
    if (g->node_count < g->node_capacity)
        return true;
    uint32_t more = g->node_capacity == 0 ? 2 : g->node_capacity * 2;
    struct share_node *grown = account_realloc(ACCOUNT_SESSIONS, g->nodes, more * sizeof(*grown));
    if (grown == NULL)
        return false;
    g->nodes = grown;
    g->node_capacity = more;
    return true;
}

bool share_groups_node(struct share_groups *s, struct mqtt_slice filter, void *node,
                       uint32_t members, uint8_t qos)
{
    struct share_group *g = share_groups_find(s, filter);
    if (g == NULL || topic_tree_leaf(s->tree, filter) == NULL)
        return false;
    struct share_node *n = find_node(g, node);
    if (n == NULL && !reserve_node(g))
        return false;
    if (n == NULL)
        n = &g->nodes[g->node_count++];
    *n = (struct share_node){.node = node, .members = members, .qos = qos};
    find_qos(g);
    return true;
}

static void node_gone(struct share_group *g, const void *node)
{
    struct share_node *n = find_node(g, node);
    if (n == NULL)
        return;
    *n = g->nodes[--g->node_count];
    find_qos(g);
}

static void gone_from(void *node, struct hash_link *l)
{
    node_gone(HASH_OWNER(l, struct share_group, by_filter), node);
}

void share_groups_node_gone(struct share_groups *s, const struct mqtt_slice *filter, void *node)
{
    if (filter == NULL) {
        hash_table_each(&s->by_filter, gone_from, node);
        return;
    }
    struct share_group *g = share_groups_find(s, *filter);
    if (g != NULL)
        node_gone(g, node);
}

struct each_call {
    void (*each)(void *arg, struct share_group *g);
    void *arg;
};

static void call_each(void *arg, struct hash_link *l)
{
    struct each_call *call = arg;
    call->each(call->arg, HASH_OWNER(l, struct share_group, by_filter));
}

void share_groups_each(struct share_groups *s, void (*each)(void *arg, struct share_group *g),
                       void *arg)
{
    struct each_call call = {.each = each, .arg = arg};
    hash_table_each(&s->by_filter, call_each, &call);
}

/* ---- choosing -------------------------------------------------------------------------------- */

/* Where its members are; NULL: there are none. */
static const struct topic_node *leaf_of(const struct share_groups *s, struct share_group *g)
{
    if (g->leaf_at != s->tree->changes) {
        g->leaf = topic_tree_leaf(s->tree, share_group_filter(g));
        g->leaf_at = s->tree->changes;
    }
    return g->leaf;
}

static uint32_t connected_here(const struct share_groups *s, struct share_group *g)
{
    const struct topic_node *leaf = leaf_of(s, g);
    return leaf != NULL ? leaf->connected : 0;
}

uint32_t share_group_members_here(const struct share_groups *s, const struct share_group *g,
                                  uint8_t *qos)
{
    const struct topic_node *leaf = topic_tree_leaf(s->tree, share_group_filter(g));
    *qos = leaf != NULL && leaf->connected > 0 ? highest_at(g->sessions_at) : 0;
    return leaf != NULL ? leaf->connected : 0;
}

bool share_group_has_away(const struct share_groups *s, struct share_group *g)
{
    const uint32_t *at = g->sessions_at;
    return at[0] + at[1] + at[2] > connected_here(s, g);
}

bool share_group_choose(const struct share_groups *s, struct share_group *g, uint32_t start,
                        share_takes_fn *takes, void *arg, struct share_member *out)
{
    const struct topic_node *leaf = leaf_of(s, g);
    if (leaf == NULL || leaf->connected == 0)
        return false;
    uint32_t at = start % leaf->holder_count;
    for (uint32_t i = 0; i < leaf->holder_count; i++, at++) {
        at = at < leaf->holder_count ? at : 0;
        const struct holder *h = &leaf->holders[at];
        if (h->subscriber->kind != SUBSCRIBER_SESSION)
            continue;
        *out =
            (struct share_member){.session = session_of(h->subscriber), .options = options_of(h)};
        if (out->session->client == NULL || !takes(arg, out))
            continue;
        g->turn = at + 1;
        return true;
    }
    return false;
}

bool share_group_draw(const struct share_groups *s, struct share_group *g, struct share_draw how,
                      void **node)
{
    uint64_t here = how.not_here ? 0 : connected_here(s, g);
    uint64_t total = here;
    for (uint32_t i = 0; i < g->node_count; i++)
        total += g->nodes[i].node != how.except ? g->nodes[i].members : 0;
    if (total == 0)
        return false;
    uint64_t at = how.number % total;
    *node = NULL;
    if (at < here)
        return true;
    at -= here;
    for (uint32_t i = 0; i < g->node_count; i++) {
        uint32_t members = g->nodes[i].node != how.except ? g->nodes[i].members : 0;
        if (at < members) {
            *node = g->nodes[i].node;
            return true;
        }
        at -= members;
    }
    return false;
}
