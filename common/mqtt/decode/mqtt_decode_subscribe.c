/*
 * Decodes SUBSCRIBE, UNSUBSCRIBE and their answers (3.8 to 3.11), and steps through filter lists.
 *
 * Called by mqtt_decode.c. A list is validated whole before the packet is handed out; the broker
 * reads it again with mqtt_filters_next.
 */
#include "common/mqtt/decode/mqtt_decoder.h"
#include "common/mqtt/mqtt.h"
#include "common/mqtt/mqtt_reader.h"
#include "common/mqtt/mqtt_writer.h"

#define NO_LOCAL 0x04
#define RETAIN_AS_PUBLISHED 0x08

/* One list entry, without judging it. */
static bool read_entry(struct mqtt_reader *r, bool subscribe, struct mqtt_filter *f,
                       uint8_t *options)
{
    *options = 0;
    if (!mqtt_reader_block(r, &f->filter) || (subscribe && !mqtt_reader_u8(r, options)))
        return false;
    f->qos = *options & 0x03;
    f->no_local = (*options & NO_LOCAL) != 0;
    f->retain_as_published = (*options & RETAIN_AS_PUBLISHED) != 0;
    f->retain_handling = (*options >> 4) & 0x03;
    return true;
}

static bool check_options(struct mqtt_decoder *d, uint8_t options, const struct mqtt_filter *f)
{
    if (d->version != MQTT_V5)
        return options <= 2 || mqtt_decoder_malformed(d, "requested QoS"); /* 3.8.3-4 of 3.1.1 */
    if ((options & 0xc0) != 0)
        return mqtt_decoder_malformed(d, "reserved subscription options"); /* 3.8.3-5 */
    if (f->qos == 3)
        return mqtt_decoder_fail(d, MQTT_R_PROTOCOL_ERROR, "requested QoS 3"); /* 3.8.3.1 */
    if (f->retain_handling == 3)
        return mqtt_decoder_fail(d, MQTT_R_PROTOCOL_ERROR, "retain handling 3"); /* 3.8.3.1 */
    return true;
}

static bool check_filter(struct mqtt_decoder *d, const struct mqtt_filter *f)
{
    if (!mqtt_topic_filter_valid(f->filter.data, f->filter.len)) {
        if (!mqtt_utf8_valid(f->filter.data, f->filter.len))
            return mqtt_decoder_malformed(d, "topic filter isn't UTF-8");     /* 3.8.3-1 */
        return mqtt_decoder_fail(d, MQTT_R_BAD_TOPIC_FILTER, "topic filter"); /* 4.7.1, 4.7.3 */
    }
    if (d->version != MQTT_V5 || !mqtt_filter_is_shared(f->filter))
        return true;
    struct mqtt_slice group;
    struct mqtt_slice inner;
    if (!mqtt_filter_split_shared(f->filter, &group, &inner))
        return mqtt_decoder_fail(d, MQTT_R_BAD_TOPIC_FILTER, "shared subscription"); /* 4.8.2 */
    if (f->no_local)
        return mqtt_decoder_fail(d, MQTT_R_PROTOCOL_ERROR,
                                 "no local on a shared subscription"); /* 3.8.3-4 */
    return true;
}

static bool decode_list(struct mqtt_decoder *d, bool subscribe, struct mqtt_subscribe *s)
{
    const uint8_t *start = d->in.at;
    struct mqtt_filter f;
    uint8_t options;
    s->count = 0;
    while (mqtt_reader_left(&d->in) > 0) {
        if (!read_entry(&d->in, subscribe, &f, &options))
            return mqtt_decoder_malformed(d, "topic filter runs past the packet");
        if (!check_options(d, options, &f) || !check_filter(d, &f))
            return false;
        s->count++;
    }
    if (s->count == 0)
        return mqtt_decoder_fail(d, MQTT_R_PROTOCOL_ERROR, "no topic filter"); /* 3.8.3-3 */
    s->list = (struct mqtt_slice){start, (uint32_t)(d->in.at - start)};
    return true;
}

bool mqtt_decode_subscribe(struct mqtt_decoder *d, struct mqtt_packet *out)
{
    struct mqtt_subscribe *s = &out->u.subscribe;
    return mqtt_decoder_packet_id(d, &s->packet_id) &&
           mqtt_decoder_props(d, out->type, &s->props, NULL) &&
           decode_list(d, out->type == MQTT_SUBSCRIBE, s);
}

static bool suback_code_allowed(const struct mqtt_decoder *d, enum mqtt_type type, uint8_t code)
{
    if (d->version == MQTT_V5)
        return mqtt_reason_allowed(type, true, code);
    return code <= 2 || code == MQTT_QOS_FAILURE;
}

/* SUBACK, and the UNSUBACK of 5.0. */
bool mqtt_decode_suback(struct mqtt_decoder *d, struct mqtt_packet *out)
{
    struct mqtt_suback *s = &out->u.suback;
    if (!mqtt_decoder_packet_id(d, &s->packet_id) ||
        !mqtt_decoder_props(d, out->type, &s->props, NULL))
        return false;
    s->codes = mqtt_reader_rest(&d->in);
    if (s->codes.len == 0)
        return mqtt_decoder_fail(d, MQTT_R_PROTOCOL_ERROR, "no reason code");
    for (uint32_t i = 0; i < s->codes.len; i++)
        if (!suback_code_allowed(d, out->type, s->codes.data[i]))
            return mqtt_decoder_malformed(d, "reason code that this packet doesn't have");
    return true;
}

bool mqtt_decode_unsuback(struct mqtt_decoder *d, struct mqtt_packet *out)
{
    return d->version == MQTT_V5 ? mqtt_decode_suback(d, out) : mqtt_decode_ack(d, out);
}

bool mqtt_filters_next(const struct mqtt_subscribe *s, bool subscribe, uint32_t *at,
                       struct mqtt_filter *out)
{
    if (*at >= s->list.len)
        return false;
    struct mqtt_reader r = {s->list.data + *at, s->list.data + s->list.len};
    uint8_t options;
    if (!read_entry(&r, subscribe, out, &options))
        return false;
    *at = (uint32_t)(r.at - s->list.data);
    return true;
}

bool mqtt_filters_put(uint8_t *buf, size_t size, size_t *used, bool subscribe,
                      const struct mqtt_filter *f)
{
    struct mqtt_writer w = {.buf = buf, .size = size, .used = *used};
    mqtt_writer_block(&w, f->filter);
    if (subscribe)
        mqtt_writer_u8(&w, (uint8_t)(f->qos | (f->no_local ? NO_LOCAL : 0) |
                                     (f->retain_as_published ? RETAIN_AS_PUBLISHED : 0) |
                                     f->retain_handling << 4));
    if (w.failed)
        return false;
    *used = w.used;
    return true;
}
