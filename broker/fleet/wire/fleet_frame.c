/* The one encoding of messages between brokers; publish, inbox, queue, retained and will code all
 * use it. */
#include "broker/fleet/wire/fleet_frame.h"

enum {
    FRAME_QOS = 0x03,
    FRAME_RETAIN = 0x04,
    FRAME_PROPS = 0x08,
    FRAME_REMEMBER = 0x10,
    FRAME_EXPIRY = 0x20,
    FRAME_PUBLISHER = 0x40,
    FRAME_ID = 0x80,
};

void fleet_frame_put(struct fleet_bytes *b, const struct message *m, bool remember)
{
    uint8_t flags = m->qos & FRAME_QOS;
    flags |= m->retain ? FRAME_RETAIN : 0;
    flags |= m->props.len > 0 ? FRAME_PROPS : 0;
    flags |= remember ? FRAME_REMEMBER : 0;
    flags |= m->expires_at_ms != 0 ? FRAME_EXPIRY : 0;
    flags |= m->publisher.len > 0 ? FRAME_PUBLISHER : 0;
    flags |= m->qos > 0 || m->retain || remember ? FRAME_ID : 0;
    fleet_bytes_u8(b, flags);
    if ((flags & FRAME_EXPIRY) != 0)
        fleet_bytes_u64(b, m->expires_at_ms);
    fleet_bytes_slice(b, m->topic);
    fleet_bytes_slice(b, m->payload);
    if ((flags & FRAME_PROPS) != 0)
        fleet_bytes_slice(b, m->props);
    if ((flags & FRAME_ID) != 0) {
        fleet_bytes_u64(b, m->id.node);
        fleet_bytes_varint(b, m->id.sequence);
    }
    if ((flags & FRAME_PUBLISHER) != 0)
        fleet_bytes_slice(b, m->publisher);
}

struct message *fleet_frame_get(struct fleet_reader *r, bool *remember)
{
    uint8_t flags = fleet_reader_u8(r);
    struct mqtt_publish p = {.qos = flags & FRAME_QOS, .retain = (flags & FRAME_RETAIN) != 0};
    struct message_id id = {0};
    struct mqtt_slice publisher = {0};
    uint64_t expires_at_ms = (flags & FRAME_EXPIRY) != 0 ? fleet_reader_u64(r) : 0;
    p.topic = fleet_reader_slice(r);
    p.payload = fleet_reader_slice(r);
    if ((flags & FRAME_PROPS) != 0)
        p.props.raw = fleet_reader_slice(r);
    if ((flags & FRAME_ID) != 0) {
        id.node = fleet_reader_u64(r);
        id.sequence = fleet_reader_varint(r);
    }
    if ((flags & FRAME_PUBLISHER) != 0)
        publisher = fleet_reader_slice(r);
    *remember = (flags & FRAME_REMEMBER) != 0;
    if (r->failed || p.qos > 2 || p.topic.len == 0 || p.topic.len > UINT16_MAX ||
        p.payload.len > MQTT_MAX_REMAINING) {
        r->failed = true;
        return NULL;
    }
    struct message *m = message_new(&p, id, publisher);
    if (m != NULL)
        m->expires_at_ms = expires_at_ms;
    return m;
}

void fleet_frame_skip(struct fleet_reader *r)
{
    uint8_t flags = fleet_reader_u8(r);
    if ((flags & FRAME_EXPIRY) != 0)
        fleet_reader_u64(r);
    fleet_reader_slice(r); /* topic */
    fleet_reader_slice(r); /* payload */
    if ((flags & FRAME_PROPS) != 0)
        fleet_reader_slice(r);
    if ((flags & FRAME_ID) != 0) {
        fleet_reader_u64(r);
        fleet_reader_varint(r);
    }
    if ((flags & FRAME_PUBLISHER) != 0)
        fleet_reader_slice(r);
}

struct message *fleet_message_with_id(const struct message *m, struct message_id id)
{
    struct mqtt_publish p = {.qos = m->qos,
                             .retain = m->retain,
                             .topic = m->topic,
                             .payload = m->payload,
                             .props = {.raw = m->props}};
    struct message *copy = message_new(&p, id, m->publisher);
    if (copy != NULL)
        copy->expires_at_ms = m->expires_at_ms;
    return copy;
}

void fleet_id_write(uint8_t out[16], struct message_id id)
{
    fleet_u64_write(out, id.node);
    fleet_u64_write(out + 8, id.sequence);
}

bool fleet_id_read(const void *data, size_t len, struct message_id *id)
{
    struct fleet_reader r = fleet_reader_of(data, len);
    id->node = fleet_reader_u64(&r);
    id->sequence = fleet_reader_u64(&r);
    return !r.failed && r.at == r.end;
}
