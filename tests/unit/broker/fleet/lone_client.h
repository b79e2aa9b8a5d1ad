/*
 * lone_client - connections at a lone node, and messages (lone_node.h).
 */
#ifndef FLOTILLA_TESTS_UNIT_BROKER_FLEET_LONE_CLIENT_H
#define FLOTILLA_TESTS_UNIT_BROKER_FLEET_LONE_CLIENT_H

#include <stdio.h>

#include "broker/fleet/exchange/fleet_parts.h"
#include "broker/fleet/hold/fleet_hold.h"
#include "broker/fleet/wire/fleet_frame.h"
#include "tests/unit/broker/fleet/lone_host.h"

/* A connection that has its client id, with LONE_EPOCH. */
static inline struct store_hold *lone_connected(struct lone_node *n, const char *id, bool durable)
{
    struct lone_client *c = calloc(1, sizeof(*c));
    assert_non_null(c);
    snprintf(c->id, sizeof(c->id), "%s", id);
    c->next = n->clients;
    n->clients = c;
    c->hold = (struct store_hold){.client_id = c->id,
                                  .client_id_len = (uint32_t)strlen(id),
                                  .durable = durable,
                                  .epoch = LONE_EPOCH};
    struct fleet_hold *h = fleet_hold_new(&n->f, &c->hold);
    assert_non_null(h);
    h->behalf.epoch = LONE_EPOCH;
    memcpy(h->run, n->f.run_tag, sizeof(h->run));
    c->hold.store_data = h;
    return &c->hold;
}

static inline struct fleet_session_ref lone_session(const char *client, uint64_t epoch)
{
    return (struct fleet_session_ref){.client = lone_slice(client), .epoch = epoch};
}

static inline struct message *lone_message(const char *topic, const char *payload, uint8_t qos,
                                           bool retain)
{
    struct mqtt_publish p = {
        .topic = lone_slice(topic), .payload = lone_slice(payload), .qos = qos, .retain = retain};
    struct message *m =
        message_new(&p, (struct message_id){.node = LONE_ID, .sequence = 1}, lone_slice("pub"));
    assert_non_null(m);
    return m;
}

static inline struct fleet_bytes lone_frame(const char *topic, const char *payload, uint8_t qos)
{
    struct message *m = lone_message(topic, payload, qos, false);
    struct fleet_bytes frame = {0};
    fleet_frame_put(&frame, m, false);
    message_unref(m);
    return frame;
}

/* The parts of a message whose publisher tells "sent". */
struct lone_parts {
    struct fleet_parts p; /* first */
    struct lone_node *n;
};

static inline void lone_all_sent(struct fleet_parts *p)
{
    lone_tell(((struct lone_parts *)p)->n, "sent");
}

static inline void lone_parts_init(struct lone_parts *l, struct lone_node *n, struct message *m)
{
    *l = (struct lone_parts){.p = {.f = &n->f, .message = m, .all_sent = lone_all_sent}, .n = n};
}

/* What it waits for isn't answered any more. */
static inline void lone_parts_fini(struct lone_parts *l)
{
    redis_queue_reset(l->n->f.q);
    id_set_fini(&l->p.nodes);
    id_set_fini(&l->p.clients);
    message_unref(l->p.message);
}

#endif
