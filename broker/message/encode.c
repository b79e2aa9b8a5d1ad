/*
 * Encoded variants of the message being delivered: (3.x or 5.0) x (with packet id or without), and one for a
 * receiver of 5.0 that has something of its own in it.
 */
#include "broker/message/encode.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/hash.h"

enum {
    WITH_ID = 1, /* what makes a variant */
    FOR_V5 = 2,
    ONE_RECEIVERS = 4, /* of 5.0, with aliases or ids of its own: not used again */
    VARIANTS = 5,
    TOPIC_HASH = 5,  /* a bit like a variant's */
    COPY_MAX = 2048, /* payloads up to here are copied; above it a reference is cheaper */
    ID_SIZE = 5,     /* of a subscription id as a property, at most */
    OWN_SIZE = 8,    /* of alias and expiry */
};

struct encoder {
    struct encoded variants[VARIANTS];
    uint64_t made; /* bits of variants */
    uint64_t topic_hash;
    uint8_t *buffers[VARIANTS];
    size_t sizes[VARIANTS];
    uint8_t *props; /* of 5.0, being put together */
    size_t props_size;
};

struct encoder *encoder_new(void)
{
    return calloc(1, sizeof(struct encoder));
}

void encoder_free(struct encoder *e)
{
    if (e == NULL)
        return;
    for (int i = 0; i < VARIANTS; i++)
        free(e->buffers[i]);
    free(e->props);
    free(e);
}

void encoder_begin(struct encoder *e)
{
    e->made = 0;
}

struct delivery delivery_of_message(struct encoder *e, struct message *m,
                                    struct mqtt_publish *scratch)
{
    encoder_begin(e);
    *scratch = (struct mqtt_publish){.qos = m->qos,
                                     .retain = m->retain,
                                     .topic = m->topic,
                                     .payload = m->payload,
                                     .props.raw = m->props};
    return (struct delivery){.encoder = e,
                             .publish = scratch,
                             .message = message_ref(m),
                             .id = m->id,
                             .expires_at_ms = m->expires_at_ms,
                             .publisher = m->publisher};
}

struct message *delivery_message(struct delivery *d)
{
    if (d->message != NULL)
        return d->message;
    d->message = message_new(d->publish, d->id, d->publisher);
    if (d->message != NULL)
        d->message->expires_at_ms = d->expires_at_ms;
    return d->message;
}

static bool reserve(uint8_t **buffer, size_t *has, size_t size)
{
    if (*has >= size)
        return true;
    uint8_t *grown = realloc(*buffer, size);
    if (grown == NULL)
        return false;
    *buffer = grown;
    *has = size;
    return true;
}

/* Writes a variant: `head`, then the payload if it is short. NULL when out of memory. */
static inline const struct encoded *write(struct encoder *e, const struct mqtt_publish *head,
                                          int variant, enum mqtt_version version)
{
    struct encoded *out = &e->variants[variant];
    const struct mqtt_slice payload = head->payload;
    bool whole = payload.len <= COPY_MAX;
    size_t size = MQTT_PUBLISH_HEAD_MAX + (size_t)head->topic.len + head->props.raw.len +
                  (whole ? payload.len : 0);
    if (!reserve(&e->buffers[variant], &e->sizes[variant], size))
        return NULL;
    uint8_t *buf = e->buffers[variant];
    out->bytes = buf;
    out->len = mqtt_encode_publish_head(head, version, buf, &out->id_at);
    if (out->len == 0)
        return NULL;
    out->packet = out->len + payload.len;
    out->whole = whole;
    if (whole && payload.len > 0) {
        memcpy(buf + out->len, payload.data, payload.len);
        out->len += payload.len;
    }
    e->made |= UINT64_C(1) << variant;
    return out;
}

static __attribute__((noinline)) const struct encoded *
encode(struct encoder *e, const struct mqtt_publish *p, int variant)
{
    enum mqtt_version version = variant & FOR_V5 ? MQTT_V5 : MQTT_V311;
    struct mqtt_publish head = {.qos = variant & WITH_ID ? 1 : 0,
                                .topic = p->topic,
                                .payload = p->payload,
                                .props = p->props};
    return write(e, &head, variant, version);
}

/* For all receivers but the first of a variant: it is there. */
const struct encoded *delivery_encode(struct delivery *d, enum mqtt_version version, bool with_id)
{
    struct encoder *e = d->encoder;
    int variant = (version == MQTT_V5 ? FOR_V5 : 0) + (with_id ? WITH_ID : 0);
    return (e->made >> variant & 1) != 0 ? &e->variants[variant] : encode(e, d->publish, variant);
}

uint64_t delivery_topic_hash(struct delivery *d, uint64_t key)
{
    struct encoder *e = d->encoder;
    if ((e->made >> TOPIC_HASH & 1) == 0)
        e->topic_hash = hash_bytes(key, d->publish->topic.data, d->publish->topic.len);
    e->made |= UINT64_C(1) << TOPIC_HASH;
    return e->topic_hash;
}

/* ---- 5.0 ------------------------------------------------------------------------------------- */

/* The publisher's properties, behind those of this hop. False when out of memory. */
static bool put_props(struct encoder *e, struct mqtt_slice common, const struct encode_own *own,
                      struct mqtt_slice *out)
{
    size_t size = OWN_SIZE + (size_t)own->ids.count * ID_SIZE + common.len;
    size_t used = 0;
    if (!reserve(&e->props, &e->props_size, size))
        return false;
    if (own->has_expiry)
        mqtt_props_put_num(e->props, size, &used, MQTT_P_MESSAGE_EXPIRY, own->expiry_s);
    if (own->alias.alias != 0)
        mqtt_props_put_num(e->props, size, &used, MQTT_P_TOPIC_ALIAS, own->alias.alias);
    for (uint32_t i = 0; i < own->ids.count; i++)
        mqtt_props_put_num(e->props, size, &used, MQTT_P_SUBSCRIPTION_ID, own->ids.items[i]);
    if (common.len > 0)
        memcpy(e->props + used, common.data, common.len);
    *out = mqtt_slice_of(e->props, used + common.len);
    return true;
}

static const struct encoded *encode_own(struct delivery *d, const struct encode_own *own,
                                        int variant)
{
    const struct mqtt_publish *p = d->publish;
    struct mqtt_publish head = {
        .qos = own->with_id ? 1 : 0, .topic = p->topic, .payload = p->payload, .props = p->props};
    if (!put_props(d->encoder, p->props.raw, own, &head.props.raw))
        return NULL;
    if (own->alias.known)
        head.topic = (struct mqtt_slice){0};
    return write(d->encoder, &head, variant, MQTT_V5);
}

const struct encoded *delivery_encode_own(struct delivery *d, const struct encode_own *own)
{
    struct encoder *e = d->encoder;
    if (own->alias.alias != 0 || own->ids.count > 0)
        return encode_own(d, own, ONE_RECEIVERS);
    int variant = FOR_V5 + (own->with_id ? WITH_ID : 0);
    if (!own->has_expiry)
        return delivery_encode(d, MQTT_V5, own->with_id);
    return (e->made >> variant & 1) != 0 ? &e->variants[variant] : encode_own(d, own, variant);
}
