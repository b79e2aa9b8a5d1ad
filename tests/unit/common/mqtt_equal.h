/*
 * mqtt_equal - whether two decoded packets say the same. For the codec's tests and its fuzz target.
 */
#ifndef FLOTILLA_TESTS_UNIT_COMMON_MQTT_EQUAL_H
#define FLOTILLA_TESTS_UNIT_COMMON_MQTT_EQUAL_H

#include "common/mqtt/mqtt.h"

#include <string.h>

static inline bool slices_equal(struct mqtt_slice a, struct mqtt_slice b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

static inline bool connects_equal(const struct mqtt_connect *a, const struct mqtt_connect *b)
{
    return a->version == b->version && a->level == b->level && a->bridge == b->bridge &&
           a->clean_start == b->clean_start && a->keep_alive_s == b->keep_alive_s &&
           a->has_will == b->has_will && a->will_retain == b->will_retain &&
           a->will_qos == b->will_qos && a->has_username == b->has_username &&
           a->has_password == b->has_password && slices_equal(a->client_id, b->client_id) &&
           slices_equal(a->will_topic, b->will_topic) &&
           slices_equal(a->will_payload, b->will_payload) &&
           slices_equal(a->username, b->username) && slices_equal(a->password, b->password) &&
           slices_equal(a->props.raw, b->props.raw) &&
           slices_equal(a->will_props.raw, b->will_props.raw);
}

static inline bool publishes_equal(const struct mqtt_publish *a, const struct mqtt_publish *b)
{
    return a->dup == b->dup && a->retain == b->retain && a->qos == b->qos &&
           a->packet_id == b->packet_id && slices_equal(a->topic, b->topic) &&
           slices_equal(a->payload, b->payload) && slices_equal(a->props.raw, b->props.raw);
}

static inline bool acks_equal(const struct mqtt_ack *a, const struct mqtt_ack *b)
{
    return a->packet_id == b->packet_id && a->reason == b->reason &&
           slices_equal(a->props.raw, b->props.raw);
}

static inline bool subacks_equal(const struct mqtt_suback *a, const struct mqtt_suback *b)
{
    return a->packet_id == b->packet_id && slices_equal(a->codes, b->codes) &&
           slices_equal(a->props.raw, b->props.raw);
}

static inline bool packets_equal(const struct mqtt_packet *a, const struct mqtt_packet *b,
                                 enum mqtt_version version)
{
    if (a->type != b->type)
        return false;
    switch (a->type) {
    case MQTT_CONNECT:
        return connects_equal(&a->u.connect, &b->u.connect);
    case MQTT_CONNACK:
        return a->u.connack.session_present == b->u.connack.session_present &&
               a->u.connack.code == b->u.connack.code &&
               slices_equal(a->u.connack.props.raw, b->u.connack.props.raw);
    case MQTT_PUBLISH:
        return publishes_equal(&a->u.publish, &b->u.publish);
    case MQTT_PUBACK:
    case MQTT_PUBREC:
    case MQTT_PUBREL:
    case MQTT_PUBCOMP:
    case MQTT_DISCONNECT:
    case MQTT_AUTH:
        return acks_equal(&a->u.ack, &b->u.ack);
    case MQTT_SUBSCRIBE:
    case MQTT_UNSUBSCRIBE:
        return a->u.subscribe.packet_id == b->u.subscribe.packet_id &&
               a->u.subscribe.count == b->u.subscribe.count &&
               slices_equal(a->u.subscribe.list, b->u.subscribe.list) &&
               slices_equal(a->u.subscribe.props.raw, b->u.subscribe.props.raw);
    case MQTT_SUBACK:
        return subacks_equal(&a->u.suback, &b->u.suback);
    case MQTT_UNSUBACK:
        return version == MQTT_V5 ? subacks_equal(&a->u.suback, &b->u.suback)
                                  : acks_equal(&a->u.ack, &b->u.ack);
    case MQTT_PINGREQ:
    case MQTT_PINGRESP:
        return true;
    }
    return false;
}

#endif
