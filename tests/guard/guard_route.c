/* A PUBLISH through the whole broker, from the bytes of its publisher to those of its subscribers:
 * input, decoder, handler, router, delivery, output; at QoS 0 and at QoS 1 with its
 * acknowledgements. Each device's topic has a subscriber of its own, and one watches all. */
#include "tests/guard/guard.h"

#include <stdio.h>

#include "tests/guard/party.h"

enum { DEVICES = 20, BURST = 8, ROUNDS = 100, WINDOW = DEVICES * BURST };

static struct core core;
static struct party devices[DEVICES], subscribers[DEVICES], watcher;

static void make_bursts(struct party *p, const char *topic)
{
    const struct mqtt_slice nothing = {0};
    for (uint8_t qos = 0; qos < 2; qos++)
        for (int i = 0; i < BURST; i++)
            party_add(p, qos, i, party_text(topic), nothing);
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

void guard_prepare(void)
{
    char name[64];
    core_init(&core);
    core.config.limits.max_inflight = WINDOW;
    party_join(&watcher, &core, "watcher", MQTT_V311, 0);
    party_subscribe(&watcher, "fleet/+/position", 0);
    for (int i = 0; i < DEVICES; i++) {
        snprintf(name, sizeof(name), "subscriber-%d", i);
        party_join(&subscribers[i], &core, name, MQTT_V311, 0);
        snprintf(name, sizeof(name), "bus-%d", i);
        party_join(&devices[i], &core, name, MQTT_V311, 0);
        snprintf(name, sizeof(name), "fleet/bus-%d/position", i);
        party_subscribe(&subscribers[i], name, 0);
        make_bursts(&devices[i], name);
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
