/* The same as guard_route.c in 5.0: messages with properties, half of the publishers with topic aliases, to
 * subscribers with and without subscription identifiers and aliases; one watches all with both. */
#include "tests/guard/guard.h"

#include <stdio.h>

#include "tests/guard/party.h"

enum { DEVICES = 20, BURST = 8, ROUNDS = 100, WINDOW = DEVICES * BURST, ALIASES = 16 };

static struct core core;
static struct party devices[DEVICES], subscribers[DEVICES], watcher;

static struct mqtt_slice properties(uint8_t *buf, size_t size, uint32_t alias)
{
    size_t used = 0;
    guard_must(mqtt_props_put_num(buf, size, &used, MQTT_P_MESSAGE_EXPIRY, 3600));
    guard_must(mqtt_props_put_str(buf, size, &used, MQTT_P_CONTENT_TYPE, party_text("text/plain")));
    guard_must(mqtt_props_put_pair(buf, size, &used, party_text("unit"), party_text("degrees")));
    guard_must(mqtt_props_put_pair(buf, size, &used, party_text("model"), party_text("gps-2")));
    if (alias != 0)
        guard_must(mqtt_props_put_num(buf, size, &used, MQTT_P_TOPIC_ALIAS, alias));
    return mqtt_slice_of(buf, used);
}

/* With an alias the first message of a burst names the topic. */
static void make_bursts(struct party *p, const char *topic, uint32_t alias)
{
    uint8_t buf[128];
    struct mqtt_slice props = properties(buf, sizeof(buf), alias);
    for (uint8_t qos = 0; qos < 2; qos++)
        for (int i = 0; i < BURST; i++)
            party_add(p, qos, i, party_text(alias != 0 && i > 0 ? "" : topic), props);
}

static void publish(int qos)
{
    for (int i = 0; i < DEVICES; i++)
        party_feed(&devices[i], devices[i].out[qos], devices[i].len[qos]);
    core_turn(&core);
}

static void work(int rounds)
{
    for (int i = 0; i < rounds; i++) {
        publish(0);
        publish(1);
        party_acknowledge(&watcher, WINDOW);
        for (int k = 0; k < DEVICES; k++)
            party_acknowledge(&subscribers[k], BURST);
        core_turn(&core);
    }
}

static void start_device(int i)
{
    bool has_id = i % 2 == 1;
    bool has_aliases = i % 4 >= 2;
    char name[64];
    snprintf(name, sizeof(name), "subscriber-%d", i);
    party_join(&subscribers[i], &core, name, MQTT_V5, has_aliases ? ALIASES : 0);
    snprintf(name, sizeof(name), "bus-%d", i);
    party_join(&devices[i], &core, name, MQTT_V5, 0);
    snprintf(name, sizeof(name), "fleet/bus-%d/position", i);
    party_subscribe(&subscribers[i], name, has_id ? 300 : 0);
    make_bursts(&devices[i], name, i % 2 == 1 ? 1 : 0);
}

void guard_prepare(void)
{
    core_init(&core);
    core.config.limits.max_inflight = WINDOW;
    party_join(&watcher, &core, "watcher", MQTT_V5, ALIASES);
    party_subscribe(&watcher, "fleet/+/position", 1);
    for (int i = 0; i < DEVICES; i++)
        start_device(i);
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
