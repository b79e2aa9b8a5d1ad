/*
 * PUBLISH and PUBREL from a client: checks, then publish.c; the acknowledgement when the message
 * is safe.
 */
#include "broker/auth/auth.h"
#include "broker/base/broker_config.h"
#include "broker/client/client.h"
#include "broker/client/request.h"
#include "broker/delivery/publish.h"
#include "broker/protocol/handle.h"
#include "common/log/log.h"

/* A publish that isn't allowed is acknowledged and dropped: 3.1.1 has no other way to go on
 * (3.3.5).
 */
static bool is_allowed(struct client *c, const struct mqtt_publish *p)
{
    struct broker *b = c->broker;
    if (!handle_topic_fits(c, p->topic)) {
        b->stats.dropped[DROP_LIMIT]++;
        return false;
    }
    if (!auth_may_write(b->auth, &c->who, p->topic)) {
        b->stats.dropped[DROP_DENIED]++;
        LOG_DEBUG("publish_denied", KV_STR("client_id", client_id_text(c)),
                  KV_BYTES("topic", p->topic.data, p->topic.len));
        return false;
    }
    return true;
}

static void take_qos0(struct broker *b, const struct publish *p)
{
    struct publish_found found;
    if (publish_route(b, p, &found) == PUBLISH_STORE)
        publish_store(b, p, &found, NULL, NULL);
}

static void take_acknowledged(struct client *c, const struct publish *p, enum mqtt_type answer)
{
    struct broker *b = c->broker;
    const struct mqtt_publish *fields = p->fields;
    struct publish_found found;
    if (publish_route(b, p, &found) == PUBLISH_DONE) {
        request_answer(c, answer, fields->packet_id);
        return;
    }
    struct request *q = request_new(c, answer, fields->packet_id,
                                    store_targets_copies(&found.targets) *
                                        (fields->topic.len + fields->payload.len));
    if (q == NULL)
        return;
    publish_store(b, p, &found, request_done, q);
    if (!store_accepts(b->store) || b->memory.level == MEMORY_FULL)
        client_pause(c, PAUSE_STORE);
}

/* 4.3.3: a packet id that wasn't released yet is the same message again. */
static bool is_first(struct client *c, const struct mqtt_publish *p)
{
    if (packet_ids_has(&c->open_qos2, p->packet_id))
        return false;
    if (c->open_qos2.count >= c->broker->config->limits.max_open_qos2)
        client_close_later(c, END_OPEN_QOS2); /* 3.1.1 has no other way to slow it down */
    else if (!packet_ids_add(&c->open_qos2, p->packet_id))
        client_close_later(c, END_NO_MEMORY);
    return client_is_connected(c);
}

void handle_publish(struct client *c, const struct mqtt_packet *packet)
{
    const struct mqtt_publish *p = &packet->u.publish;
    struct broker_stats *stats = &c->broker->stats;
    struct publish r = {.fields = p, .publisher = c->session, .hold = &c->hold};
    stats->received[p->qos]++;
    stats->received_payload += p->payload.len;
    bool allowed = is_allowed(c, p);
    switch (p->qos) {
    case 0:
        if (allowed)
            take_qos0(c->broker, &r);
        return;
    case 1:
        if (allowed)
            take_acknowledged(c, &r, MQTT_PUBACK);
        else
            request_answer(c, MQTT_PUBACK, p->packet_id);
        return;
    default:
        if (c->hold.durable)
            r.qos2_packet_id = p->packet_id;
        if (is_first(c, p) && allowed)
            take_acknowledged(c, &r, MQTT_PUBREC);
        else if (client_is_connected(c))
            request_answer(c, MQTT_PUBREC, p->packet_id);
        return;
    }
}

void handle_pubrel(struct client *c, const struct mqtt_packet *packet)
{
    uint16_t packet_id = packet->u.ack.packet_id;
    packet_ids_remove(&c->open_qos2, packet_id);
    if (!c->hold.durable) {
        request_answer(c, MQTT_PUBCOMP, packet_id);
        return;
    }
    struct request *q = request_new(c, MQTT_PUBCOMP, packet_id, 0);
    if (q != NULL)
        store_qos2_end(c->broker->store, &c->hold, packet_id, request_done, q);
}
