/*
 * PUBLISH and PUBREL from a client: checks, then publish.c; the acknowledgement when the message
 * is safe.
 */
#include "broker/auth/auth.h"
#include "broker/base/broker_config.h"
#include "broker/base/drop_log.h"
#include "broker/client/client.h"
#include "broker/client/client_v5.h"
#include "broker/client/publish_rate.h"
#include "broker/client/reason.h"
#include "broker/client/request.h"
#include "broker/delivery/publish.h"
#include "broker/delivery/publish_bounds.h"
#include "broker/protocol/connack.h"
#include "broker/protocol/handle.h"
#include "broker/protocol/publish_v5.h"
#include "broker/store/store.h"

static enum mqtt_reason drop(struct client *c, const struct mqtt_publish *p, enum drop why,
                             enum mqtt_reason reason)
{
    drop_note(&c->broker->stats, why, c->who.client_id, p->topic);
    return reason;
}

/* Why a message goes to nobody, in the words of 5.0; MQTT_R_SUCCESS: it may go. Earlier versions have no
 * other way to go on than to acknowledge it and drop it (3.1.1: 3.3.5). */
static inline enum mqtt_reason objection(struct client *c, const struct mqtt_publish *p,
                                         const struct publish_v5 *said)
{
    if (!handle_topic_fits(c, p->topic))
        return drop(c, p, DROP_LIMIT, MQTT_R_BAD_TOPIC_NAME);
    if (!auth_may_write(c->broker->auth, &c->who, p->topic))
        return drop(c, p, DROP_DENIED, MQTT_R_NOT_AUTHORIZED);
    if (c->v5 != NULL && said->is_text && !mqtt_payload_utf8_valid(p->payload.data, p->payload.len))
        return drop(c, p, DROP_PAYLOAD_FORMAT, MQTT_R_BAD_PAYLOAD_FORMAT);
    return MQTT_R_SUCCESS;
}

/* What this broker doesn't offer ends the connection (5.0: 3.2.2.3.4, 3.2.2.3.5). */
static __attribute__((noinline)) bool is_offered(struct client *c, const struct mqtt_publish *p)
{
    const struct mqtt_config *m = &c->broker->config->mqtt;
    if (p->qos > m->max_qos)
        reason_fail(c, MQTT_R_QOS_NOT_SUPPORTED, "QoS above what CONNACK allows");
    else if (p->retain && m->retain == RETAIN_OFF)
        reason_fail(c, MQTT_R_RETAIN_NOT_SUPPORTED, "messages aren't retained here");
    else
        return true;
    return false;
}

static inline void take_qos0(struct client *c, const struct publish *p, enum mqtt_reason why)
{
    struct broker *b = c->broker;
    struct publish_found found;
    if (why == MQTT_R_BAD_PAYLOAD_FORMAT)
        reason_fail(c, why,
                    "the payload is said to be UTF-8 and isn't"); /* it has no other answer */
    if (why == MQTT_R_SUCCESS && publish_route(b, p, &found) == PUBLISH_STORE)
        publish_store(b, p, &found, NULL, NULL);
}

static void take_acknowledged(struct client *c, struct publish *p, enum mqtt_type answer)
{
    struct broker *b = c->broker;
    const struct mqtt_publish *fields = p->fields;
    struct publish_found found;
    bool reached = false;
    p->reached = &reached;
    if (publish_route(b, p, &found) == PUBLISH_DONE) {
        request_answer(c, answer, fields->packet_id,
                       reached ? MQTT_R_SUCCESS : MQTT_R_NO_MATCHING_SUBSCRIBERS);
        return;
    }
    size_t content = (size_t)fields->topic.len + fields->payload.len + fields->props.raw.len;
    struct request *q =
        request_new(c, answer, fields->packet_id, store_targets_copies(&found.targets) * content);
    if (q == NULL)
        return;
    q->reached = reached;
    p->reached = &q->reached;
    publish_store(b, p, &found, request_done, q);
    if (!store_accepts(b->store) || b->memory.level == MEMORY_FULL)
        client_pause(c, PAUSE_STORE);
}

/* 5.0, 4.9: it keeps to what CONNACK allows. */
static bool count_unanswered(struct client *c)
{
    if (c->v5 == NULL)
        return true;
    if (c->v5->unanswered >= connack_receive_maximum(c->broker->config)) {
        reason_fail(c, MQTT_R_RECEIVE_MAXIMUM_EXCEEDED,
                    "more unanswered messages than CONNACK allows");
        return false;
    }
    c->v5->unanswered++;
    return true;
}

static inline void take_qos1(struct client *c, struct publish *p, enum mqtt_reason why)
{
    if (!count_unanswered(c))
        return;
    if (why == MQTT_R_SUCCESS)
        take_acknowledged(c, p, MQTT_PUBACK);
    else
        request_answer(c, MQTT_PUBACK, p->fields->packet_id, (uint8_t)why);
}

/* 4.3.3: a packet id that wasn't released yet is the same message again. False also when the client is closed. */
static bool note_open(struct client *c, const struct mqtt_publish *p)
{
    if (c->open_qos2.count >= c->broker->config->limits.max_open_qos2)
        client_close_later(c, END_OPEN_QOS2); /* 3.1.1 has no other way to slow it down */
    else if (!packet_ids_add(&c->open_qos2, p->packet_id))
        client_close_later(c, END_NO_MEMORY);
    return client_is_connected(c);
}

/* A message that is refused by PUBREC is over, and its packet id is free (5.0: 4.3.3). */
static void refuse_qos2(struct client *c, uint16_t packet_id, enum mqtt_reason why)
{
    if (c->v5 != NULL)
        request_answer(c, MQTT_PUBREC, packet_id, (uint8_t)why);
    else if (packet_ids_add(&c->open_qos2, packet_id))
        request_answer(c, MQTT_PUBREC, packet_id, MQTT_R_SUCCESS);
    else
        client_close_later(c, END_NO_MEMORY);
}

static inline void take_qos2(struct client *c, struct publish *p, enum mqtt_reason why)
{
    uint16_t packet_id = p->fields->packet_id;
    if (packet_ids_has(&c->open_qos2, packet_id)) {
        request_answer(c, MQTT_PUBREC, packet_id, MQTT_R_SUCCESS);
        return;
    }
    if (!count_unanswered(c))
        return;
    if (why != MQTT_R_SUCCESS) {
        refuse_qos2(c, packet_id, why);
        return;
    }
    if (c->hold.durable)
        p->qos2_packet_id = packet_id;
    if (note_open(c, p->fields))
        take_acknowledged(c, p, MQTT_PUBREC);
}

/* What the configuration has to say. `fields` is to hold what goes on. False: closed. */
static __attribute__((noinline)) bool take_bounds(struct client *c, struct publish *r,
                                                  struct mqtt_publish *fields)
{
    const struct broker_config *config = c->broker->config;
    if (!is_offered(c, r->fields))
        return false;
    publish_rate_note(c, (size_t)r->fields->topic.len + r->fields->payload.len +
                             r->fields->props.raw.len);
    r->expires_at_ms =
        publish_bounds_expiry(config, r->fields->retain, r->expires_at_ms, client_expiry_now_ms(c));
    if (r->fields != fields)
        *fields = *r->fields;
    fields->retain &= publish_bounds_retain(config);
    r->fields = fields;
    return true;
}

void handle_publish(struct client *c, const struct mqtt_packet *packet)
{
    struct mqtt_publish
        fields; /* with the topic that an alias stands for, and what goes on to receivers */
    struct publish r = {.fields = &packet->u.publish, .publisher = c->session, .hold = &c->hold};
    struct publish_v5 said; /* of 5.0 */
    struct broker_stats *stats = &c->broker->stats;
    stats->received[r.fields->qos]++;
    stats->received_payload += r.fields->payload.len;
    if (c->v5 != NULL) {
        fields = packet->u.publish;
        if (!publish_v5_take(c, &fields, &said))
            return;
        r.fields = &fields;
        r.expires_at_ms = said.expires_at_ms;
    }
    if (!c->broker->takes_all_as_it_comes && !take_bounds(c, &r, &fields))
        return;
    enum mqtt_reason why = objection(c, r.fields, &said);
    switch (r.fields->qos) {
    case 0:
        take_qos0(c, &r, why);
        break;
    case 1:
        take_qos1(c, &r, why);
        break;
    default:
        take_qos2(c, &r, why);
        break;
    }
}

void handle_pubrel(struct client *c, const struct mqtt_packet *packet)
{
    uint16_t packet_id = packet->u.ack.packet_id;
    bool was_open = packet_ids_remove(&c->open_qos2, packet_id);
    if (was_open && c->v5 != NULL)
        client_v5_answered(c->v5);
    if (!c->hold.durable) {
        request_answer(c, MQTT_PUBCOMP, packet_id,
                       was_open ? MQTT_R_SUCCESS : MQTT_R_PACKET_ID_NOT_FOUND);
        return;
    }
    struct request *q = request_new(c, MQTT_PUBCOMP, packet_id, 0);
    if (q != NULL)
        store_qos2_end(c->broker->store, &c->hold, packet_id, request_done, q);
}
