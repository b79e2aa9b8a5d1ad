/*
 * Encoded variants of the message being delivered: (3.x or 5.0) x (with packet id or without).
 */
#include "broker/message/encode.h"

#include <stdlib.h>
#include <string.h>

enum {
    WITH_ID = 1, /* what makes a variant */
    FOR_V5 = 2,
    VARIANTS = 4,
    COPY_MAX = 2048, /* payloads up to here are copied; above it a reference is cheaper */
};

struct encoder {
    struct encoded variants[VARIANTS];
    bool made[VARIANTS];
    uint8_t *buffers[VARIANTS];
    size_t sizes[VARIANTS];
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
    free(e);
}

void encoder_begin(struct encoder *e)
{
    memset(e->made, 0, sizeof(e->made));
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
                             .publisher = m->publisher};
}

struct message *delivery_message(struct delivery *d)
{
    if (d->message == NULL)
        d->message = message_new(d->publish, d->id, d->publisher);
    return d->message;
}

static bool reserve(struct encoder *e, int variant, size_t size)
{
    if (e->sizes[variant] >= size)
        return true;
    uint8_t *grown = realloc(e->buffers[variant], size);
    if (grown == NULL)
        return false;
    e->buffers[variant] = grown;
    e->sizes[variant] = size;
    return true;
}

/* Makes a variant. NULL when out of memory. */
static __attribute__((noinline)) const struct encoded *
encode(struct encoder *e, const struct mqtt_publish *p, int variant)
{
    struct encoded *out = &e->variants[variant];
    enum mqtt_version version = variant & FOR_V5 ? MQTT_V5 : MQTT_V311;
    bool whole = p->payload.len <= COPY_MAX;
    size_t size = MQTT_PUBLISH_HEAD_MAX + (size_t)p->topic.len + p->props.raw.len +
                  (whole ? p->payload.len : 0);
    if (!reserve(e, variant, size))
        return NULL;
    struct mqtt_publish head = {.qos = variant & WITH_ID ? 1 : 0,
                                .topic = p->topic,
                                .payload = p->payload,
                                .props = p->props};
    uint8_t *buf = e->buffers[variant];
    out->bytes = buf;
    out->len = mqtt_encode_publish_head(&head, version, buf, &out->id_at);
    out->packet = out->len + p->payload.len;
    out->whole = whole;
    if (whole && p->payload.len > 0) {
        memcpy(buf + out->len, p->payload.data, p->payload.len);
        out->len += p->payload.len;
    }
    e->made[variant] = true;
    return out;
}

/* For all receivers but the first of a variant: it is there. */
const struct encoded *delivery_encode(struct delivery *d, enum mqtt_version version, bool with_id)
{
    struct encoder *e = d->encoder;
    int variant = (version == MQTT_V5 ? FOR_V5 : 0) + (with_id ? WITH_ID : 0);
    return e->made[variant] ? &e->variants[variant] : encode(e, d->publish, variant);
}
