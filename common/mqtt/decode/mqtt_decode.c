/*
 * The decoder's front: fixed header, PUBLISH, and handing the other packets to their own parts.
 *
 * A connection's read loop calls mqtt_decode over its buffer. PUBLISH is most of the traffic and is
 * decoded right here without a table; every other type goes through `parts`.
 */
#include "common/mqtt/decode/mqtt_decoder.h"
#include "common/mqtt/mqtt.h"
#include "common/mqtt/mqtt_reader.h"

enum { BY_CLIENT = 1, BY_SERVER = 2, BY_BOTH = 3 };

/* What the first byte's low half must be (2.2.2), who sends it, and who decodes it. PUBLISH isn't
 * here, since its flags carry meaning. */
static const struct part {
    uint8_t flags, sender, sender_v5;
    bool (*decode)(struct mqtt_decoder *d, struct mqtt_packet *out);
} parts[16] = {
    [MQTT_CONNECT] = {0, BY_CLIENT, BY_CLIENT, mqtt_decode_connect},
    [MQTT_CONNACK] = {0, BY_SERVER, BY_SERVER, mqtt_decode_connack},
    [MQTT_PUBACK] = {0, BY_BOTH, BY_BOTH, mqtt_decode_ack},
    [MQTT_PUBREC] = {0, BY_BOTH, BY_BOTH, mqtt_decode_ack},
    [MQTT_PUBREL] = {2, BY_BOTH, BY_BOTH, mqtt_decode_ack},
    [MQTT_PUBCOMP] = {0, BY_BOTH, BY_BOTH, mqtt_decode_ack},
    [MQTT_SUBSCRIBE] = {2, BY_CLIENT, BY_CLIENT, mqtt_decode_subscribe},
    [MQTT_SUBACK] = {0, BY_SERVER, BY_SERVER, mqtt_decode_suback},
    [MQTT_UNSUBSCRIBE] = {2, BY_CLIENT, BY_CLIENT, mqtt_decode_subscribe},
    [MQTT_UNSUBACK] = {0, BY_SERVER, BY_SERVER, mqtt_decode_unsuback},
    [MQTT_PINGREQ] = {0, BY_CLIENT, BY_CLIENT, mqtt_decode_ping},
    [MQTT_PINGRESP] = {0, BY_SERVER, BY_SERVER, mqtt_decode_ping},
    [MQTT_DISCONNECT] = {0, BY_CLIENT, BY_BOTH, mqtt_decode_disconnect},
    [MQTT_AUTH] = {0, 0, BY_BOTH, mqtt_decode_auth},
};

static bool check_publish_flags(struct mqtt_decoder *d, uint8_t first)
{
    if (d->version == MQTT_UNKNOWN)
        return mqtt_decoder_fail(d, MQTT_R_PROTOCOL_ERROR, "packet before CONNECT");
    if ((first & 0x06) == 0x06)
        return mqtt_decoder_malformed(d, "QoS 3"); /* 3.3.1-4 */
    if ((first & 0x0e) == 0x08)
        return mqtt_decoder_malformed(d, "DUP with QoS 0"); /* 3.3.1-2 */
    return true;
}

static bool check_first_byte(struct mqtt_decoder *d, uint8_t first)
{
    enum mqtt_type type = (enum mqtt_type)(first >> 4);
    const struct part *part = &parts[type];
    uint8_t flags = first & 0x0f;
    if (part->decode == NULL)
        return mqtt_decoder_malformed(d, "packet type 0");
    if (d->version == MQTT_UNKNOWN && type != MQTT_CONNECT)
        return mqtt_decoder_fail(d, MQTT_R_PROTOCOL_ERROR, "packet before CONNECT");
    /* 3.1 resends PUBREL, SUBSCRIBE and UNSUBSCRIBE, which have QoS 1 there, with DUP set. */
    if (d->version == MQTT_V31 && part->flags == 2)
        flags &= 0x07;
    if (flags != part->flags)
        return mqtt_decoder_malformed(d, "fixed header flags"); /* 2.2.2-2 */
    uint8_t sender = d->version == MQTT_V5 ? part->sender_v5 : part->sender;
    if ((sender & (d->from_server ? BY_SERVER : BY_CLIENT)) == 0)
        return mqtt_decoder_fail(d, MQTT_R_PROTOCOL_ERROR, "packet type isn't for this side");
    return true;
}

/* Of one over max_packet. Out of the way of the others, which are nearly all. */
static __attribute__((noinline, cold)) bool is_too_large(const struct mqtt_decode_opts *opts,
                                                         uint8_t first, size_t whole)
{
    return opts->max_by_type == NULL || whole > opts->max_by_type[first >> 4];
}

/* Finds where the packet ends, and checks what can be told before it is whole: so a wrong or too
 * large packet is refused before anyone waits for its rest. */
static inline enum decode_result decode_fixed_header(struct mqtt_decoder *d, const uint8_t *buf,
                                                     size_t len,
                                                     const struct mqtt_decode_opts *opts,
                                                     size_t *size)
{
    if (len == 0) {
        *size = 2;
        return DECODE_NEED_MORE;
    }
    if (!(buf[0] >> 4 == MQTT_PUBLISH ? check_publish_flags(d, buf[0])
                                      : check_first_byte(d, buf[0])))
        return DECODE_MALFORMED;

    struct mqtt_reader in = {buf + 1, buf + len};
    uint32_t remaining;
    bool minimal;
    switch (mqtt_reader_varint(&in, &remaining, &minimal)) {
    case MQTT_VARINT_SHORT:
        *size = len + 1;
        return DECODE_NEED_MORE;
    case MQTT_VARINT_TOO_LONG:
        mqtt_decoder_malformed(d, "remaining length is over 4 bytes"); /* 2.2.3 */
        return DECODE_MALFORMED;
    case MQTT_VARINT_OK:
        break;
    }
    /* Only 5.0 forbids longer forms (1.5.5-1). */
    d->length_minimal = minimal;
    if (!minimal && d->version == MQTT_V5) {
        mqtt_decoder_malformed(d, "remaining length isn't in its shortest form");
        return DECODE_MALFORMED;
    }
    size_t whole = (size_t)(in.at - buf) + remaining;
    *size = whole;
    if (opts->max_packet != 0 && whole > opts->max_packet && is_too_large(opts, buf[0], whole)) {
        mqtt_decoder_fail(d, MQTT_R_PACKET_TOO_LARGE, "packet is over the limit");
        return DECODE_MALFORMED;
    }
    if (len < whole)
        return DECODE_NEED_MORE;
    d->in.at = in.at;
    d->in.end = buf + whole;
    return DECODE_OK;
}

static bool bad_topic(struct mqtt_decoder *d, struct mqtt_slice topic)
{
    if (topic.len == 0)
        return mqtt_decoder_fail(d, MQTT_R_PROTOCOL_ERROR, "topic name is empty"); /* 4.7.3-1 */
    if (!mqtt_utf8_valid(topic.data, topic.len))
        return mqtt_decoder_malformed(d, "topic name isn't UTF-8");                 /* 3.3.2-1 */
    return mqtt_decoder_fail(d, MQTT_R_BAD_TOPIC_NAME, "topic name has wildcards"); /* 3.3.2-2 */
}

/* The part that only 5.0 has. */
static bool decode_publish_v5(struct mqtt_decoder *d, struct mqtt_publish *p)
{
    uint64_t seen = 0;
    if (!mqtt_decoder_props(d, MQTT_PUBLISH, &p->props, &seen))
        return false;
    if (p->topic.len == 0 && (seen >> MQTT_P_TOPIC_ALIAS & 1) == 0)
        return mqtt_decoder_fail(d, MQTT_R_PROTOCOL_ERROR, "neither topic name nor topic alias");
    return true;
}

static inline bool decode_publish(struct mqtt_decoder *d, uint8_t first, struct mqtt_publish *p)
{
    p->dup = (first & 0x08) != 0;
    p->retain = (first & 0x01) != 0;
    p->qos = (first >> 1) & 0x03;
    p->packet_id = 0;
    p->props.raw = (struct mqtt_slice){NULL, 0};

    if (!mqtt_reader_block(&d->in, &p->topic))
        return mqtt_decoder_malformed(d, "topic name runs past the packet");
    if (!mqtt_topic_name_valid(p->topic.data, p->topic.len) &&
        !(p->topic.len == 0 && d->version == MQTT_V5))
        return bad_topic(d, p->topic);
    if (p->qos != 0 && !mqtt_decoder_packet_id(d, &p->packet_id))
        return false;
    if (d->version == MQTT_V5 && !decode_publish_v5(d, p))
        return false;
    p->payload = mqtt_reader_rest(&d->in);
    return true;
}

enum decode_result mqtt_decode(const uint8_t *buf, size_t len, const struct mqtt_decode_opts *opts,
                               struct mqtt_packet *out, size_t *size, struct mqtt_decode_error *err)
{
    struct mqtt_decode_error unwanted;
    struct mqtt_decoder d; /* the other fields are the fixed header's to set */
    d.version = opts->version;
    d.from_server = opts->from_server;
    d.err = err != NULL ? err : &unwanted;
    enum decode_result r = decode_fixed_header(&d, buf, len, opts, size);
    if (r != DECODE_OK) {
        out->type = (enum mqtt_type)(len > 0 ? buf[0] >> 4 : 0);
        if (out->type == MQTT_CONNECT)
            out->u.connect.version = MQTT_UNKNOWN;
        return r;
    }
    out->type = (enum mqtt_type)(buf[0] >> 4);
    bool ok = out->type == MQTT_PUBLISH ? decode_publish(&d, buf[0], &out->u.publish)
                                        : parts[out->type].decode(&d, out);
    return ok ? DECODE_OK : DECODE_MALFORMED;
}
