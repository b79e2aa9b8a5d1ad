/*
 * The section was checked when its packet was decoded. Looked at once; copied only if it loses something.
 */
#include "broker/message/publish_properties.h"

#include <stdlib.h>
#include <string.h>

/* False: the property goes on as it is. */
static bool take(struct publish_properties *out, const struct mqtt_prop *p)
{
    if (p->id == MQTT_P_MESSAGE_EXPIRY) {
        out->has_expiry = true;
        out->expiry_s = p->num;
        return true;
    }
    if (p->id == MQTT_P_TOPIC_ALIAS) {
        out->alias = (uint16_t)p->num;
        return true;
    }
    if (p->id == MQTT_P_PAYLOAD_FORMAT)
        out->is_text = p->num == 1;
    return p->id == MQTT_P_WILL_DELAY;
}

struct copy {
    uint8_t *to;
    size_t size, used;
};

static bool append(struct copy *c, struct mqtt_slice from, uint32_t begin, uint32_t end)
{
    uint32_t len = end - begin;
    if (len > c->size - c->used)
        return false;
    if (len > 0)
        memcpy(c->to + c->used, from.data + begin, len);
    c->used += len;
    return true;
}

bool publish_properties_take(struct mqtt_props in, uint8_t *scratch, size_t size,
                             struct publish_properties *out)
{
    struct copy kept = {.to = scratch, .size = size};
    struct mqtt_prop p;
    uint32_t at = 0, from = 0; /* `from`: what is before it was copied, or taken out */
    *out = (struct publish_properties){.props = in};
    for (uint32_t begin = 0; mqtt_props_next(&in, &at, &p); begin = at) {
        if (!take(out, &p))
            continue;
        if (!append(&kept, in.raw, from, begin))
            return false;
        from = at;
    }
    if (at < in.raw.len)
        return false;
    if (from == 0)
        return true;
    if (!append(&kept, in.raw, from, in.raw.len))
        return false;
    out->props.raw = mqtt_slice_of(scratch, kept.used);
    return true;
}

static struct message *with(const struct message *will, struct mqtt_props props)
{
    struct mqtt_publish fields = {.qos = will->qos,
                                  .retain = will->retain,
                                  .topic = will->topic,
                                  .payload = will->payload,
                                  .props = props};
    return message_new(&fields, will->id, will->publisher);
}

struct message *publish_properties_of_will(struct message *will, uint64_t now_ms)
{
    struct mqtt_props in = {.raw = will->props};
    struct publish_properties p;
    if (in.raw.len == 0)
        return message_ref(will);
    uint8_t *scratch = malloc(in.raw.len);
    if (scratch == NULL)
        return NULL;
    if (!publish_properties_take(in, scratch, in.raw.len, &p))
        p = (struct publish_properties){0};
    bool same = p.props.raw.data == in.raw.data;
    struct message *m = same ? message_ref(will) : with(will, p.props);
    if (m != NULL && p.has_expiry)
        m->expires_at_ms = now_ms + (uint64_t)p.expiry_s * 1000;
    free(scratch);
    return m;
}
