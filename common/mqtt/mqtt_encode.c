/*
 * The encoder: one description of each packet's body, run once to count and once to write.
 *
 * PUBLISH has its own path (mqtt_encode_publish_head), since it is encoded once for many receivers
 * and its payload is usually appended by the caller without a copy. What is given is trusted except
 * for lengths; 5.0's reasons and properties are left out where they say nothing, and for v3.
 */
#include "common/mqtt/mqtt.h"
#include "common/mqtt/mqtt_writer.h"

static void put_props(struct mqtt_writer *w, const struct mqtt_props *p, enum mqtt_version version)
{
    if (version != MQTT_V5)
        return;
    mqtt_writer_varint(w, p->raw.len);
    mqtt_writer_slice(w, p->raw);
}

static void put_connect(struct mqtt_writer *w, const struct mqtt_connect *c,
                        enum mqtt_version version)
{
    static const struct mqtt_slice mqtt = {(const uint8_t *)"MQTT", 4};
    static const struct mqtt_slice mqisdp = {(const uint8_t *)"MQIsdp", 6};
    mqtt_writer_block(w, version == MQTT_V31 ? mqisdp : mqtt);
    mqtt_writer_u8(w, (uint8_t)((unsigned)version | (c->bridge ? 0x80u : 0u)));
    unsigned flags = c->clean_start ? 0x02 : 0;
    if (c->has_will)
        flags |= 0x04u | (unsigned)c->will_qos << 3 | (c->will_retain ? 0x20u : 0);
    flags |= (c->has_password ? 0x40u : 0) | (c->has_username ? 0x80u : 0);
    mqtt_writer_u8(w, (uint8_t)flags);
    mqtt_writer_u16(w, c->keep_alive_s);
    put_props(w, &c->props, version);
    mqtt_writer_block(w, c->client_id);
    if (c->has_will) {
        put_props(w, &c->will_props, version);
        mqtt_writer_block(w, c->will_topic);
        mqtt_writer_block(w, c->will_payload);
    }
    if (c->has_username)
        mqtt_writer_block(w, c->username);
    if (c->has_password)
        mqtt_writer_block(w, c->password);
}

static void put_connack(struct mqtt_writer *w, const struct mqtt_connack *c,
                        enum mqtt_version version)
{
    mqtt_writer_u8(w, c->session_present);
    mqtt_writer_u8(w, c->code);
    put_props(w, &c->props, version);
}

/* Reason and properties of 5.0. `whole`: AUTH may not leave out the properties' length alone. */
static void put_reason(struct mqtt_writer *w, const struct mqtt_ack *a, enum mqtt_version version,
                       bool whole)
{
    if (version != MQTT_V5 || (a->reason == 0 && a->props.raw.len == 0))
        return;
    mqtt_writer_u8(w, a->reason);
    if (whole || a->props.raw.len != 0)
        put_props(w, &a->props, version);
}

static void put_subscribe(struct mqtt_writer *w, const struct mqtt_subscribe *s,
                          enum mqtt_version version)
{
    mqtt_writer_u16(w, s->packet_id);
    put_props(w, &s->props, version);
    mqtt_writer_slice(w, s->list);
}

static void put_suback(struct mqtt_writer *w, const struct mqtt_suback *s,
                       enum mqtt_version version)
{
    mqtt_writer_u16(w, s->packet_id);
    put_props(w, &s->props, version);
    mqtt_writer_slice(w, s->codes);
}

static void put_body(struct mqtt_writer *w, const struct mqtt_packet *p, enum mqtt_version version)
{
    switch (p->type) {
    case MQTT_CONNECT:
        put_connect(w, &p->u.connect, version);
        return;
    case MQTT_CONNACK:
        put_connack(w, &p->u.connack, version);
        return;
    case MQTT_PUBACK:
    case MQTT_PUBREC:
    case MQTT_PUBREL:
    case MQTT_PUBCOMP:
        mqtt_writer_u16(w, p->u.ack.packet_id);
        put_reason(w, &p->u.ack, version, false);
        return;
    case MQTT_SUBSCRIBE:
    case MQTT_UNSUBSCRIBE:
        put_subscribe(w, &p->u.subscribe, version);
        return;
    case MQTT_SUBACK:
        put_suback(w, &p->u.suback, version);
        return;
    case MQTT_UNSUBACK:
        if (version == MQTT_V5)
            put_suback(w, &p->u.suback, version);
        else
            mqtt_writer_u16(w, p->u.ack.packet_id);
        return;
    case MQTT_DISCONNECT:
        put_reason(w, &p->u.ack, version, false);
        return;
    case MQTT_AUTH:
        if (version == MQTT_V5)
            put_reason(w, &p->u.ack, version, true);
        else
            w->failed = true;
        return;
    case MQTT_PINGREQ:
    case MQTT_PINGRESP:
        return;
    case MQTT_PUBLISH: /* not through here */
        break;
    }
    w->failed = true;
}

/* The remaining length of a PUBLISH; over MQTT_MAX_REMAINING when it can't be encoded. */
static inline uint64_t publish_remaining(const struct mqtt_publish *p, enum mqtt_version version)
{
    uint64_t n = UINT64_C(2) + p->topic.len + p->payload.len;
    if (p->topic.len > UINT16_MAX)
        return UINT64_MAX;
    if (p->qos != 0)
        n += 2;
    if (version == MQTT_V5)
        n += mqtt_varint_size(p->props.raw.len) + p->props.raw.len;
    return n;
}

/* False when it can't be encoded. */
static bool body_size(const struct mqtt_packet *p, enum mqtt_version version, uint32_t *out)
{
    uint64_t n;
    if (version == MQTT_UNKNOWN)
        return false;
    if (p->type == MQTT_PUBLISH) {
        n = publish_remaining(&p->u.publish, version);
    } else {
        struct mqtt_writer counter = {0};
        put_body(&counter, p, version);
        if (counter.failed)
            return false;
        n = counter.used;
    }
    *out = (uint32_t)n;
    return n <= MQTT_MAX_REMAINING;
}

static uint8_t first_byte(enum mqtt_type type)
{
    bool flagged = type == MQTT_PUBREL || type == MQTT_SUBSCRIBE || type == MQTT_UNSUBSCRIBE;
    return (uint8_t)((unsigned)type << 4 | (flagged ? 0x02 : 0));
}

size_t mqtt_encoded_size(const struct mqtt_packet *p, enum mqtt_version version)
{
    uint32_t body;
    return body_size(p, version, &body) ? 1 + mqtt_varint_size(body) + body : 0;
}

size_t mqtt_encode(const struct mqtt_packet *p, enum mqtt_version version, uint8_t *buf,
                   size_t size)
{
    uint32_t body;
    if (!body_size(p, version, &body) || 1 + mqtt_varint_size(body) + body > size)
        return 0;
    if (p->type == MQTT_PUBLISH) {
        const struct mqtt_slice *payload = &p->u.publish.payload;
        size_t head = mqtt_encode_publish_head(&p->u.publish, version, buf, NULL);
        if (payload->len != 0)
            memcpy(buf + head, payload->data, payload->len);
        return head + payload->len;
    }
    struct mqtt_writer w = {.buf = buf, .size = size};
    mqtt_writer_u8(&w, first_byte(p->type));
    mqtt_writer_varint(&w, body);
    put_body(&w, p, version);
    return w.failed ? 0 : w.used;
}

size_t mqtt_encode_publish_head(const struct mqtt_publish *p, enum mqtt_version version,
                                uint8_t *buf, size_t *id_at)
{
    uint64_t remaining = publish_remaining(p, version);
    size_t n = 0;
    size_t id = 0;
    if (remaining > MQTT_MAX_REMAINING)
        return 0;
    buf[n++] = (uint8_t)(MQTT_PUBLISH << 4 | (p->dup ? 0x08 : 0) | (p->qos & 3) << 1 |
                         (p->retain ? 0x01 : 0));
    n += mqtt_varint_put(buf + n, (uint32_t)remaining);
    buf[n++] = (uint8_t)(p->topic.len >> 8);
    buf[n++] = (uint8_t)p->topic.len;
    if (p->topic.len != 0)
        memcpy(buf + n, p->topic.data, p->topic.len);
    n += p->topic.len;
    if (p->qos != 0) {
        id = n;
        buf[n++] = (uint8_t)(p->packet_id >> 8);
        buf[n++] = (uint8_t)p->packet_id;
    }
    if (version == MQTT_V5) {
        n += mqtt_varint_put(buf + n, p->props.raw.len);
        if (p->props.raw.len != 0)
            memcpy(buf + n, p->props.raw.data, p->props.raw.len);
        n += p->props.raw.len;
    }
    if (id_at != NULL)
        *id_at = id;
    return n;
}

void mqtt_encode_ack4(enum mqtt_type type, uint16_t packet_id, uint8_t buf[4])
{
    buf[0] = first_byte(type);
    buf[1] = 2;
    buf[2] = (uint8_t)(packet_id >> 8);
    buf[3] = (uint8_t)packet_id;
}
