#include "tests/bench/load/client.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

uint64_t get_u64(const uint8_t *p)
{
    uint64_t v = 0;
    memcpy(&v, p, sizeof(v));
    return v;
}

uint32_t get_u32(const uint8_t *p)
{
    uint32_t v = 0;
    memcpy(&v, p, sizeof(v));
    return v;
}

void put_u64(uint8_t *p, uint64_t v)
{
    memcpy(p, &v, sizeof(v));
}

void put_u32(uint8_t *p, uint32_t v)
{
    memcpy(p, &v, sizeof(v));
}

static struct mqtt_slice slice_of(const char *text)
{
    return (struct mqtt_slice){.data = (const uint8_t *)text, .len = (uint32_t)strlen(text)};
}

void client_send_connect(struct conn *c, const struct options *o, const struct client_identity *id)
{
    char client_id[64];
    snprintf(client_id, sizeof(client_id), "%s%u-%d", id->prefix, c->index, (int)getpid());
    struct mqtt_packet p = {.type = MQTT_CONNECT};
    p.u.connect.version = o->version;
    p.u.connect.level = (uint8_t)o->version;
    p.u.connect.clean_start = id->clean;
    p.u.connect.keep_alive_s = 600;
    p.u.connect.client_id = slice_of(client_id);
    uint8_t props[8];
    if (o->version == MQTT_V5 && !id->clean) {
        size_t used = 0;
        mqtt_props_put_num(props, sizeof(props), &used, MQTT_P_SESSION_EXPIRY, 3600);
        p.u.connect.props.raw = (struct mqtt_slice){.data = props, .len = (uint32_t)used};
    }
    conn_send_packet(c, &p, o->version);
}

void client_check_connack(const struct conn *c, const struct frame *f)
{
    if (f->head >> 4 != MQTT_CONNACK || f->len < 2)
        die("connection %u: expected CONNACK, got packet type %d", c->index, f->head >> 4);
    if (f->body[1] != 0)
        die("connection %u: refused with code %d", c->index, f->body[1]);
}

void client_send_subscribe(struct conn *c, const struct options *o, const char *filter,
                           unsigned qos, uint16_t packet_id)
{
    uint8_t list[256];
    size_t used = 0;
    struct mqtt_filter entry = {.filter = slice_of(filter), .qos = (uint8_t)qos};
    if (!mqtt_filters_put(list, sizeof(list), &used, true, &entry))
        die("filter too long: %s", filter);
    struct mqtt_packet p = {.type = MQTT_SUBSCRIBE};
    p.u.subscribe.packet_id = packet_id;
    p.u.subscribe.list = (struct mqtt_slice){.data = list, .len = (uint32_t)used};
    p.u.subscribe.count = 1;
    conn_send_packet(c, &p, o->version);
}

void client_check_suback(const struct conn *c, const struct options *o, const struct frame *f)
{
    unsigned least = o->version == MQTT_V5 ? 4 : 3;
    if (f->head >> 4 != MQTT_SUBACK || f->len < least)
        die("connection %u: expected SUBACK, got packet type %d", c->index, f->head >> 4);
    if (f->body[f->len - 1] > 2)
        die("connection %u: subscription refused with code %d", c->index, f->body[f->len - 1]);
}

void client_send_disconnect(struct conn *c)
{
    static const uint8_t disconnect[2] = {MQTT_DISCONNECT << 4, 0};
    memcpy(conn_reserve(c, sizeof(disconnect)), disconnect, sizeof(disconnect));
}

void client_read_publish(const struct options *o, const struct frame *f, struct received *out)
{
    uint32_t topic_len = ((uint32_t)f->body[0] << 8) | f->body[1];
    uint32_t at = 2 + topic_len;
    out->topic = (struct mqtt_slice){.data = f->body + 2, .len = topic_len};
    out->qos = (f->head >> 1) & 3;
    out->dup = (f->head & 8) != 0;
    out->retain = (f->head & 1) != 0;
    out->packet_id = 0;
    if (out->qos > 0) {
        out->packet_id = (uint16_t)((f->body[at] << 8) | f->body[at + 1]);
        at += 2;
    }
    if (o->version == MQTT_V5)
        at += 1u + f->body[at]; /* properties shorter than 128 bytes: all we ever send */
    if (at > f->len)
        die("a PUBLISH that ends before its payload");
    out->payload = (struct mqtt_slice){.data = f->body + at, .len = f->len - at};
}
