/* Decoding what 5.0 clients send when they use what 5.0 brings: PUBLISH with properties and aliases,
 * acknowledgements with reasons, SUBSCRIBE with an identifier, CONNECT with properties; and the properties
 * read one by one. */
#include "tests/guard/guard.h"

#include <string.h>

#include "common/mqtt/mqtt.h"

enum { ROUNDS = 4000, BUFFER = 8192 };

static uint8_t stream[BUFFER];
static size_t stream_len;
static uint32_t properties_read;

static struct mqtt_slice text(const char *s)
{
    return (struct mqtt_slice){.data = (const uint8_t *)s, .len = (uint32_t)strlen(s)};
}

static void put(const struct mqtt_packet *p)
{
    size_t n = mqtt_encode(p, MQTT_V5, stream + stream_len, sizeof(stream) - stream_len);
    guard_must(n > 0);
    stream_len += n;
}

static void put_publish(uint8_t qos, const char *topic, uint32_t alias)
{
    static const uint8_t zeros[64];
    uint8_t buf[256];
    size_t used = 0;
    guard_must(mqtt_props_put_num(buf, sizeof(buf), &used, MQTT_P_PAYLOAD_FORMAT, 0));
    guard_must(mqtt_props_put_num(buf, sizeof(buf), &used, MQTT_P_MESSAGE_EXPIRY, 60));
    if (alias != 0)
        guard_must(mqtt_props_put_num(buf, sizeof(buf), &used, MQTT_P_TOPIC_ALIAS, alias));
    guard_must(
        mqtt_props_put_str(buf, sizeof(buf), &used, MQTT_P_CONTENT_TYPE, text("text/plain")));
    guard_must(
        mqtt_props_put_str(buf, sizeof(buf), &used, MQTT_P_RESPONSE_TOPIC, text("answers/17")));
    guard_must(
        mqtt_props_put_str(buf, sizeof(buf), &used, MQTT_P_CORRELATION_DATA, text("12345678")));
    guard_must(mqtt_props_put_pair(buf, sizeof(buf), &used, text("unit"), text("degrees")));
    guard_must(mqtt_props_put_pair(buf, sizeof(buf), &used, text("model"), text("gps-2")));
    put(&(struct mqtt_packet){.type = MQTT_PUBLISH,
                              .u.publish = {.qos = qos,
                                            .packet_id = qos > 0 ? 77 : 0,
                                            .topic = text(topic),
                                            .payload = {.data = zeros, .len = sizeof(zeros)},
                                            .props.raw = mqtt_slice_of(buf, used)}});
}

static void put_ack(enum mqtt_type type, uint8_t reason)
{
    uint8_t buf[64];
    size_t used = 0;
    guard_must(
        mqtt_props_put_str(buf, sizeof(buf), &used, MQTT_P_REASON_STRING, text("over quota")));
    put(&(struct mqtt_packet){
        .type = type,
        .u.ack = {.packet_id = 4711, .reason = reason, .props.raw = mqtt_slice_of(buf, used)}});
}

static void put_subscribe(void)
{
    uint8_t list[64];
    uint8_t buf[16];
    size_t used = 0;
    size_t props_used = 0;
    struct mqtt_filter f = {.filter = text("fleet/+/position"), .qos = 1, .no_local = true};
    guard_must(mqtt_filters_put(list, sizeof(list), &used, true, &f));
    guard_must(mqtt_props_put_num(buf, sizeof(buf), &props_used, MQTT_P_SUBSCRIPTION_ID, 300));
    put(&(struct mqtt_packet){.type = MQTT_SUBSCRIBE,
                              .u.subscribe = {.packet_id = 5,
                                              .count = 1,
                                              .list = mqtt_slice_of(list, used),
                                              .props.raw = mqtt_slice_of(buf, props_used)}});
}

static void put_connect(void)
{
    static const enum mqtt_property numbers[] = {MQTT_P_SESSION_EXPIRY, MQTT_P_RECEIVE_MAXIMUM,
                                                 MQTT_P_TOPIC_ALIAS_MAXIMUM,
                                                 MQTT_P_MAXIMUM_PACKET_SIZE};
    uint8_t buf[128];
    size_t used = 0;
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        guard_must(mqtt_props_put_num(buf, sizeof(buf), &used, numbers[i], 1000));
    guard_must(mqtt_props_put_pair(buf, sizeof(buf), &used, text("app"), text("tracker")));
    put(&(struct mqtt_packet){.type = MQTT_CONNECT,
                              .u.connect = {.version = MQTT_V5,
                                            .level = 5,
                                            .clean_start = true,
                                            .keep_alive_s = 60,
                                            .client_id = text("bus-17"),
                                            .props.raw = mqtt_slice_of(buf, used)}});
}

static void fill(void)
{
    for (int i = 0; i < 6; i++) {
        put_publish(0, "fleet/bus-17/position", 0);
        put_publish(1, "fleet/bus-17/position", 1);
        put_publish(0, "", 1);
        put_publish(1, "", 1);
        put_ack(MQTT_PUBACK, MQTT_R_QUOTA_EXCEEDED);
    }
    put_ack(MQTT_PUBREC, MQTT_R_QUOTA_EXCEEDED);
    put_subscribe();
    put_connect();
}

static const struct mqtt_props *props_of(const struct mqtt_packet *p)
{
    static const struct mqtt_props none;
    return p->type == MQTT_PUBLISH ? &p->u.publish.props : &none;
}

static void decode(void)
{
    struct mqtt_decode_opts opts = {.version = MQTT_V5, .max_packet = 1 << 20};
    size_t size = 0;
    for (size_t at = 0; at < stream_len; at += size) {
        struct mqtt_packet p;
        struct mqtt_prop prop;
        struct mqtt_decode_error err;
        uint32_t next = 0;
        guard_must(mqtt_decode(stream + at, stream_len - at, &opts, &p, &size, &err) == DECODE_OK);
        while (mqtt_props_next(props_of(&p), &next, &prop))
            properties_read++;
    }
}

void guard_prepare(void)
{
    fill();
    decode();
    guard_must(properties_read == 6 * (4 * 7 + 3));
    properties_read = 0;
}

void guard_measured(void)
{
    for (int i = 0; i < ROUNDS; i++)
        decode();
}

void guard_finish(void)
{
    guard_must(properties_read == ROUNDS * 6 * (4 * 7 + 3));
}
