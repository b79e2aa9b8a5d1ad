/* Shared subscriptions of one broker: groups of 1, 10 and 100 members by round_robin, each with a device that
 * publishes for it at QoS 0, and at QoS 1 with acknowledgements. */
#include "tests/guard/guard.h"

#include <stdio.h>

#include "tests/guard/party.h"

enum { GROUPS = 3, MOST = 100, BURST = 10, ROUNDS = 200 };

static const int sizes[GROUPS] = {1, 10, MOST};
static struct core core;
static struct party devices[GROUPS], members[GROUPS][MOST];

static void make_bursts(struct party *p, const char *topic)
{
    const struct mqtt_slice nothing = {0};
    for (uint8_t qos = 0; qos < 2; qos++)
        for (int i = 0; i < BURST; i++)
            party_add(p, qos, i, party_text(topic), nothing);
}

static void publish(int qos)
{
    for (int i = 0; i < GROUPS; i++)
        party_feed(&devices[i], devices[i].out[qos], devices[i].len[qos]);
    core_settle(&core);
}

/* What is on its way to a member. */
static void acknowledge(struct party *p)
{
    uint32_t open = inflight_open(&p->link->client->inflight);
    if (open > 0)
        party_acknowledge(p, open);
}

static void work(int rounds)
{
    for (int i = 0; i < rounds; i++) {
        publish(0);
        publish(1);
        for (int k = 0; k < GROUPS; k++)
            for (int m = 0; m < sizes[k]; m++)
                acknowledge(&members[k][m]);
        core_settle(&core);
    }
}

static void start_group(int i)
{
    char name[64];
    for (int m = 0; m < sizes[i]; m++) {
        snprintf(name, sizeof(name), "member-%d-%d", i, m);
        party_join(&members[i][m], &core, name, MQTT_V311, 0);
        snprintf(name, sizeof(name), "$share/group-%d/work/%d/+", i, i);
        party_subscribe(&members[i][m], name, 0);
    }
    snprintf(name, sizeof(name), "device-%d", i);
    party_join(&devices[i], &core, name, MQTT_V311, 0);
    snprintf(name, sizeof(name), "work/%d/orders", i);
    make_bursts(&devices[i], name);
}

void guard_prepare(void)
{
    core_init(&core);
    for (int i = 0; i < GROUPS; i++)
        start_group(i);
    work(2);
}

void guard_measured(void)
{
    work(ROUNDS);
}

/* Each message came to one member, and with it all came to work. */
static void check_members(void)
{
    for (int i = 0; i < GROUPS; i++) {
        uint32_t all = 0;
        for (int m = 0; m < sizes[i]; m++) {
            guard_must(members[i][m].acknowledged > 0);
            all += members[i][m].acknowledged;
        }
        guard_must(all == (ROUNDS + 2) * BURST);
    }
}

void guard_finish(void)
{
    const struct broker_stats *stats = &core.broker->stats;
    uint64_t expected = (uint64_t)(ROUNDS + 2) * GROUPS * BURST;
    guard_must(stats->received[0] == expected && stats->received[1] == expected);
    guard_must(stats->sent[0] == expected && stats->sent[1] == expected);
    check_members();
    core_fini(&core);
    for (int i = 0; i < GROUPS; i++) {
        core_client_free(devices[i].link);
        for (int m = 0; m < sizes[i]; m++)
            core_client_free(members[i][m].link);
    }
}
