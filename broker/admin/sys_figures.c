/*
 * $SYS: tables of names, and how each value is read from the broker's counters or from what the store
 * answered.
 */
#include "broker/admin/sys_figures.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "broker/base/account.h"
#include "broker/client/context.h"
#include "broker/routing/router.h"
#include "broker/routing/session.h"

/* ---- counters -------------------------------------------------------------------------------- */

static uint64_t total(const uint64_t by_qos[3])
{
    return by_qos[0] + by_qos[1] + by_qos[2];
}

static uint64_t publish_dropped(const struct broker *b)
{
    uint64_t sum = 0;
    for (int i = 0; i < DROP_COUNT; i++)
        sum += b->stats.dropped[i];
    return sum;
}

static uint64_t publish_received(const struct broker *b)
{
    return total(b->stats.received);
}

static uint64_t publish_sent(const struct broker *b)
{
    return total(b->stats.sent);
}

static uint64_t messages_received(const struct broker *b)
{
    return b->stats.received_packets;
}

static uint64_t messages_sent(const struct broker *b)
{
    return b->stats.sent_packets;
}

static uint64_t bytes_received(const struct broker *b)
{
    return b->stats.received_bytes;
}

static uint64_t bytes_sent(const struct broker *b)
{
    return b->stats.sent_bytes;
}

static uint64_t payload_received(const struct broker *b)
{
    return b->stats.received_payload;
}

static uint64_t payload_sent(const struct broker *b)
{
    return b->stats.sent_payload;
}

static uint64_t sockets(const struct broker *b)
{
    return b->stats.connections;
}

static uint64_t connects(const struct broker *b)
{
    return b->stats.connects;
}

static uint64_t clients_total(const struct broker *b)
{
    return session_table_count(b->sessions);
}

static uint64_t clients_connected(const struct broker *b)
{
    return b->stats.online;
}

/* More may be online than there are sessions, while one takes another's place. */
static uint64_t clients_disconnected(const struct broker *b)
{
    uint64_t all = clients_total(b);
    return all > b->stats.online ? all - b->stats.online : 0;
}

static uint64_t clients_maximum(const struct broker *b)
{
    return b->stats.online_max;
}

static uint64_t output_bytes(const struct broker *b)
{
    return b->chunks.pending;
}

static uint64_t subscriptions(const struct broker *b)
{
    const struct router_counts *counts = router_counts(b->router);
    return counts->clean + counts->durable;
}

static uint64_t shared_subscriptions(const struct broker *b)
{
    return router_counts(b->router)->shared;
}

typedef uint64_t counter_fn(const struct broker *b);

static const struct {
    const char *topic;
    counter_fn *counter;
} counters[] = {
    {"$SYS/broker/bytes/received", bytes_received},
    {"$SYS/broker/bytes/sent", bytes_sent},
    {"$SYS/broker/clients/active", clients_connected},
    {"$SYS/broker/clients/connected", clients_connected},
    {"$SYS/broker/clients/disconnected", clients_disconnected},
    {"$SYS/broker/clients/inactive", clients_disconnected},
    {"$SYS/broker/clients/maximum", clients_maximum},
    {"$SYS/broker/clients/total", clients_total},
    {"$SYS/broker/connections/socket/count", sockets},
    {"$SYS/broker/messages/received", messages_received},
    {"$SYS/broker/messages/sent", messages_sent},
    {"$SYS/broker/packet/out/bytes", output_bytes},
    {"$SYS/broker/publish/bytes/received", payload_received},
    {"$SYS/broker/publish/bytes/sent", payload_sent},
    {"$SYS/broker/publish/messages/dropped", publish_dropped},
    {"$SYS/broker/publish/messages/received", publish_received},
    {"$SYS/broker/publish/messages/sent", publish_sent},
    {"$SYS/broker/shared_subscriptions/count", shared_subscriptions},
    {"$SYS/broker/subscriptions/count", subscriptions},
};
enum { COUNTERS = sizeof(counters) / sizeof(counters[0]) };

/* ---- load ------------------------------------------------------------------------------------ */

static const struct {
    const char *name;
    counter_fn *counter;
} loads[] = {
    {"bytes/received", bytes_received},
    {"bytes/sent", bytes_sent},
    {"connections", connects},
    {"messages/received", messages_received},
    {"messages/sent", messages_sent},
    {"publish/dropped", publish_dropped},
    {"publish/received", publish_received},
    {"publish/sent", publish_sent},
    {"sockets", sockets},
};
_Static_assert(sizeof(loads) / sizeof(loads[0]) == SYS_LOADS, "an average per kind of load");
enum { LOADS = SYS_LOADS * LOAD_WINDOWS };

static bool load_row(const struct sys_figures *f, size_t row, struct sys_row *out)
{
    size_t load = row / LOAD_WINDOWS;
    size_t window = row % LOAD_WINDOWS;
    snprintf(out->topic, sizeof(out->topic), "$SYS/broker/load/%s/%s", loads[load].name,
             load_window_names[window]);
    snprintf(out->value, sizeof(out->value), "%.2f", f->loads[load].per_minute[window]);
    return true;
}

/* ---- what is no counter ---------------------------------------------------------------------- */

typedef bool text_fn(const struct sys_figures *f, char value[SYS_TEXT_MAX]);

static bool put(char value[SYS_TEXT_MAX], uint64_t n)
{
    snprintf(value, SYS_TEXT_MAX, "%" PRIu64, n);
    return true;
}

static bool version(const struct sys_figures *f, char value[SYS_TEXT_MAX])
{
    (void)f;
    snprintf(value, SYS_TEXT_MAX, "flotilla version %s", FLOTILLA_VERSION);
    return true;
}

static bool uptime(const struct sys_figures *f, char value[SYS_TEXT_MAX])
{
    snprintf(value, SYS_TEXT_MAX, "%" PRIu64 " seconds", (f->stepped_ms - f->started_ms) / 1000);
    return true;
}

static bool heap_current(const struct sys_figures *f, char value[SYS_TEXT_MAX])
{
    return put(value, f->heap);
}

static bool heap_maximum(const struct sys_figures *f, char value[SYS_TEXT_MAX])
{
    return put(value, f->heap_max);
}

static bool node(const struct sys_figures *f, char value[SYS_TEXT_MAX])
{
    const char *name = store_node(f->broker->store);
    if (name != NULL)
        snprintf(value, SYS_TEXT_MAX, "%s", name);
    return name != NULL;
}

/* In a fleet messages are stored in Redis, and nobody counts those in its queues. */
static bool stored_messages(const struct sys_figures *f, char value[SYS_TEXT_MAX])
{
    return !store_is_shared(f->broker->store) && put(value, account.kept_messages);
}

static bool stored_bytes(const struct sys_figures *f, char value[SYS_TEXT_MAX])
{
    return !store_is_shared(f->broker->store) && put(value, account.kept_payload);
}

static const struct {
    const char *topic;
    text_fn *text;
} texts[] = {
    {"$SYS/broker/heap/current", heap_current},
    {"$SYS/broker/heap/current size", heap_current},
    {"$SYS/broker/heap/maximum", heap_maximum},
    {"$SYS/broker/heap/maximum size", heap_maximum},
    {"$SYS/broker/messages/stored", stored_messages},
    {"$SYS/broker/node", node},
    {"$SYS/broker/store/messages/bytes", stored_bytes},
    {"$SYS/broker/store/messages/count", stored_messages},
    {"$SYS/broker/uptime", uptime},
    {"$SYS/broker/version", version},
};
enum { TEXTS = sizeof(texts) / sizeof(texts[0]) };

/* ---- of the store ---------------------------------------------------------------------------- */

static uint64_t all_subscriptions(const struct sys_figures *f)
{
    /* Each broker knows all durable sessions, and tells of its other ones only. */
    return f->totals.of_all[STORE_TOTAL_SUBSCRIPTIONS] + router_counts(f->broker->router)->durable;
}

/* Where a number is in sys_figures. */
#define OF_ALL(what) offsetof(struct sys_figures, totals.of_all[STORE_TOTAL_##what])

static const struct {
    const char *topic;
    size_t at;
} sums[] = {
    {"$SYS/broker/clients/expired", offsetof(struct sys_figures, totals.expired)},
    {"$SYS/broker/retained messages/count", offsetof(struct sys_figures, totals.retained)},
    {"$SYS/fleet/bytes/received", OF_ALL(BYTES_RECEIVED)},
    {"$SYS/fleet/bytes/sent", OF_ALL(BYTES_SENT)},
    {"$SYS/fleet/clients/connected", OF_ALL(CLIENTS)},
    {"$SYS/fleet/messages/received", OF_ALL(MESSAGES_RECEIVED)},
    {"$SYS/fleet/messages/sent", OF_ALL(MESSAGES_SENT)},
    {"$SYS/fleet/nodes", offsetof(struct sys_figures, totals.nodes)},
    {"$SYS/fleet/publish/bytes/received", OF_ALL(PAYLOAD_RECEIVED)},
    {"$SYS/fleet/publish/bytes/sent", OF_ALL(PAYLOAD_SENT)},
    {"$SYS/fleet/publish/messages/dropped", OF_ALL(PUBLISH_DROPPED)},
    {"$SYS/fleet/publish/messages/received", OF_ALL(PUBLISH_RECEIVED)},
    {"$SYS/fleet/publish/messages/sent", OF_ALL(PUBLISH_SENT)},
    {"$SYS/fleet/retained messages/count", offsetof(struct sys_figures, totals.retained)},
    {"$SYS/fleet/subscriptions/count", OF_ALL(SUBSCRIPTIONS)},
};
enum { SUMS = sizeof(sums) / sizeof(sums[0]) };

static bool sum_row(const struct sys_figures *f, size_t row, struct sys_row *out)
{
    snprintf(out->topic, sizeof(out->topic), "%s", sums[row].topic);
    out->of_store = true;
    if (!f->has_totals)
        return false;
    uint64_t n;
    memcpy(&n, (const char *)f + sums[row].at, sizeof(n));
    return put(out->value, n);
}

/* ---- all of them ----------------------------------------------------------------------------- */

void sys_figures_init(struct sys_figures *f, const struct broker *b, uint64_t now_ms)
{
    *f = (struct sys_figures){.broker = b, .started_ms = now_ms, .stepped_ms = now_ms};
}

void sys_figures_step(struct sys_figures *f, uint64_t now_ms)
{
    for (size_t i = 0; i < SYS_LOADS; i++)
        load_average_step(&f->loads[i], loads[i].counter(f->broker), now_ms - f->stepped_ms);
    f->stepped_ms = now_ms;
    f->heap = account.total;
    if (f->heap_max < f->heap)
        f->heap_max = f->heap;
}

void sys_figures_mine(const struct sys_figures *f, uint64_t mine[STORE_TOTAL_COUNT])
{
    const struct broker *b = f->broker;
    mine[STORE_TOTAL_CLIENTS] = clients_connected(b);
    mine[STORE_TOTAL_SUBSCRIPTIONS] = router_counts(b->router)->clean;
    mine[STORE_TOTAL_MESSAGES_RECEIVED] = messages_received(b);
    mine[STORE_TOTAL_MESSAGES_SENT] = messages_sent(b);
    mine[STORE_TOTAL_PUBLISH_RECEIVED] = publish_received(b);
    mine[STORE_TOTAL_PUBLISH_SENT] = publish_sent(b);
    mine[STORE_TOTAL_PUBLISH_DROPPED] = publish_dropped(b);
    mine[STORE_TOTAL_BYTES_RECEIVED] = bytes_received(b);
    mine[STORE_TOTAL_BYTES_SENT] = bytes_sent(b);
    mine[STORE_TOTAL_PAYLOAD_RECEIVED] = payload_received(b);
    mine[STORE_TOTAL_PAYLOAD_SENT] = payload_sent(b);
}

void sys_figures_take(struct sys_figures *f, const struct store_totals *totals)
{
    f->has_totals = true;
    f->totals = *totals;
    f->totals.of_all[STORE_TOTAL_SUBSCRIPTIONS] = all_subscriptions(f);
}

size_t sys_figures_rows(void)
{
    return COUNTERS + LOADS + TEXTS + SUMS;
}

bool sys_figures_row(const struct sys_figures *f, size_t row, struct sys_row *out)
{
    out->of_store = false;
    if (row < COUNTERS) {
        snprintf(out->topic, sizeof(out->topic), "%s", counters[row].topic);
        return put(out->value, counters[row].counter(f->broker));
    }
    row -= COUNTERS;
    if (row < LOADS)
        return load_row(f, row, out);
    row -= LOADS;
    if (row >= TEXTS)
        return sum_row(f, row - TEXTS, out);
    snprintf(out->topic, sizeof(out->topic), "%s", texts[row].topic);
    return texts[row].text(f, out->value);
}
