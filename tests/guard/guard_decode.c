/* Decoding what clients send: mostly PUBLISH, then acknowledgements, now and then the rest; 3.1.1
 * and 5.0. */
#include "tests/guard/guard.h"

#include <string.h>

#include "common/mqtt/mqtt.h"

enum { ROUNDS = 4000, BUFFER = 8192 };

struct stream {
    enum mqtt_version version;
    size_t len;
    uint8_t bytes[BUFFER];
};

static struct stream streams[2] = {{.version = MQTT_V311}, {.version = MQTT_V5}};

static struct mqtt_slice text(const char *s)
{
    return (struct mqtt_slice){.data = (const uint8_t *)s, .len = (uint32_t)strlen(s)};
}

static void put(struct stream *s, const struct mqtt_packet *p)
{
    size_t n = mqtt_encode(p, s->version, s->bytes + s->len, sizeof(s->bytes) - s->len);
    guard_must(n > 0);
    s->len += n;
}

static void put_publish(struct stream *s, uint8_t qos, const char *topic, uint32_t payload)
{
    static const uint8_t zeros[1024];
    struct mqtt_packet p = {.type = MQTT_PUBLISH,
                            .u.publish = {.qos = qos,
                                          .packet_id = qos > 0 ? 77 : 0,
                                          .topic = text(topic),
                                          .payload = {.data = zeros, .len = payload}}};
    uint8_t props[128];
    size_t used = 0;
    if (s->version == MQTT_V5 && payload > 100) {
        guard_must(mqtt_props_put_num(props, sizeof(props), &used, MQTT_P_MESSAGE_EXPIRY, 60));
        guard_must(mqtt_props_put_pair(props, sizeof(props), &used, text("unit"), text("celsius")));
        p.u.publish.props.raw = (struct mqtt_slice){.data = props, .len = (uint32_t)used};
    }
    put(s, &p);
}

static void put_ack(struct stream *s, enum mqtt_type type)
{
    struct mqtt_packet p = {.type = type, .u.ack = {.packet_id = 4711}};
    put(s, &p);
}

static void put_subscribe(struct stream *s, bool subscribe)
{
    static const char *const filters[] = {"fleet/+/position", "fleet/bus-17/#", "alerts"};
    uint8_t list[256];
    size_t used = 0;
    for (size_t i = 0; i < 3; i++) {
        struct mqtt_filter f = {.filter = text(filters[i]), .qos = 1};
        guard_must(mqtt_filters_put(list, sizeof(list), &used, subscribe, &f));
    }
    struct mqtt_packet p = {
        .type = subscribe ? MQTT_SUBSCRIBE : MQTT_UNSUBSCRIBE,
        .u.subscribe = {.packet_id = 5, .count = 3, .list = {.data = list, .len = (uint32_t)used}}};
    put(s, &p);
}

static void fill(struct stream *s)
{
    for (int i = 0; i < 6; i++) {
        put_publish(s, 0, "fleet/bus-17/position", 64);
        put_publish(s, 1, "fleet/bus-17/position", 64);
        put_publish(s, 0, "campus/buildings/library/floor-2/room-214/temperature", 200);
        put_ack(s, MQTT_PUBACK);
        put_ack(s, MQTT_PUBACK);
    }
    put_publish(s, 2, "fleet/bus-17/fare", 1000);
    put_ack(s, MQTT_PUBREC);
    put_ack(s, MQTT_PUBREL);
    put_ack(s, MQTT_PUBCOMP);
    put_subscribe(s, true);
    put_subscribe(s, false);
    put(s, &(struct mqtt_packet){.type = MQTT_PINGREQ});
    put(s, &(struct mqtt_packet){.type = MQTT_CONNECT,
                                 .u.connect = {.version = s->version,
                                               .level = (uint8_t)s->version,
                                               .clean_start = true,
                                               .keep_alive_s = 60,
                                               .client_id = text("bus-17"),
                                               .has_username = true,
                                               .username = text("bus"),
                                               .has_will = true,
                                               .will_topic = text("fleet/bus-17/online"),
                                               .will_payload = text("0")}});
    put(s, &(struct mqtt_packet){.type = MQTT_DISCONNECT});
}

static size_t decode(const struct stream *s)
{
    struct mqtt_decode_opts opts = {.version = s->version, .max_packet = 1 << 20};
    size_t count = 0;
    size_t size = 0;
    for (size_t at = 0; at < s->len; at += size, count++) {
        struct mqtt_packet p;
        struct mqtt_decode_error err;
        guard_must(mqtt_decode(s->bytes + at, s->len - at, &opts, &p, &size, &err) == DECODE_OK);
    }
    return count;
}

void guard_prepare(void)
{
    fill(&streams[0]);
    fill(&streams[1]);
    guard_must(decode(&streams[0]) == decode(&streams[1]));
}

void guard_measured(void)
{
    for (int i = 0; i < ROUNDS; i++) {
        decode(&streams[0]);
        decode(&streams[1]);
    }
}

void guard_finish(void)
{
}
