#include "tests/bench/load/template.h"

#include <stdlib.h>
#include <string.h>

_Static_assert(sizeof(struct stamp) == STAMP_SIZE, "a stamp is copied as it is");

#define PACKET_IDS 60000u /* more than any window */

void template_make(struct template *t, const struct template_options *o)
{
    struct mqtt_publish m = {
        .qos = o->qos,
        .retain = o->retain,
        .packet_id = o->qos > 0 ? 1 : 0,
        .topic = {.data = (const uint8_t *)o->topic, .len = (uint32_t)strlen(o->topic)},
        .payload = {.len = (uint32_t)o->payload},
        .props.raw = o->props,
    };
    size_t room = MQTT_PUBLISH_HEAD_MAX + m.topic.len + o->props.len + o->payload;
    t->bytes = realloc(t->bytes, room);
    if (t->bytes == NULL)
        die("out of memory");
    t->stamp_at = mqtt_encode_publish_head(&m, o->version, t->bytes, &t->id_at);
    t->len = t->stamp_at + o->payload;
    t->qos = o->qos;
    memset(t->bytes + t->stamp_at, 'x', o->payload);
}

void template_send(const struct template *t, struct conn *c, const struct stamp *stamp)
{
    uint8_t *out = conn_reserve(c, t->len);
    memcpy(out, t->bytes, t->len);
    memcpy(out + t->stamp_at, stamp, STAMP_SIZE);
    if (t->qos > 0) {
        uint16_t id = (uint16_t)(stamp->number % PACKET_IDS + 1);
        out[t->id_at] = (uint8_t)(id >> 8);
        out[t->id_at + 1] = (uint8_t)id;
    }
}

void template_free(struct template *t)
{
    free(t->bytes);
    t->bytes = NULL;
}

bool stamp_read(struct mqtt_slice payload, struct stamp *out)
{
    if (payload.len < STAMP_SIZE)
        return false;
    memcpy(out, payload.data, STAMP_SIZE);
    return true;
}
