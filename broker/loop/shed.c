/*
 * See the header: from the account's total to closed connections.
 */
#include "broker/loop/shed.h"

#include <malloc.h>

#include "broker/base/broker_config.h"
#include "broker/client/client.h"
#include "broker/client/client_v5.h"
#include "broker/client/rest.h"
#include "broker/connection/client_life.h"
#include "broker/delivery/deliver.h"
#include "broker/delivery/retained_delivery.h"
#include "broker/routing/router.h"
#include "common/base/clock.h"
#include "common/log/log.h"
#include "common/process/memory_limit.h"

enum {
    LOOKED_AT_MAX = 8192, /* holders in one go */
    CLOSED_MAX = 16,      /* in one go: each may have a will */
    TICK_LOOKS = 2048,
    LOOK_AGAIN_MS = 1000,
    TRIM_EVERY_MS = 2000,
    TRIM_DEAR_NS = 20 * 1000 * 1000, /* when it took so long ... */
    TRIM_DEAR_MS = 60 * 1000,        /* ... it isn't done again before that */
    IN_VAIN_MS = 100,                /* nobody holds much: not looked for again at once */
};

void shed_set_limits(struct broker *b)
{
    const struct limits_config *limits = &b->config->limits;
    uint64_t limit = limits->max_memory > 0 ? limits->max_memory : memory_limit("") / 2;
    memory_budget_init(&b->memory, limit);
    b->output_limit = limits->max_output_total > 0 ? limits->max_output_total : limit / 4;
}

void shed_init(struct broker *b)
{
    TAILQ_INIT(&b->holders);
    shed_set_limits(b);
    b->resident_base = memory_resident();
    leftovers_init(&b->leftovers);
    b->shed_since = UINT64_MAX;
}

static bool is_stranger(const struct client *c)
{
    return !client_is_connected(c);
}

static struct memory_holding holding_of(const struct client *c)
{
    return (struct memory_holding){.stranger = is_stranger(c),
                                   .begun = rest_bytes(c),
                                   .rest = c->connect_bytes + client_v5_bytes(c->v5) +
                                           c->output.pending + deliver_queue_bytes(c) +
                                           retained_delivery_bytes(c)};
}

static bool holds_nothing(const struct client *c)
{
    return c->rest == NULL && c->output.head == NULL && c->queue == NULL && c->retained == NULL &&
           c->connect_bytes + client_v5_bytes(c->v5) < SHED_FLOOR_STRANGER;
}

/* The first of the list goes to its end, or leaves it. NULL: it left, or there is none. */
static struct client *look_at_first(struct broker *b)
{
    struct client *c = TAILQ_FIRST(&b->holders);
    if (c == NULL)
        return NULL;
    TAILQ_REMOVE(&b->holders, c, holder_link);
    c->on_holders = !holds_nothing(c);
    if (!c->on_holders)
        return NULL;
    TAILQ_INSERT_TAIL(&b->holders, c, holder_link);
    return c;
}

/* Those to be closed first, the first of all in front. */
struct ranking {
    struct client *clients[CLOSED_MAX];
    uint64_t ranks[CLOSED_MAX];
    size_t count;
};

static void rank(struct ranking *r, struct client *c)
{
    struct memory_holding h = holding_of(c);
    uint64_t value = memory_holding_rank(&h);
    size_t at = r->count;
    if (value == 0 || (at == CLOSED_MAX && value <= r->ranks[at - 1]))
        return;
    if (at == CLOSED_MAX)
        at--;
    else
        r->count++;
    for (; at > 0 && r->ranks[at - 1] < value; at--) {
        r->ranks[at] = r->ranks[at - 1];
        r->clients[at] = r->clients[at - 1];
    }
    r->ranks[at] = value;
    r->clients[at] = c;
}

static void rank_holders(struct broker *b, struct ranking *r)
{
    const struct client *last = TAILQ_LAST(&b->holders, client_holders);
    r->count = 0;
    for (int i = 0; i < LOOKED_AT_MAX; i++) {
        struct client *first = TAILQ_FIRST(&b->holders);
        struct client *c = look_at_first(b);
        if (c != NULL)
            rank(r, c);
        if (first == NULL || first == last)
            return;
    }
}

static void note_level(struct broker *b, uint64_t used)
{
    if (!memory_budget_note(&b->memory, used))
        return;
    if (b->memory.level == MEMORY_FULL) {
        LOG_LIMITED(LOG_LEVEL_WARN, "memory_full", KV_UINT("used", used),
                    KV_UINT("max_memory", b->memory.limit),
                    KV_UINT("begun_packets", account.by_kind[ACCOUNT_BEGUN]),
                    KV_UINT("output", account.by_kind[ACCOUNT_OUTPUT]),
                    KV_UINT("messages", account.by_kind[ACCOUNT_MESSAGES]),
                    KV_UINT("lasting", account_lasting()));
        b->shed_since = b->stats.ended[END_MEMORY];
    } else if (b->memory.level == MEMORY_CALM && b->shed_since != UINT64_MAX) {
        LOG_LIMITED(LOG_LEVEL_INFO, "memory_calm", KV_UINT("used", used),
                    KV_UINT("closed", b->stats.ended[END_MEMORY] - b->shed_since));
        b->shed_since = UINT64_MAX;
    }
}

/* What is counted, without the queues of closed clients that are released soon. */
static uint64_t held(const struct broker *b)
{
    return account.total -
           (b->leftovers.bytes < account.total ? b->leftovers.bytes : account.total);
}

void shed_now(struct broker *b, size_t wanted)
{
    struct ranking r;
    if (b->now_ms - b->shed_in_vain_ms < IN_VAIN_MS)
        return;
    note_level(b, account.total + wanted);
    router_forget_matches(b->router);
    chunk_pool_trim(&b->chunks);
    if (held(b) + wanted < b->memory.target)
        return;
    rank_holders(b, &r);
    if (r.count == 0)
        b->shed_in_vain_ms = b->now_ms;
    for (size_t i = 0; i < r.count && held(b) + wanted >= b->memory.target; i++)
        client_close(r.clients[i], END_MEMORY);
}

bool shed_make_room(struct client *c, size_t bytes)
{
    struct broker *b = c->broker;
    if (b->memory.limit == 0 || held(b) + bytes < b->memory.limit)
        return true;
    shed_now(b, bytes);
    return c->state != CLIENT_CLOSED && held(b) + bytes < b->memory.limit;
}

/* ---- the tick -------------------------------------------------------------------------------- */

static void look_for_slow_packets(struct broker *b)
{
    for (int i = 0; i < TICK_LOOKS && !TAILQ_EMPTY(&b->holders); i++) {
        struct client *first = TAILQ_FIRST(&b->holders);
        if (b->now_ms - first->looked_at_ms < LOOK_AGAIN_MS)
            return; /* all were looked at within this second */
        struct client *c = look_at_first(b);
        if (c == NULL)
            continue;
        c->looked_at_ms = b->now_ms;
        if (rest_is_too_slow(c))
            client_close_later(c,
                               END_SLOW_PACKET); /* in the phase for it: many may be due at once */
    }
}

/* What was freed in the middle of the heap stays resident until it is used again. Pages go back to
 * the system when the process would else outgrow its budget, and not before: it takes time by the
 * heap's holes, more than a turn may have when they are many. If it did, it isn't done again soon. */
static void trim(struct broker *b)
{
    uint64_t limit = b->memory.limit;
    if (limit == 0 || b->now_ms < b->trim_at_ms)
        return;
    b->trim_at_ms = b->now_ms + TRIM_EVERY_MS;
    if (memory_resident() <= b->resident_base + limit + limit / 6)
        return;
    uint64_t began_ns = clock_thread_cpu_ns();
    malloc_trim(0);
    if (clock_thread_cpu_ns() - began_ns > TRIM_DEAR_NS)
        b->trim_at_ms = b->now_ms + TRIM_DEAR_MS;
}

void shed_tick(struct broker *b)
{
    note_level(b, account.total);
    look_for_slow_packets(b);
    trim(b);
}
