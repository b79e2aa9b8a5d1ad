#include "tests/bench/load/client.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define SESSION_EXPIRY_S 3600u
#define ALIASES 16u /* that a subscriber allows */

static struct mqtt_slice slice_of(const char *text)
{
    return (struct mqtt_slice){.data = (const uint8_t *)text, .len = (uint32_t)strlen(text)};
}

static const char *protocol_name(enum mqtt_version version)
{
    return version == MQTT_V5 ? "5.0" : version == MQTT_V31 ? "3.1" : "3.1.1";
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
    uint8_t props[16];
    size_t used = 0;
    if (o->version == MQTT_V5 && !id->clean)
        mqtt_props_put_num(props, sizeof(props), &used, MQTT_P_SESSION_EXPIRY, SESSION_EXPIRY_S);
    if (o->aliases && id->takes_messages)
        mqtt_props_put_num(props, sizeof(props), &used, MQTT_P_TOPIC_ALIAS_MAXIMUM, ALIASES);
    p.u.connect.props.raw = mqtt_slice_of(props, used);
    conn_send_packet(c, &p, o->version);
}

/* False when the server's packet can't be read. */
static bool decode(const struct options *o, const struct frame *f, struct mqtt_packet *out)
{
    struct mqtt_decode_opts opts = {.version = o->version, .from_server = true};
    size_t size = 0;
    return mqtt_decode(f->start, f->size, &opts, out, &size, NULL) == DECODE_OK;
}

/* A server that doesn't know 5.0 answers in the form of 3.1.1. */
static void refuse_connack(const struct conn *c, const struct options *o, const struct frame *f)
{
    uint8_t code = f->body[1];
    if (code == 0)
        return;
    if (code == MQTT_CONNACK_BAD_VERSION || code == MQTT_R_UNSUPPORTED_VERSION)
        die("the server refuses MQTT %s (CONNACK code %d)", protocol_name(o->version), code);
    die("connection %u: the server refuses it (CONNACK code %d, %s)", c->index, code,
        code >= 0x80 ? mqtt_reason_name(code) : "MQTT 3");
}

unsigned client_take_connack(const struct conn *c, const struct options *o, const struct frame *f)
{
    if (f->head >> 4 != MQTT_CONNACK || f->len < 2)
        die("connection %u: expected CONNACK, got packet type %d", c->index, f->head >> 4);
    refuse_connack(c, o, f);
    struct mqtt_packet p;
    if (!decode(o, f, &p))
        die("connection %u: a CONNACK that isn't MQTT %s", c->index, protocol_name(o->version));
    struct mqtt_prop found;
    if (o->aliases && (!mqtt_props_find(&p.u.connack.props, MQTT_P_TOPIC_ALIAS_MAXIMUM, &found) ||
                       found.num == 0))
        die("--aliases: the server takes no topic aliases");
    if (o->version == MQTT_V5 &&
        mqtt_props_find(&p.u.connack.props, MQTT_P_RECEIVE_MAXIMUM, &found))
        return found.num;
    return 65535;
}

void client_send_disconnect(struct conn *c)
{
    static const uint8_t disconnect[2] = {MQTT_DISCONNECT << 4, 0};
    memcpy(conn_reserve(c, sizeof(disconnect)), disconnect, sizeof(disconnect));
}

/* ---- subscriptions --------------------------------------------------------------------------- */

void filters_add(struct filters *l, bool subscribe, const char *filter, unsigned qos)
{
    struct mqtt_filter entry = {.filter = slice_of(filter), .qos = (uint8_t)qos};
    if (!mqtt_filters_put(l->bytes, sizeof(l->bytes), &l->used, subscribe, &entry))
        die("filter too long: %s", filter);
    l->count++;
}

bool filters_are_full(const struct filters *l)
{
    return l->count == FILTERS_MAX;
}

void client_send_filters(struct conn *c, const struct options *o, bool subscribe,
                         const struct filters *l, uint16_t packet_id)
{
    struct mqtt_packet p = {.type = subscribe ? MQTT_SUBSCRIBE : MQTT_UNSUBSCRIBE};
    p.u.subscribe.packet_id = packet_id;
    p.u.subscribe.list = (struct mqtt_slice){.data = l->bytes, .len = (uint32_t)l->used};
    p.u.subscribe.count = l->count;
    conn_send_packet(c, &p, o->version);
}

uint16_t client_take_suback(const struct conn *c, const struct options *o, const struct frame *f)
{
    struct mqtt_packet p;
    if (!decode(o, f, &p) || p.type != MQTT_SUBACK)
        die("connection %u: a SUBACK that isn't MQTT %s", c->index, protocol_name(o->version));
    for (uint32_t i = 0; i < p.u.suback.codes.len; i++) {
        if (p.u.suback.codes.data[i] > 2)
            die("connection %u: subscription refused with code %d", c->index,
                p.u.suback.codes.data[i]);
    }
    return p.u.suback.packet_id;
}

/* ---- messages -------------------------------------------------------------------------------- */

static uint16_t packet_id_of(const struct frame *f)
{
    return (uint16_t)((f->body[0] << 8) | f->body[1]);
}

/* The length of the properties with their own length in front. */
static uint32_t properties_size(const uint8_t *p, uint32_t len)
{
    uint32_t value = 0;
    for (uint32_t i = 0; i < len && i < 4; i++) {
        value |= (uint32_t)(p[i] & 0x7f) << (7 * i);
        if ((p[i] & 0x80) == 0)
            return value + i + 1;
    }
    return UINT32_MAX / 2; /* longer than any packet */
}

void client_take_publish(struct conn *c, const struct options *o, const struct frame *f,
                         struct received *out)
{
    out->qos = (f->head >> 1) & 3;
    uint32_t id_size = out->qos > 0 ? 2 : 0;
    uint32_t topic_len = f->len < 2 ? f->len : packet_id_of(f);
    uint32_t at = 2 + topic_len + id_size;
    if (at <= f->len && o->version == MQTT_V5)
        at += properties_size(f->body + at, f->len - at);
    if (at > f->len)
        die("connection %u: a PUBLISH that ends before its payload", c->index);
    out->topic = (struct mqtt_slice){.data = f->body + 2, .len = topic_len};
    out->payload = (struct mqtt_slice){.data = f->body + at, .len = f->len - at};
    out->dup = (f->head & 8) != 0;
    out->retain = (f->head & 1) != 0;
    out->packet_id = 0;
    if (out->qos == 0)
        return;
    const uint8_t *id = f->body + 2 + topic_len;
    out->packet_id = (uint16_t)((id[0] << 8) | id[1]);
    conn_send_ack(c, out->qos == 1 ? MQTT_PUBACK : MQTT_PUBREC, out->packet_id);
}

void client_take_pubrel(struct conn *c, const struct frame *f)
{
    if (f->len < 2)
        die("connection %u: a PUBREL without a packet id", c->index);
    conn_send_ack(c, MQTT_PUBCOMP, packet_id_of(f));
}

bool client_take_ack(struct conn *c, const struct frame *f)
{
    unsigned type = f->head >> 4;
    if (type != MQTT_PUBACK && type != MQTT_PUBREC && type != MQTT_PUBCOMP) {
        client_take_other(c, f);
        return false;
    }
    if (f->len < 2)
        die("connection %u: a %s without a packet id", c->index,
            mqtt_type_name((enum mqtt_type)type));
    if (f->len > 2 && f->body[2] >= 0x80)
        die("connection %u: a message was refused (%s, %s)", c->index,
            mqtt_type_name((enum mqtt_type)type), mqtt_reason_name(f->body[2]));
    if (type != MQTT_PUBREC)
        return true;
    conn_send_ack(c, MQTT_PUBREL, packet_id_of(f));
    return false;
}

void client_take_other(const struct conn *c, const struct frame *f)
{
    if (f->head >> 4 == MQTT_DISCONNECT)
        die("connection %u: the server ends it (%s)", c->index,
            f->len > 0 ? mqtt_reason_name(f->body[0]) : "without a reason");
}
