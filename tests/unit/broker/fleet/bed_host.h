/*
 * bed_host - the simplest possible router and core above a store: they keep what it tells them (fleet_bed.h).
 */
#ifndef FLOTILLA_TESTS_UNIT_BROKER_FLEET_BED_HOST_H
#define FLOTILLA_TESTS_UNIT_BROKER_FLEET_BED_HOST_H

#include "tests/unit/broker/fleet/bed_types.h"

/* ---- the router ------------------------------------------------------------------------------ */

static inline struct mqtt_slice bed_slice(const char *text)
{
    return (struct mqtt_slice){.data = (const uint8_t *)text, .len = (uint32_t)strlen(text)};
}

static inline void bed_text(char out[BED_TEXT], const void *data, size_t len)
{
    snprintf(out, BED_TEXT, "%.*s", (int)len, (const char *)data);
}

static inline void bed_route_added(void *arg, void *node, struct mqtt_slice filter)
{
    struct bed_node *n = arg;
    char text[BED_TEXT];
    bed_text(text, filter.data, filter.len);
    for (size_t i = 0; i < n->route_count; i++)
        if (n->routes[i].node == node && strcmp(n->routes[i].filter, text) == 0)
            return;
    assert_true(n->route_count < BED_LIST);
    n->routes[n->route_count].node = node;
    memcpy(n->routes[n->route_count++].filter, text, BED_TEXT);
}

static inline void bed_route_removed(void *arg, void *node, struct mqtt_slice filter)
{
    struct bed_node *n = arg;
    char text[BED_TEXT];
    bed_text(text, filter.data, filter.len);
    for (size_t i = 0; i < n->route_count; i++)
        if (n->routes[i].node == node && strcmp(n->routes[i].filter, text) == 0)
            n->routes[i--] = n->routes[--n->route_count];
}

static inline void bed_node_removed(void *arg, void *node)
{
    struct bed_node *n = arg;
    for (size_t i = 0; i < n->route_count; i++)
        if (n->routes[i].node == node)
            n->routes[i--] = n->routes[--n->route_count];
}

/* One more subscription of this target's client; ids has room for BED_IDS. */
static inline void bed_add_match(struct store_queue_target *t, const struct bed_sub *sub,
                                 uint8_t qos, uint32_t *ids)
{
    uint8_t effective = sub->qos < qos ? sub->qos : qos;
    t->ids.items = ids;
    if (effective > t->qos)
        t->qos = effective;
    t->retain_as_published |= sub->retain_as_published;
    if (sub->subscription_id != 0) {
        assert_true(t->ids.count < BED_IDS);
        ids[t->ids.count++] = sub->subscription_id;
    }
}

static inline void bed_match(void *arg, const struct message *m, struct store_targets *out)
{
    static void *nodes[BED_LIST];
    static struct store_queue_target queues[BED_LIST];
    static uint32_t ids[BED_LIST][BED_IDS];
    struct bed_node *n = arg;
    if (n->crowd != NULL) {
        *out = *n->crowd;
        n->match_begun_ns = clock_thread_cpu_ns();
        return;
    }
    *out = (struct store_targets){.nodes = nodes, .queues = queues};
    for (size_t i = 0; i < n->route_count; i++) {
        bool there = false;
        if (!mqtt_filter_matches(bed_slice(n->routes[i].filter), m->topic))
            continue;
        for (size_t k = 0; k < out->node_count; k++)
            there |= nodes[k] == n->routes[i].node;
        if (!there)
            nodes[out->node_count++] = n->routes[i].node;
    }
    for (size_t i = 0; i < n->sub_count && m->qos > 0; i++) {
        struct store_queue_target *t = NULL;
        if (!mqtt_filter_matches(bed_slice(n->subs[i].filter), m->topic) || n->subs[i].qos == 0)
            continue;
        for (size_t k = 0; k < out->queue_count; k++)
            if (strcmp((const char *)queues[k].client_id.data, n->subs[i].client) == 0)
                t = &queues[k];
        if (t == NULL) {
            t = &queues[out->queue_count++];
            *t = (struct store_queue_target){.client_id = bed_slice(n->subs[i].client)};
        }
        bed_add_match(t, &n->subs[i], m->qos, ids[t - queues]);
    }
}

/* ---- the core -------------------------------------------------------------------------------- */

static inline void bed_note(struct bed_message **list, size_t *count, size_t *size,
                            const struct message *m)
{
    if (*count == *size) {
        *size = *size == 0 ? 64 : *size * 2;
        *list = realloc(*list, *size * sizeof(**list));
        assert_non_null(*list);
    }
    struct bed_message *at = &(*list)[(*count)++];
    memset(at, 0, sizeof(*at));
    bed_text(at->topic, m->topic.data, m->topic.len);
    bed_text(at->payload, m->payload.data, m->payload.len);
    at->qos = m->qos;
    at->retain = m->retain;
}

static inline bool bed_deliver(void *arg, struct message *m)
{
    struct bed_node *n = arg;
    bed_note(&n->got, &n->got_count, &n->got_size, m);
    return n->gets;
}

static inline void bed_keep_will(struct bed_node *n, const struct message *m, store_done_fn *done,
                                 void *done_arg)
{
    struct bed_will_op *op = malloc(sizeof(*op));
    assert_non_null(op);
    *op = (struct bed_will_op){.next = n->kept_wills, .done = done, .arg = done_arg};
    bed_text(op->payload, m->payload.data, m->payload.len);
    n->kept_wills = op;
    n->wills++;
}

static inline void bed_publish_will(void *arg, struct message *m, store_done_fn *done,
                                    void *done_arg)
{
    struct bed_node *n = arg;
    struct store_publish_request req = {.message = m};
    struct bed_message *list = NULL;
    size_t count = 0;
    size_t size = 0;
    if (n->keeps_wills) {
        bed_keep_will(n, m, done, done_arg);
        return;
    }
    bed_note(&list, &count, &size, m);
    n->will = list[0];
    free(list);
    n->wills++;
    bed_match(n, m, &req.targets);
    n->store->ops->publish(n->store, &req, done, done_arg);
}

/* Those that are kept. */
static inline void bed_end_wills(struct bed_node *n, enum store_status status)
{
    struct bed_will_op *list = n->kept_wills;
    n->kept_wills = NULL;
    while (list != NULL) {
        struct bed_will_op *op = list;
        list = op->next;
        op->done(op->arg, status);
        free(op);
    }
}

static inline void bed_wake(void *arg, struct mqtt_slice client_id)
{
    struct bed_node *n = arg;
    n->wakes++;
    bed_text(n->last_woken, client_id.data, client_id.len);
}

/* Each message is worth a look at the clock. */
static inline bool bed_takes_more(void *arg, uint32_t *worked_us)
{
    *worked_us = (uint32_t)((const struct bed_node *)arg)->got_count * TIMEBOX_LOOK_US;
    return true;
}

/* As the topic tree would tell: a connected session has the filter. Clean ones aren't known here. */
static inline bool bed_has_interest(void *arg, struct mqtt_slice filter)
{
    const struct bed_node *n = arg;
    char text[BED_TEXT];
    bed_text(text, filter.data, filter.len);
    for (const struct bed_client *c = n->clients; c != NULL; c = c->next)
        for (size_t i = 0; c->connected && i < n->sub_count; i++)
            if (strcmp(n->subs[i].client, c->id) == 0 && strcmp(n->subs[i].filter, text) == 0)
                return true;
    return false;
}

/* What the core says when a connection ends. */
static inline void bed_left(struct bed_client *c)
{
    struct bed_node *n = c->node;
    c->connected = false;
    for (size_t i = 0; i < n->sub_count; i++) {
        struct mqtt_slice filter = bed_slice(n->subs[i].filter);
        if (strcmp(n->subs[i].client, c->id) == 0 && !bed_has_interest(n, filter))
            n->store->ops->interest_ended(n->store, filter);
    }
}

struct bed_handover {
    store_done_fn *done;
    void *arg;
};

static inline void bed_on_gone(void *arg, enum store_status status)
{
    struct bed_handover *l = arg;
    l->done(l->arg, status);
    free(l);
}

static inline void bed_hand_over(void *arg, struct mqtt_slice client_id, uint64_t epoch,
                                 store_done_fn *done, void *done_arg)
{
    struct bed_node *n = arg;
    struct bed_client *c = n->clients;
    struct bed_handover *l;
    n->asked++;
    bed_text(n->last_asked, client_id.data, client_id.len);
    while (c != NULL &&
           (!c->connected || c->hold.epoch > epoch || strcmp(c->id, n->last_asked) != 0))
        c = c->next;
    if (c == NULL) {
        done(done_arg, STORE_OK);
        return;
    }
    if (c->silent) {
        if (c->asked_done != NULL) /* whoever asked before */
            c->asked_done(c->asked_arg, STORE_UNAVAILABLE);
        c->asked_done = done;
        c->asked_arg = done_arg;
        return;
    }
    bed_left(c);
    l = malloc(sizeof(*l));
    *l = (struct bed_handover){.done = done, .arg = done_arg};
    n->store->ops->disconnect(n->store, &c->hold, true, c->hold.durable ? STORE_EXPIRES_NEVER : 0,
                              bed_on_gone, l);
}

static inline void bed_fenced(void *arg, struct store_hold *hold)
{
    struct bed_node *n = arg;
    n->fenced++;
    bed_text(n->last_fenced, hold->client_id, hold->client_id_len);
}

static inline void bed_subscribed(void *arg, struct mqtt_slice client_id,
                                  const struct store_subscription *sub)
{
    struct bed_node *n = arg;
    struct bed_sub new_sub = {.qos = sub->qos,
                              .no_local = sub->no_local,
                              .retain_as_published = sub->retain_as_published,
                              .subscription_id = sub->subscription_id};
    bed_text(new_sub.client, client_id.data, client_id.len);
    bed_text(new_sub.filter, sub->filter.data, sub->filter.len);
    for (size_t i = 0; i < n->sub_count; i++) {
        if (strcmp(n->subs[i].client, new_sub.client) == 0 &&
            strcmp(n->subs[i].filter, new_sub.filter) == 0) {
            n->subs[i] = new_sub;
            return;
        }
    }
    assert_true(n->sub_count < BED_LIST);
    n->subs[n->sub_count++] = new_sub;
}

static inline void bed_unsubscribed(void *arg, struct mqtt_slice client_id,
                                    struct mqtt_slice filter)
{
    struct bed_node *n = arg;
    char client[BED_TEXT];
    char text[BED_TEXT];
    bed_text(client, client_id.data, client_id.len);
    bed_text(text, filter.data, filter.len);
    for (size_t i = 0; i < n->sub_count; i++)
        if (strcmp(n->subs[i].client, client) == 0 && strcmp(n->subs[i].filter, text) == 0)
            n->subs[i--] = n->subs[--n->sub_count];
}

static inline void bed_ended(void *arg, struct mqtt_slice client_id)
{
    struct bed_node *n = arg;
    char client[BED_TEXT];
    bed_text(client, client_id.data, client_id.len);
    for (size_t i = 0; i < n->sub_count; i++)
        if (strcmp(n->subs[i].client, client) == 0)
            n->subs[i--] = n->subs[--n->sub_count];
}

static inline void bed_gap(void *arg)
{
    ((struct bed_node *)arg)->gaps++;
}

static inline bool bed_start_over(void *arg, struct timebox *box)
{
    struct bed_node *n = arg;
    (void)box;
    n->start_overs++;
    n->sub_count = 0;
    for (struct bed_client *c = n->clients; c != NULL; c = c->next)
        c->connected = false;
    return true;
}

static inline void bed_each_subscription(void *arg, struct mqtt_slice client_id,
                                         store_subscription_fn *each, void *each_arg)
{
    struct bed_node *n = arg;
    for (size_t i = 0; i < n->sub_count; i++) {
        struct store_subscription sub = {.filter = {.data = (const uint8_t *)n->subs[i].filter,
                                                    .len = (uint32_t)strlen(n->subs[i].filter)},
                                         .qos = n->subs[i].qos,
                                         .no_local = n->subs[i].no_local,
                                         .retain_as_published = n->subs[i].retain_as_published,
                                         .subscription_id = n->subs[i].subscription_id};
        if (strlen(n->subs[i].client) == client_id.len &&
            memcmp(n->subs[i].client, client_id.data, client_id.len) == 0)
            each(each_arg, &sub);
    }
}

static inline struct store_hold *bed_hold_of(void *arg, struct mqtt_slice client_id)
{
    struct bed_node *n = arg;
    for (struct bed_client *c = n->clients; c != NULL; c = c->next)
        if ((c->connected || c->completions == 0) && strlen(c->id) == client_id.len &&
            memcmp(c->id, client_id.data, client_id.len) == 0)
            return &c->hold;
    return NULL;
}

static inline void bed_shift(void *arg, uint64_t by_ms)
{
    (void)by_ms;
    ((struct bed_node *)arg)->shifts++;
}

#endif
