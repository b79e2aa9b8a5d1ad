/* A PUBLISH through the whole broker, from the bytes of its publisher to those of its subscribers:
 * input, decoder, handler, router, delivery, output; at QoS 0 and at QoS 1 with its
 * acknowledgements. Each device's topic has a subscriber of its own, and one watches all. */
#include "tests/guard/guard.h"

#include <stdio.h>

#include "tests/unit/broker/core_fixture.h"

enum { DEVICES = 20, BURST = 8, ROUNDS = 100, WINDOW = DEVICES * BURST, BUFFER = 1024 };

struct party {
    struct core_client *link;
    uint8_t out[2][BUFFER]; /* a burst at QoS 0 and one at QoS 1; or acknowledgements */
    size_t len[2];
    uint32_t acknowledged;
};

static struct core core;
static struct party devices[DEVICES], subscribers[DEVICES], watcher;

static struct mqtt_slice text(const char *s)
{
    return (struct mqtt_slice){.data = (const uint8_t *)s, .len = (uint32_t)strlen(s)};
}

static void feed(struct party *p, const uint8_t *bytes, size_t len)
{
    core_give(p->link, bytes, len);
}

static void tell(struct party *p, const struct mqtt_packet *packet)
{
    uint8_t buf[256];
    size_t n = mqtt_encode(packet, MQTT_V311, buf, sizeof(buf));
    guard_must(n > 0);
    feed(p, buf, n);
    core_settle(&core);
    guard_must(!p->link->freed && p->link->in_len == 0);
}

static void join(struct party *p, const char *id)
{
    p->link = core_connect(&core);
    tell(p, &(struct mqtt_packet){
                .type = MQTT_CONNECT,
                .u.connect = {
                    .version = MQTT_V311, .level = 4, .clean_start = true, .client_id = text(id)}});
}

static void subscribe(struct party *p, const char *filter)
{
    uint8_t list[128];
    size_t used = 0;
    struct mqtt_filter f = {.filter = text(filter), .qos = 1};
    guard_must(mqtt_filters_put(list, sizeof(list), &used, true, &f));
    tell(p, &(struct mqtt_packet){.type = MQTT_SUBSCRIBE,
                                  .u.subscribe = {.packet_id = 1,
                                                  .count = 1,
                                                  .list = {.data = list, .len = (uint32_t)used}}});
}

static void make_bursts(struct party *p, const char *topic)
{
    static const uint8_t payload[64];
    for (uint8_t qos = 0; qos < 2; qos++)
        for (int i = 0; i < BURST; i++) {
            struct mqtt_packet packet = {
                .type = MQTT_PUBLISH,
                .u.publish = {.qos = qos,
                              .packet_id = qos > 0 ? (uint16_t)(i + 1) : 0,
                              .topic = text(topic),
                              .payload = {.data = payload, .len = sizeof(payload)}}};
            size_t n =
                mqtt_encode(&packet, MQTT_V311, p->out[qos] + p->len[qos], BUFFER - p->len[qos]);
            guard_must(n > 0);
            p->len[qos] += n;
        }
}

static void publish(int qos)
{
    for (int i = 0; i < DEVICES; i++)
        feed(&devices[i], devices[i].out[qos], devices[i].len[qos]);
    core_turn(&core);
}

/* Acknowledges the next `count` messages. */
static void acknowledge(struct party *p, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        mqtt_encode_ack4(MQTT_PUBACK, (uint16_t)(p->acknowledged++ % 65535 + 1),
                         p->out[0] + (size_t)4 * i);
    feed(p, p->out[0], (size_t)4 * count);
}

static void work(int rounds)
{
    for (int i = 0; i < rounds; i++) {
        publish(0);
        publish(1);
        acknowledge(&watcher, WINDOW);
        for (int k = 0; k < DEVICES; k++)
            acknowledge(&subscribers[k], BURST);
        core_turn(&core);
    }
}

void guard_prepare(void)
{
    char name[64];
    core_init(&core);
    core.config.limits.max_inflight = WINDOW;
    join(&watcher, "watcher");
    subscribe(&watcher, "fleet/+/position");
    for (int i = 0; i < DEVICES; i++) {
        snprintf(name, sizeof(name), "subscriber-%d", i);
        join(&subscribers[i], name);
        snprintf(name, sizeof(name), "fleet/bus-%d/position", i);
        subscribe(&subscribers[i], name);
        make_bursts(&devices[i], name);
        snprintf(name, sizeof(name), "bus-%d", i);
        join(&devices[i], name);
    }
    work(2);
}

void guard_measured(void)
{
    work(ROUNDS);
}

void guard_finish(void)
{
    const struct broker_stats *stats = &core.broker->stats;
    uint64_t expected = (uint64_t)(ROUNDS + 2) * DEVICES * BURST;
    guard_must(stats->received[0] == expected && stats->received[1] == expected);
    guard_must(stats->sent[0] == 2 * expected && stats->sent[1] == 2 * expected);
    core_fini(&core);
    core_client_free(watcher.link);
    for (int i = 0; i < DEVICES; i++) {
        core_client_free(devices[i].link);
        core_client_free(subscribers[i].link);
    }
}
