/*
 * Who gets a message. Publishes come from handle_publish.c, wills and other brokers; they leave to
 * deliver.c (this broker's clients) and to the store (queues of durable sessions, other brokers,
 * retained values).
 */
#include "broker/routing/router.h"

#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>

#include "broker/client/client.h"
#include "broker/client/fanout.h"
#include "broker/message/encode.h"
#include "broker/routing/match_cache.h"
#include "broker/routing/session.h"
#include "common/base/timebox.h"

enum {
    ROUTE_US = 1,            /* about the removal of a route or a subscription */
    MATCH_STEPS_MAX = 70000, /* some 10 to 20 ms */
};

/* Another node as a holder of routes in the topic tree. */
struct route_holder {
    struct subscriber subscriber; /* first member */
    void *node;                   /* NULL: it was removed, and its routes are on their way out */
    struct route_holder *next;
};

struct router {
    struct topic_tree *tree;
    struct match_cache *cache;
    struct encoder *encoder;
    struct store *store;
    struct topic_matches scratch;
    struct store_targets targets; /* of the latest route */
    size_t queue_capacity, node_capacity;
    struct route_holder *nodes, *removed;
    struct message_id last_id;
    struct fanouts fanouts;
    uint64_t handed_out; /* receivers of messages that the store brought */
};

/* ---- matching -------------------------------------------------------------------------------- */

/* NULL only when out of memory. Good until a subscription changes or another topic is matched. */
static const struct match_entry *match(struct router *r, struct mqtt_slice topic)
{
    const struct match_entry *e = match_cache_get(r->cache, topic);
    if (e != NULL)
        return e;
    if (!topic_tree_match(r->tree, topic, &r->scratch))
        return NULL;
    return match_cache_put(r->cache, topic, &r->scratch);
}

static const struct match_entry *rematch(void *arg, struct mqtt_slice topic)
{
    return match(arg, topic);
}

struct router *router_new(uint64_t hash_key, struct encoder *encoder)
{
    struct router *r = calloc(1, sizeof(*r));
    if (r == NULL)
        return NULL;
    r->encoder = encoder;
    r->tree = topic_tree_new(hash_key);
    r->cache = match_cache_new(hash_key);
    if (r->tree == NULL || r->cache == NULL || !fanouts_init(&r->fanouts, rematch, r) ||
        RAND_bytes((unsigned char *)&r->last_id.node, sizeof(r->last_id.node)) != 1) {
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
    while (r->nodes != NULL)
        router_node_removed(r, r->nodes->node);
    router_go_on(r, &endless);
    fanouts_fini(&r->fanouts);
    topic_tree_free(r->tree);
    match_cache_free(r->cache);
    free(r->scratch.items);
    free(r->targets.queues);
    free(r->targets.nodes);
    free(r);
}

void router_set_store(struct router *r, struct store *s)
{
    r->store = s;
}

struct message_id router_next_message_id(struct router *r)
{
    r->last_id.sequence++;
    return r->last_id;
}

const uint64_t *router_steps(const struct router *r)
{
    return topic_tree_steps(r->tree);
}

size_t router_subscription_count(const struct router *r)
{
    return topic_tree_subscriptions(r->tree);
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

/* Who published it doesn't get it back where that isn't wanted (5.0: 3.8.3.1), by its client id: the
 * message may have come by another broker or connection. */
static struct mqtt_slice publisher_of(const struct router_publish *p)
{
    if (p->message != NULL)
        return p->message->publisher;
    return p->publisher != NULL ? session_id(p->publisher) : (struct mqtt_slice){0};
}

/* Its connection here; NULL: it has none. */
static struct client *client_of(const struct router_publish *p)
{
    return p->publisher != NULL ? p->publisher->client : NULL;
}

/* The queues of durable sessions and the nodes among the matches, into r->targets. */
static inline bool find_targets(struct router *r, const struct match_entry *e, uint8_t qos,
                                const struct router_publish *p)
{
    r->targets.queue_count = 0;
    r->targets.node_count = 0;
    if (!reserve_targets(r, e->count, e->node_count))
        return false;
    for (uint32_t i = 0; qos > 0 && i < e->count; i++) {
        struct session *s = session_of(e->items[i].subscriber);
        const struct subscription_options *o = &e->items[i].options;
        if (!s->durable || o->qos == 0 || (o->no_local && session_has_id(s, publisher_of(p))))
            continue;
        r->targets.queues[r->targets.queue_count++] =
            (struct store_queue_target){.client_id = s->id,
                                        .client_id_len = s->id_len,
                                        .qos = lower(qos, o->qos),
                                        .retain_as_published = o->retain_as_published,
                                        .session = s};
    }
    for (uint32_t i = 0; i < e->node_count; i++) {
        const struct subscriber *s = e->items[e->count + i].subscriber;
        void *node = ((const struct route_holder *)s)->node;
        if (node != NULL)
            r->targets.nodes[r->targets.node_count++] = node;
    }
    return true;
}

/* ---- publishing ------------------------------------------------------------------------------ */

static struct delivery begin(struct router *r, const struct router_publish *p,
                             struct mqtt_publish *scratch)
{
    if (p->message != NULL)
        return delivery_of_message(r->encoder, p->message, scratch);
    struct message_id id = router_next_message_id(r);
    return delivery_of_publish(r->encoder, p->publish, id, publisher_of(p));
}

static bool store_has_part(const struct router *r, const struct mqtt_publish *p)
{
    return p->retain || r->targets.queue_count > 0 || r->targets.node_count > 0 ||
           r->store->checks_qos0;
}

/* Whether the own clients get it when the store has completed, instead of now. */
static bool waits_for_store(const struct router *r, const struct mqtt_publish *p)
{
    return p->qos > 0 && !r->store->ops->untargeted_is_done;
}

enum route_result router_route(struct router *r, const struct router_publish *p)
{
    const struct mqtt_publish *publish = p->publish;
    const struct match_entry *e = match(r, publish->topic);
    if (e == NULL || !find_targets(r, e, publish->qos, p)) {
        r->targets.queue_count = 0;
        r->targets.node_count = 0;
        return ROUTE_STORE; /* nobody was found for want of memory; at QoS 0 that is a loss */
    }
    if (waits_for_store(r, publish) || p->qos2_packet_id != 0)
        return ROUTE_STORE;
    if (e->count > 0) {
        struct mqtt_publish scratch;
        struct delivery d = begin(r, p, &scratch);
        fanout_publish(&r->fanouts, e, &d, client_of(p));
        delivery_end(&d);
    }
    return store_has_part(r, publish) ? ROUTE_STORE : ROUTE_DONE;
}

size_t router_copies(const struct router *r)
{
    size_t copies = r->targets.queue_count + r->targets.node_count;

    return copies > 0 ? copies : 1;
}

/* A message that the store brings to the own clients. False: not to all yet. */
static bool deliver_in_order(struct router *r, struct message *m, const struct fanout_order *order)
{
    const struct match_entry *e = match(r, m->topic);
    if (e == NULL || e->count == 0)
        return true;
    struct mqtt_publish scratch;
    struct delivery d = delivery_of_message(r->encoder, m, &scratch);
    r->handed_out += e->count;
    bool through = fanout_in_order(&r->fanouts, e, &d, order);
    delivery_end(&d);
    return through;
}

/* A message that its publisher's broker delivers to its own clients once it is safe. */
struct waiting {
    struct router *router;
    struct message *message;
    struct client *publisher;
    store_done_fn *done;
    void *arg;
};

static void complete(struct waiting *w, enum store_status status)
{
    message_unref(w->message);
    w->done(w->arg, status);
    free(w);
}

static void on_through(void *arg)
{
    complete(arg, STORE_OK);
}

static void on_safe(void *arg, enum store_status status)
{
    struct waiting *w = arg;
    struct fanout_order order = {.publisher = w->publisher, .done = on_through, .arg = w};
    if (status != STORE_OK || deliver_in_order(w->router, w->message, &order))
        complete(w, status);
}

static void publish_then_deliver(struct router *r, const struct store_publish_request *request,
                                 struct client *publisher, store_done_fn *done, void *arg)
{
    struct waiting *w = malloc(sizeof(*w));
    if (w == NULL) {
        done(arg, STORE_UNAVAILABLE);
        return;
    }
    *w = (struct waiting){.router = r,
                          .message = message_ref(request->message),
                          .publisher = publisher,
                          .done = done,
                          .arg = arg};
    store_publish(r->store, request, on_safe, w);
}

void router_store(struct router *r, const struct router_publish *p, store_done_fn *done, void *arg)
{
    struct mqtt_publish scratch;
    struct delivery d = begin(r, p, &scratch);
    struct message *m = delivery_message(&d);
    if (m == NULL) {
        if (done != NULL)
            done(arg, STORE_UNAVAILABLE);
        return;
    }
    struct store_publish_request request = {
        .message = m, .hold = p->hold, .qos2_packet_id = p->qos2_packet_id, .targets = r->targets};
    if (waits_for_store(r, p->publish) && p->qos2_packet_id == 0)
        publish_then_deliver(r, &request, client_of(p), done, arg);
    else /* delivered already, or the store does it once the packet id is bound */
        store_publish(r->store, &request, done, arg);
    delivery_end(&d);
}

void router_publish_local(struct router *r, const struct mqtt_publish *p)
{
    const struct match_entry *e = match(r, p->topic);
    if (e == NULL || e->count == 0)
        return;
    struct delivery d =
        delivery_of_publish(r->encoder, p, router_next_message_id(r), (struct mqtt_slice){0});
    fanout_sys(&r->fanouts, e, &d);
    delivery_end(&d);
}

void router_deliver_local(struct router *r, struct message *m)
{
    static const struct fanout_order order = {0};
    deliver_in_order(r, m, &order);
}

uint32_t router_worked_us(const struct router *r)
{
    enum { RECEIVERS_PER_US = 4 };
    return (uint32_t)(*topic_tree_steps(r->tree) / ROUTER_STEPS_PER_US +
                      r->handed_out / RECEIVERS_PER_US);
}

struct fanouts *router_fanouts(struct router *r)
{
    return &r->fanouts;
}

bool router_must_wait(struct router *r, const struct mqtt_publish *p)
{
    if (!fanouts_busy(&r->fanouts) || waits_for_store(r, p))
        return false;
    const struct match_entry *e = match(r, p->topic);
    return e != NULL && fanout_must_wait(&r->fanouts, e);
}

bool router_takes_more(const struct router *r)
{
    return fanout_takes_more(&r->fanouts);
}

void router_targets(struct router *r, const struct message *m, struct store_targets *out)
{
    const struct match_entry *e = match(r, m->topic);
    const struct router_publish p = {.message = (struct message *)m};
    if (e == NULL || !find_targets(r, e, m->qos, &p)) {
        r->targets.queue_count = 0;
        r->targets.node_count = 0;
    }
    *out = r->targets;
}

/* ---- subscriptions --------------------------------------------------------------------------- */

static bool has_wildcard(struct mqtt_slice filter)
{
    return memchr(filter.data, '+', filter.len) != NULL ||
           memchr(filter.data, '#', filter.len) != NULL;
}

static bool add(struct router *r, struct subscriber *s, struct mqtt_slice filter,
                struct subscription_options options)
{
    if (topic_tree_add(r->tree, s, filter, options) == TOPIC_FAILED)
        return false;
    match_cache_forget(r->cache, filter, has_wildcard(filter));
    return true;
}

bool router_subscribe(struct router *r, struct session *s, struct mqtt_slice filter,
                      struct subscription_options options)
{
    fanout_settle(&r->fanouts, s);
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
    fanout_settle(&r->fanouts, s);
    if (!topic_tree_remove(r->tree, &s->subscriber, filter, &last))
        return false;
    match_cache_forget(r->cache, filter, has_wildcard(filter));
    if (last)
        store_interest_ended(r->store, filter);
    return true;
}

static void remove_last(struct router *r, struct subscriber *s)
{
    bool last;
    uint32_t at = s->count - 1;
    if (s->kind == SUBSCRIBER_SESSION)
        fanout_settle(&r->fanouts, session_of(s)); /* it may be freed after its last one */
    struct mqtt_slice filter = topic_tree_filter(r->tree, &s->items[at]);
    bool wildcard = topic_tree_has_wildcard(&s->items[at]);
    topic_tree_remove_at(r->tree, s, at, &last); /* the text stays in the scratch buffer */
    match_cache_forget(r->cache, filter, wildcard);
    if (last)
        store_interest_ended(r->store, filter);
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

static void interest_ended(void *arg, struct mqtt_slice filter)
{
    struct router *r = arg;
    store_interest_ended(r->store, filter);
}

void router_session_joined(struct router *r, struct session *s)
{
    topic_tree_set_connected(r->tree, &s->subscriber, true, NULL, NULL);
}

void router_session_left(struct router *r, struct session *s)
{
    fanout_settle(&r->fanouts, s);
    if (!s->durable)
        remove_all(r, &s->subscriber);
    topic_tree_set_connected(r->tree, &s->subscriber, false, interest_ended, r);
}

/* ---- for the fleet --------------------------------------------------------------------------- */

static struct route_holder *find_node(const struct router *r, const void *node)
{
    struct route_holder *h = r->nodes;
    while (h != NULL && h->node != node)
        h = h->next;
    return h;
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
        h->next = r->nodes;
        r->nodes = h;
    }
    return add(r, &h->subscriber, filter, (struct subscription_options){.qos = 2});
}

void router_route_remove(struct router *r, void *node, struct mqtt_slice filter)
{
    struct route_holder *h = find_node(r, node);
    bool last;
    if (h != NULL && topic_tree_remove(r->tree, &h->subscriber, filter, &last))
        match_cache_forget(r->cache, filter, has_wildcard(filter));
}

/* It gets nothing any more. A node may have a million routes: router_go_on takes them away. */
void router_node_removed(struct router *r, void *node)
{
    for (struct route_holder **link = &r->nodes; *link != NULL; link = &(*link)->next) {
        struct route_holder *h = *link;
        if (h->node != node)
            continue;
        *link = h->next;
        h->node = NULL;
        h->next = r->removed;
        r->removed = h;
        return;
    }
}

void router_go_on(struct router *r, struct timebox *box)
{
    while (r->removed != NULL && !timebox_is_over(box)) {
        struct route_holder *h = r->removed;
        if (h->subscriber.count > 0) {
            remove_last(r, &h->subscriber);
        } else {
            r->removed = h->next;
            free(h);
        }
        timebox_spend(box, ROUTE_US);
    }
}

bool router_is_behind(const struct router *r)
{
    return r->removed != NULL;
}

bool router_has_interest(const struct router *r, struct mqtt_slice filter)
{
    return topic_tree_has_interest(r->tree, filter);
}

void router_forget_matches(struct router *r)
{
    match_cache_trim(r->cache);
}
