/*
 * party - a client of a workload that goes through the whole broker: it joins, subscribes, sends bursts that
 * were made before, and acknowledges what it gets.
 */
#ifndef FLOTILLA_TESTS_GUARD_PARTY_H
#define FLOTILLA_TESTS_GUARD_PARTY_H

#include "tests/guard/guard.h"
#include "tests/unit/broker/core_fixture.h"

enum { PARTY_BUFFER = 2048 };

struct party {
    struct core *core;
    struct core_client *link;
    enum mqtt_version version;
    uint8_t out[2][PARTY_BUFFER]; /* a burst at QoS 0 and one at QoS 1; or acknowledgements */
    size_t len[2];
    uint32_t acknowledged;
};

static inline struct mqtt_slice party_text(const char *s)
{
    return (struct mqtt_slice){.data = (const uint8_t *)s, .len = (uint32_t)strlen(s)};
}

static inline void party_feed(struct party *p, const uint8_t *bytes, size_t len)
{
    core_give(p->link, bytes, len);
}

/* Sends a packet and lets the broker do all that comes of it. */
static inline void party_tell(struct party *p, const struct mqtt_packet *packet)
{
    uint8_t buf[256];
    size_t n = mqtt_encode(packet, p->version, buf, sizeof(buf));
    guard_must(n > 0);
    party_feed(p, buf, n);
    core_settle(p->core);
    guard_must(!p->link->freed && p->link->in_len == 0);
}

/* `aliases`: how many topic aliases it allows (5.0). */
static inline void party_join(struct party *p, struct core *core, const char *id,
                              enum mqtt_version version, uint32_t aliases)
{
    uint8_t props[8];
    size_t used = 0;
    p->core = core;
    p->version = version;
    p->link = core_connect(core);
    guard_must(aliases == 0 || mqtt_props_put_num(props, sizeof(props), &used,
                                                  MQTT_P_TOPIC_ALIAS_MAXIMUM, aliases));
    party_tell(p, &(struct mqtt_packet){.type = MQTT_CONNECT,
                                        .u.connect = {.version = version,
                                                      .level = (uint8_t)version,
                                                      .clean_start = true,
                                                      .client_id = party_text(id),
                                                      .props.raw = mqtt_slice_of(props, used)}});
}

/* At QoS 1; `id`: of the subscription (5.0), 0: none. */
static inline void party_subscribe(struct party *p, const char *filter, uint32_t id)
{
    uint8_t list[128];
    uint8_t props[8];
    size_t used = 0;
    size_t props_used = 0;
    struct mqtt_filter f = {.filter = party_text(filter), .qos = 1};
    guard_must(mqtt_filters_put(list, sizeof(list), &used, true, &f));
    guard_must(id == 0 ||
               mqtt_props_put_num(props, sizeof(props), &props_used, MQTT_P_SUBSCRIPTION_ID, id));
    party_tell(
        p, &(struct mqtt_packet){.type = MQTT_SUBSCRIBE,
                                 .u.subscribe = {.packet_id = 1,
                                                 .count = 1,
                                                 .list = mqtt_slice_of(list, used),
                                                 .props.raw = mqtt_slice_of(props, props_used)}});
}

/* Adds a message of 64 bytes to a burst. `packet_id` follows from its place in it. */
static inline void party_add(struct party *p, uint8_t qos, int place, struct mqtt_slice topic,
                             struct mqtt_slice props)
{
    static const uint8_t payload[64];
    struct mqtt_packet packet = {.type = MQTT_PUBLISH,
                                 .u.publish = {.qos = qos,
                                               .packet_id = qos > 0 ? (uint16_t)(place + 1) : 0,
                                               .topic = topic,
                                               .payload = {.data = payload, .len = sizeof(payload)},
                                               .props.raw = props}};
    size_t n =
        mqtt_encode(&packet, p->version, p->out[qos] + p->len[qos], PARTY_BUFFER - p->len[qos]);
    guard_must(n > 0);
    p->len[qos] += n;
}

/* Acknowledges the next `count` messages. */
static inline void party_acknowledge(struct party *p, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        mqtt_encode_ack4(MQTT_PUBACK, (uint16_t)(p->acknowledged++ % 65535 + 1),
                         p->out[0] + (size_t)4 * i);
    party_feed(p, p->out[0], (size_t)4 * count);
}

#endif
