/* Encoding what the broker sends: a PUBLISH in each variant (3.1.1 and 5.0, with packet id and
 * without), acknowledgements, now and then a CONNACK and a SUBACK. */
#include "tests/guard/guard.h"

#include <string.h>

#include "broker/message/encode.h"

enum { ROUNDS = 20000 };

static struct encoder *encoder;
static struct mqtt_slice topic, client;
static uint8_t payload[64], large[1500], out[4096];

static struct mqtt_slice text(const char *s)
{
    return (struct mqtt_slice){.data = (const uint8_t *)s, .len = (uint32_t)strlen(s)};
}

static size_t variants(const struct mqtt_publish *p)
{
    static const enum mqtt_version versions[] = {MQTT_V311, MQTT_V5};
    struct delivery d = delivery_of_publish(encoder, p, (struct message_id){1, 1}, client);
    size_t total = 0;
    for (int i = 0; i < 2; i++)
        for (int with_id = 0; with_id < 2; with_id++) {
            const struct encoded *e = delivery_encode(&d, versions[i], with_id == 1);
            guard_must(e != NULL && e->whole);
            memcpy(out, e->bytes, e->len);
            out[0] = publish_first_byte((uint8_t)with_id, false, false);
            total += e->len;
        }
    delivery_end(&d);
    return total;
}

static void acks(void)
{
    static const enum mqtt_type types[] = {MQTT_PUBACK, MQTT_PUBREC, MQTT_PUBREL, MQTT_PUBCOMP};
    for (uint16_t id = 1; id <= 8; id++)
        mqtt_encode_ack4(types[id & 3], id, out + (size_t)4 * id);
}

static void answers(void)
{
    static const uint8_t codes[] = {0, 1, 2};
    struct mqtt_packet connack = {.type = MQTT_CONNACK};
    struct mqtt_packet suback = {
        .type = MQTT_SUBACK,
        .u.suback = {.packet_id = 9, .codes = {.data = codes, .len = sizeof(codes)}}};
    guard_must(mqtt_encode(&connack, MQTT_V311, out, mqtt_encoded_size(&connack, MQTT_V311)) == 4);
    guard_must(mqtt_encode(&suback, MQTT_V5, out, mqtt_encoded_size(&suback, MQTT_V5)) == 8);
}

static void work(int rounds)
{
    struct mqtt_publish small = {.topic = topic, .payload = {payload, sizeof(payload)}};
    struct mqtt_publish big = {.qos = 1, .topic = topic, .payload = {large, sizeof(large)}};
    for (int i = 0; i < rounds; i++) {
        variants(&small);
        acks();
        if (i % 16 == 0) {
            variants(&big);
            answers();
        }
    }
}

void guard_prepare(void)
{
    encoder = encoder_new();
    guard_must(encoder != NULL);
    topic = text("fleet/bus-17/position");
    client = text("bus-17");
    work(1);
}

void guard_measured(void)
{
    work(ROUNDS);
}

void guard_finish(void)
{
    encoder_free(encoder);
}
