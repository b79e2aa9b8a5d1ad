/*
 * bed_client - what connections do, to the end of the call (fleet_bed.h).
 */
#ifndef FLOTILLA_TESTS_UNIT_BROKER_FLEET_BED_CLIENT_H
#define FLOTILLA_TESTS_UNIT_BROKER_FLEET_BED_CLIENT_H

#include "tests/unit/broker/fleet/bed_node.h"

static inline void bed_on_done(void *arg, enum store_status status)
{
    struct bed_client *c = arg;
    c->status = (int)status;
    c->completions++;
    c->done_ns = clock_thread_cpu_ns();
}

static inline void bed_on_connect(void *arg, enum store_status status,
                                  const struct store_connect_result *r)
{
    struct bed_client *c = arg;
    c->status = (int)status;
    c->completions++;
    c->connected = status == STORE_OK;
    if (r == NULL)
        return;
    c->present = r->session_present;
    c->next_sequence = r->next_sequence;
    c->sub_count = r->subscription_count;
    c->released_count = r->released_count;
    for (size_t i = 0; i < r->released_count && i < 8; i++)
        c->released[i] = r->released[i];
}

struct bed_will {
    const char *topic, *payload;
    uint8_t qos;
    uint32_t delay_s;
};

static inline struct message *bed_message(struct bed_node *n, const char *topic,
                                          const char *payload, uint8_t qos, bool retain)
{
    struct mqtt_publish p = {
        .topic = bed_slice(topic), .payload = bed_slice(payload), .qos = qos, .retain = retain};
    struct message *m = message_new(
        &p, (struct message_id){.node = n->id, .sequence = ++n->sequence}, bed_slice("pub"));
    assert_non_null(m);
    return m;
}

struct bed_session {
    bool durable, clean_start;
    uint32_t expiry_s;
};

/* Begins to connect; BED_UNTIL(c->status >= 0) waits for it. */
static inline struct bed_client *bed_connect_session(struct bed_node *n, const char *id,
                                                     struct bed_session how,
                                                     const struct bed_will *will)
{
    struct bed_client *c = calloc(1, sizeof(*c));
    struct store_connect_request req = {
        .hold = &c->hold, .clean_start = how.clean_start, .session_expiry_s = how.expiry_s};
    c->node = n;
    c->next = n->clients;
    n->clients = c;
    c->status = -1;
    snprintf(c->id, sizeof(c->id), "%s", id);
    c->hold.client_id = c->id;
    c->hold.client_id_len = (uint32_t)strlen(id);
    c->hold.durable = how.durable;
    c->hold.user = n->bed->user;
    c->hold.arrived_ms = n->bed->arrived_ms;
    if (will != NULL) {
        req.will.message = bed_message(n, will->topic, will->payload, will->qos, false);
        req.will.delay_s = will->delay_s;
    }
    n->store->ops->connect(n->store, &req, bed_on_connect, c);
    message_unref(req.will.message);
    return c;
}

static inline struct bed_client *bed_connect_begin(struct bed_node *n, const char *id, bool durable,
                                                   bool clean_start, const struct bed_will *will)
{
    struct bed_session how = {.durable = durable,
                              .clean_start = clean_start,
                              .expiry_s = durable ? STORE_EXPIRES_NEVER : 0};
    return bed_connect_session(n, id, how, will);
}

static inline struct bed_client *bed_connect_will(struct bed_node *n, const char *id, bool durable,
                                                  const struct bed_will *will)
{
    struct bed_client *c = bed_connect_begin(n, id, durable, !durable, will);
    BED_UNTIL(n->bed, c->status >= 0);
    assert_int_equal(c->status, STORE_OK);
    return c;
}

static inline struct bed_client *bed_connect(struct bed_node *n, const char *id, bool durable)
{
    return bed_connect_will(n, id, durable, NULL);
}

static inline void bed_disconnect_session(struct bed_client *c, bool publish_will,
                                          uint32_t expiry_s)
{
    c->status = -1;
    bed_left(c);
    c->node->store->ops->disconnect(c->node->store, &c->hold, publish_will, expiry_s, bed_on_done,
                                    c);
    BED_UNTIL(c->node->bed, c->status >= 0);
}

static inline void bed_disconnect(struct bed_client *c, bool publish_will)
{
    bed_disconnect_session(c, publish_will, c->hold.durable ? STORE_EXPIRES_NEVER : 0);
}

static inline void bed_subscribe_as(struct bed_client *c, const struct store_subscription *sub)
{
    c->status = -1;
    if (c->hold.durable) /* the core does this itself */
        bed_subscribed(c->node, bed_slice(c->id), sub);
    c->node->store->ops->subscribe(c->node->store, &c->hold, sub, 1, bed_on_done, c);
    BED_UNTIL(c->node->bed, c->status >= 0);
    assert_int_equal(c->status, STORE_OK);
}

static inline void bed_subscribe(struct bed_client *c, const char *filter, uint8_t qos)
{
    bed_subscribe_as(c, &(struct store_subscription){.filter = bed_slice(filter), .qos = qos});
}

static inline void bed_unsubscribe(struct bed_client *c, const char *filter)
{
    struct mqtt_slice f = bed_slice(filter);
    c->status = -1;
    bed_unsubscribed(c->node, bed_slice(c->id), f);
    c->node->store->ops->unsubscribe(c->node->store, &c->hold, &f, 1, bed_on_done, c);
    BED_UNTIL(c->node->bed, c->status >= 0);
    assert_int_equal(c->status, STORE_OK);
}

/* Publishes; `c` is told (status, completions). qos2_packet_id 0: not from a durable publisher. */
static inline void bed_publish_begin(struct bed_client *c, const char *topic, const char *payload,
                                     uint8_t qos, bool retain, uint16_t qos2_packet_id)
{
    struct bed_node *n = c->node;
    struct message *m = bed_message(n, topic, payload, qos, retain);
    struct store_publish_request req = {
        .message = m, .hold = &c->hold, .qos2_packet_id = qos2_packet_id};
    c->status = -1;
    bed_match(n, m, &req.targets);
    n->store->ops->publish(n->store, &req, qos > 0 ? bed_on_done : NULL, c);
    message_unref(m);
}

static inline void bed_publish(struct bed_client *c, const char *topic, const char *payload,
                               uint8_t qos)
{
    bed_publish_begin(c, topic, payload, qos, false, 0);
    if (qos == 0)
        return;
    BED_UNTIL(c->node->bed, c->status >= 0);
    assert_int_equal(c->status, STORE_OK);
}

static inline void bed_on_fetch(void *arg, enum store_status status,
                                const struct store_entry *entries, size_t count, bool more)
{
    struct bed_client *c = arg;
    c->status = (int)status;
    c->fetched = true;
    c->more = more;
    for (size_t i = 0; i < count; i++) {
        struct bed_message *noted;
        bed_note(&c->entries, &c->entry_count, &c->entry_size, entries[i].message);
        noted = &c->entries[c->entry_count - 1];
        noted->qos = entries[i].qos;
        noted->retain = entries[i].retain;
        noted->duplicate = entries[i].duplicate;
        noted->sequence = entries[i].sequence;
        noted->id_count = entries[i].ids.count;
        for (uint32_t k = 0; k < entries[i].ids.count && k < BED_IDS; k++)
            noted->ids[k] = entries[i].ids.items[k];
    }
}

/* Fetches from a sequence on; appends to c->entries. */
static inline void bed_fetch(struct bed_client *c, uint64_t from, size_t max)
{
    c->fetched = false;
    c->node->store->ops->fetch(c->node->store, &c->hold, from, max, 1 << 20, bed_on_fetch, c);
    BED_UNTIL(c->node->bed, c->fetched);
}

/* As the core does it, which is woken when there is something: after a restart of Redis a session is
 * read only once it is asserted again. */
static inline void bed_fetch_first(struct bed_client *c, uint64_t from, size_t max)
{
    for (int i = 0; i < 200 && c->entry_count == 0; i++) {
        bed_fetch(c, from, max);
        bed_turn(c->node->bed);
    }
}

#endif
