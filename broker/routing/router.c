/*
 * Who gets a message: asked by publish.c for this broker's clients and by the fleet, for what the
 * store is given.
 */
#include "broker/routing/router.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "broker/message/message.h"
#include "broker/routing/match_cache.h"
#include "broker/routing/session.h"
#include "broker/routing/share_groups.h"
#include "broker/routing/topic_match.h"
#include "broker/routing/topic_tree.h"
#include "common/base/timebox.h"

enum {
    ROUTE_US = 1,            /* about the removal of a route or a subscription */
    MATCH_STEPS_MAX = 70000, /* some 10 to 20 ms */
};

/* Another node as a holder of routes in the topic tree. */
struct route_holder {
    struct subscriber subscriber; /* first member */
    void *node;                   /* NULL: it was removed, and its routes are on their way out */
    LIST_ENTRY(route_holder) link;
};
LIST_HEAD(route_holders, route_holder);

struct router {
    struct topic_tree *tree;
    struct match_cache *cache;
    struct share_groups *groups;
    struct router_hooks hooks;
    struct topic_matches scratch;
    struct store_targets targets; /* the latest ones; its arrays are used again */
    size_t queue_capacity, node_capacity, group_capacity;
    struct route_holders nodes, removed;
    struct router_counts counts;
};

/* ---- matching -------------------------------------------------------------------------------- */

const struct match_entry *router_match(struct router *r, struct mqtt_slice topic)
{
    const struct match_entry *e = match_cache_get(r->cache, topic);
    if (e != NULL)
        return e;
    if (mqtt_filter_is_shared(topic))
        topic_matches_clear(&r->scratch); /* that is where the members of groups are */
    else if (!topic_tree_match(r->tree, topic, &r->scratch))
        return NULL;
    return match_cache_put(r->cache, topic, &r->scratch);
}

struct kept_match router_keep_match(const struct router *r, const struct match_entry *e)
{
    return (struct kept_match){.entry = e, .changes = match_cache_changes(r->cache)};
}

const struct match_entry *router_match_again(struct router *r, struct mqtt_slice topic,
                                             const struct kept_match *kept)
{
    if (kept->entry != NULL && kept->changes == match_cache_changes(r->cache))
        return kept->entry;
    return router_match(r, topic);
}

struct router *router_new(uint64_t hash_key, const struct router_hooks *hooks)
{
    struct router *r = calloc(1, sizeof(*r));
    if (r == NULL)
        return NULL;
    r->hooks = *hooks;
    r->tree = topic_tree_new(hash_key);
    r->cache = match_cache_new(hash_key);
    if (r->tree != NULL && r->cache != NULL)
        r->groups = share_groups_new(r->tree, r->cache, hash_key);
    if (r->groups == NULL) {
        router_free(r);
        return NULL;
    }
    return r;
}

void router_free(struct router *r)
{
    if (r == NULL)
        return;
    struct timebox endless;
    timebox_open_at(&endless, UINT64_MAX, 0, 0);
    while (!LIST_EMPTY(&r->nodes))
        router_node_removed(r, LIST_FIRST(&r->nodes)->node);
    router_go_on(r, &endless);
    share_groups_free(r->groups);
    topic_tree_free(r->tree);
    match_cache_free(r->cache);
    topic_matches_fini(&r->scratch);
    free(r->targets.queues);
    free(r->targets.nodes);
    free(r->targets.groups);
    free(r);
}

const uint64_t *router_steps(const struct router *r)
{
    return topic_tree_steps(r->tree);
}

size_t router_subscription_count(const struct router *r)
{
    return r->counts.clean + r->counts.durable + r->counts.routes; /* the tree has groups as well */
}

const struct router_counts *router_counts(const struct router *r)
{
    return &r->counts;
}

/* Where subscriptions of this holder are counted. */
static size_t *count_of(struct router *r, struct subscriber *s)
{
    if (s->kind == SUBSCRIBER_NODE)
        return &r->counts.routes;
    return session_of(s)->durable ? &r->counts.durable : &r->counts.clean;
}

enum { CAME = 1, WENT = -1 };

static void count(struct router *r, struct subscriber *s, struct mqtt_slice filter, int by)
{
    *count_of(r, s) += (size_t)by;
    if (s->kind != SUBSCRIBER_SESSION || !mqtt_filter_is_shared(filter))
        return;
    r->counts.shared += (size_t)by;
    s->shared_count += (uint32_t)by;
}

static uint8_t lower(uint8_t a, uint8_t b)
{
    return a < b ? a : b;
}

static bool reserve_targets(struct router *r, size_t queues, size_t nodes)
{
    if (queues > r->queue_capacity) {
        void *grown = realloc(r->targets.queues, queues * sizeof(*r->targets.queues));
        if (grown == NULL)
            return false;
        r->targets.queues = grown;
        r->queue_capacity = queues;
    }
    if (nodes > r->node_capacity) {
        void *grown = realloc(r->targets.nodes, nodes * sizeof(*r->targets.nodes));
        if (grown == NULL)
            return false;
        r->targets.nodes = grown;
        r->node_capacity = nodes;
    }
    return true;
}

/* Those whose members are all at QoS 0 get everything by the way of QoS 0: delivery/share.c. */
static bool add_groups(struct router *r, const struct match_entry *e, struct store_targets *out)
{
    if (e->group_count > r->group_capacity) {
        void *grown = realloc(r->targets.groups, e->group_count * sizeof(*r->targets.groups));
        if (grown == NULL)
            return false;
        r->targets.groups = grown;
        r->group_capacity = e->group_count;
    }
    out->groups = r->targets.groups;
    for (uint32_t i = 0; i < e->group_count; i++) {
        const struct share_group *g = share_group_of(match_entry_groups(e)[i].subscriber);
        if (!share_group_is_drawn(g))
            out->groups[out->group_count++] = share_group_filter(g);
    }
    return true;
}

bool router_targets_among(struct router *r, const struct match_entry *e, uint8_t qos,
                          struct mqtt_slice publisher, struct store_targets *out)
{
    size_t queues = 0;
    size_t nodes = 0;
    if (!reserve_targets(r, e->count, e->node_count)) {
        *out = (struct store_targets){0};
        return false;
    }
    const uint32_t *overlaps = match_entry_overlaps(e);
    for (uint32_t i = 0; qos > 0 && i < e->count; i++) {
        struct session *s = session_of(e->items[i].subscriber);
        struct match_terms terms;
        if (!s->durable || !match_serves(&e->items[i], overlaps, publisher, &terms) ||
            terms.qos == 0)
            continue;
        r->targets.queues[queues++] =
            (struct store_queue_target){.client_id = session_id(s),
                                        .qos = lower(qos, terms.qos),
                                        .retain_as_published = terms.retain_as_published,
                                        .ids = terms.ids};
    }
    for (uint32_t i = 0; i < e->node_count; i++) {
        const struct subscriber *s = e->items[e->count + i].subscriber;
        void *node = ((const struct route_holder *)s)->node;
        if (node != NULL)
            r->targets.nodes[nodes++] = node;
    }
    *out = (struct store_targets){.queues = r->targets.queues,
                                  .queue_count = queues,
                                  .nodes = r->targets.nodes,
                                  .node_count = nodes};
    if (qos == 0 || e->group_count == 0 || add_groups(r, e, out))
        return true;
    *out = (struct store_targets){0};
    return false;
}

void router_targets(struct router *r, const struct message *m, struct store_targets *out)
{
    const struct match_entry *e = router_match(r, m->topic);
    if (e != NULL)
        router_targets_among(r, e, m->qos, m->publisher, out);
    else
        *out = (struct store_targets){0};
}

/* ---- subscriptions --------------------------------------------------------------------------- */

static bool has_wildcard(struct mqtt_slice filter)
{
    return memchr(filter.data, '+', filter.len) != NULL ||
           memchr(filter.data, '#', filter.len) != NULL;
}

static void member_changed(struct router *r, struct mqtt_slice filter)
{
    bool ended;
    share_groups_changed(r->groups, filter, &ended);
    if (ended)
        r->hooks.share_ended(r->hooks.arg, filter);
}

/* A subscription to this filter came, changed or went. */
static void changed(struct router *r, struct mqtt_slice filter)
{
    if (mqtt_filter_is_shared(filter))
        member_changed(r, filter);
    else
        match_cache_forget(r->cache, filter, has_wildcard(filter));
}

static bool add_member(struct router *r, struct subscriber *s, struct mqtt_slice filter)
{
    bool last;
    if (share_groups_changed(r->groups, filter, &last))
        return true;
    topic_tree_remove(r->tree, s, filter, &last);
    count(r, s, filter, WENT);
    return false;
}

static bool add(struct router *r, struct subscriber *s, struct mqtt_slice filter,
                struct subscription_options options)
{
    enum topic_change change = topic_tree_add(r->tree, s, filter, options);
    if (change == TOPIC_FAILED)
        return false;
    if (change == TOPIC_ADDED)
        count(r, s, filter, CAME);
    if (mqtt_filter_is_shared(filter))
        return add_member(r, s, filter);
    match_cache_forget(r->cache, filter, has_wildcard(filter));
    return true;
}

static void tell_changing(struct router *r, struct session *s)
{
    r->hooks.changing(r->hooks.arg, s);
}

static void tell_ended(struct router *r, struct mqtt_slice filter)
{
    r->hooks.interest_ended(r->hooks.arg, filter);
}

bool router_subscribe(struct router *r, struct session *s, struct mqtt_slice filter,
                      struct subscription_options options)
{
    tell_changing(r, s);
    return add(r, &s->subscriber, filter, options);
}

enum router_granted router_grant(struct router *r, struct session *s, struct mqtt_slice filter,
                                 struct subscription_options options)
{
    uint32_t before = topic_tree_worst_match(r->tree);
    if (!router_subscribe(r, s, filter, options))
        return ROUTER_NO_MEMORY;
    uint32_t after = topic_tree_worst_match(r->tree);
    if (after <= MATCH_STEPS_MAX || after <= before || memchr(filter.data, '+', filter.len) == NULL)
        return ROUTER_GRANTED;
    router_unsubscribe(r, s, filter);
    return ROUTER_CROWDED;
}

bool router_is_subscribed(struct router *r, struct session *s, struct mqtt_slice filter,
                          struct subscription_options *options)
{
    const struct subscription *item = topic_tree_find(r->tree, &s->subscriber, filter);
    if (item != NULL && options != NULL)
        *options = topic_tree_options(item);
    return item != NULL;
}

bool router_unsubscribe(struct router *r, struct session *s, struct mqtt_slice filter)
{
    bool last;
    tell_changing(r, s);
    if (!topic_tree_remove(r->tree, &s->subscriber, filter, &last))
        return false;
    count(r, &s->subscriber, filter, WENT);
    if (last)
        tell_ended(r, filter);
    changed(r, filter);
    return true;
}

static void remove_last(struct router *r, struct subscriber *s)
{
    bool last;
    uint32_t at = s->count - 1;
    if (s->kind == SUBSCRIBER_SESSION)
        tell_changing(r, session_of(s)); /* it may be freed after its last one */
    struct mqtt_slice filter = topic_tree_filter(r->tree, &s->items[at]);
    bool wildcard = topic_tree_has_wildcard(&s->items[at]);
    count(r, s, filter, WENT);
    topic_tree_remove_at(r->tree, s, at, &last); /* the text stays in the scratch buffer */
    if (last)
        tell_ended(r, filter);
    if (mqtt_filter_is_shared(filter))
        member_changed(r, filter);
    else
        match_cache_forget(r->cache, filter, wildcard);
}

static void remove_all(struct router *r, struct subscriber *s)
{
    while (s->count > 0)
        remove_last(r, s);
}

void router_unsubscribe_all(struct router *r, struct session *s)
{
    remove_all(r, &s->subscriber);
}

bool router_unsubscribe_some(struct router *r, struct session *s, struct timebox *box)
{
    while (s->subscriber.count > 0) {
        remove_last(r, &s->subscriber);
        if (timebox_spend(box, ROUTE_US))
            break;
    }
    return s->subscriber.count == 0;
}

void router_each_subscription(struct router *r, const struct session *s,
                              store_subscription_fn *each, void *arg)
{
    for (uint32_t i = 0; i < s->subscriber.count; i++) {
        const struct subscription *item = &s->subscriber.items[i];
        struct subscription_options options = topic_tree_options(item);
        struct store_subscription sub = {.filter = topic_tree_filter(r->tree, item),
                                         .qos = options.qos,
                                         .no_local = options.no_local,
                                         .retain_as_published = options.retain_as_published,
                                         .subscription_id = item->subscription_id};
        each(arg, &sub);
    }
}

void router_session_set_durable(struct router *r, struct session *s, bool durable)
{
    *count_of(r, &s->subscriber) -= s->subscriber.count;
    s->durable = durable;
    *count_of(r, &s->subscriber) += s->subscriber.count;
}

void router_session_joined(struct router *r, struct session *s)
{
    topic_tree_set_connected(r->tree, &s->subscriber, true, NULL, NULL);
}

void router_session_left(struct router *r, struct session *s)
{
    tell_changing(r, s);
    if (!s->durable)
        remove_all(r, &s->subscriber);
    topic_tree_set_connected(r->tree, &s->subscriber, false, r->hooks.interest_ended, r->hooks.arg);
}

/* ---- for the fleet --------------------------------------------------------------------------- */

static struct route_holder *find_node(const struct router *r, const void *node)
{
    struct route_holder *h;
    LIST_FOREACH (h, &r->nodes, link)
        if (h->node == node)
            return h;
    return NULL;
}

bool router_route_add(struct router *r, void *node, struct mqtt_slice filter)
{
    struct route_holder *h = find_node(r, node);
    if (h == NULL) {
        h = calloc(1, sizeof(*h));
        if (h == NULL)
            return false;
        h->subscriber.kind = SUBSCRIBER_NODE;
        h->node = node;
        LIST_INSERT_HEAD(&r->nodes, h, link);
    }
    return add(r, &h->subscriber, filter, (struct subscription_options){.qos = 2});
}

void router_route_remove(struct router *r, void *node, struct mqtt_slice filter)
{
    struct route_holder *h = find_node(r, node);
    bool last;
    if (h == NULL || !topic_tree_remove(r->tree, &h->subscriber, filter, &last))
        return;
    count(r, &h->subscriber, filter, WENT);
    if (mqtt_filter_is_shared(filter))
        share_groups_node_gone(r->groups, &filter, node);
    changed(r, filter);
}

bool router_route_members(struct router *r, void *node, struct mqtt_slice filter, uint32_t members,
                          uint8_t qos)
{
    return router_route_add(r, node, filter) &&
           share_groups_node(r->groups, filter, node, members, qos);
}

/* It gets nothing any more. A node may have a million routes: router_go_on removes them. */
void router_node_removed(struct router *r, void *node)
{
    struct route_holder *h = find_node(r, node);
    if (h == NULL)
        return;
    share_groups_node_gone(r->groups, NULL, node);
    h->node = NULL;
    LIST_REMOVE(h, link);
    LIST_INSERT_HEAD(&r->removed, h, link);
}

void router_go_on(struct router *r, struct timebox *box)
{
    while (router_is_behind(r) && !timebox_is_over(box)) {
        struct route_holder *h = LIST_FIRST(&r->removed);
        if (h->subscriber.count > 0) {
            remove_last(r, &h->subscriber);
        } else {
            LIST_REMOVE(h, link);
            free(h);
        }
        timebox_spend(box, ROUTE_US);
    }
}

bool router_is_behind(const struct router *r)
{
    return !LIST_EMPTY(&r->removed);
}

bool router_has_interest(const struct router *r, struct mqtt_slice filter)
{
    return topic_tree_has_interest(r->tree, filter);
}

void router_forget_matches(struct router *r)
{
    match_cache_trim(r->cache);
}

/* ---- shared subscriptions -------------------------------------------------------------------- */

struct share_groups *router_groups(const struct router *r)
{
    return r->groups;
}

bool router_declare_group(struct router *r, struct mqtt_slice filter)
{
    return share_groups_declare(r->groups, filter);
}

struct mqtt_slice router_filter(struct router *r, const struct subscription *s)
{
    return topic_tree_filter(r->tree, s);
}
