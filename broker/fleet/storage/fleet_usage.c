/* Gathers what the buckets count, tells it, and decides by the fleet's sums. */
#include "broker/fleet/storage/fleet_usage.h"

#include <stdlib.h>

#include "broker/fleet/node/fleet.h"
#include "common/log/log.h"

/* A node alone looks at 640 buckets a second. */
enum { ASK_MS = 1000, MORE_MS = 500, MEMORY_AGE_MS = 900, TOLD_AT_ONCE = 500 };
/* A bucket is looked at every 1.6 s and told within a second: what was made before that is in the sum. */
enum { PERIOD_MS = 3000 };
/* Of what is left of the bytes, one queue may hold this part; and always so much. */
enum { QUEUE_PART = 8, QUEUE_LEAST = 65536, MESSAGES_LEAST = 100 };
/* With fewer bytes, fewer messages: each costs Redis some dozens beside its own. */
enum { MESSAGE_BYTES = 256 };

/* ---- deciding -------------------------------------------------------------------------------- */

void fleet_usage_note(struct fleet_usage *u, uint64_t sessions,
                      const struct fleet_usage_memory *memory)
{
    u->known = true;
    u->sessions = sessions;
    u->memory = *memory;
}

/* Bytes that may be stored; 0: nobody says. */
static uint64_t stored_limit(const struct fleet_usage *u)
{
    if (u->limits.stored_bytes != 0)
        return u->limits.stored_bytes;
    return u->memory.max != 0 ? u->memory.max / 4 * 3 : u->memory.machine / 2;
}

bool fleet_usage_may_grow(const struct fleet_usage *u)
{
    uint64_t limit = stored_limit(u);
    return limit == 0 || u->memory.used < limit;
}

static void turn_period(struct fleet_usage *u, uint64_t now_ms)
{
    uint64_t age_ms = now_ms - u->period_ms;
    if (age_ms < PERIOD_MS)
        return;
    u->made[1] = age_ms < 2 * PERIOD_MS ? u->made[0] : 0;
    u->made[0] = 0;
    u->period_ms = now_ms;
}

bool fleet_usage_has_room(struct fleet_usage *u, unsigned nodes, uint64_t now_ms)
{
    if (!u->known)
        return true;
    if (!fleet_usage_may_grow(u))
        return false;
    if (u->limits.sessions == 0)
        return true;
    turn_period(u, now_ms);
    uint64_t room = u->limits.sessions > u->sessions ? u->limits.sessions - u->sessions : 0;
    return u->made[0] + u->made[1] + u->promised < (room + nodes - 1) / nodes;
}

void fleet_usage_promise(struct fleet_usage *u)
{
    u->promised++;
}

void fleet_usage_settle(struct fleet_usage *u, bool made)
{
    u->promised--;
    u->made[0] += made ? 1 : 0;
}

uint64_t fleet_usage_queue_bytes(const struct fleet_usage *u)
{
    uint64_t limit = stored_limit(u);
    if (limit == 0)
        return u->limits.queue_bytes;
    uint64_t most = limit > u->memory.used ? (limit - u->memory.used) / QUEUE_PART : 0;
    if (most < QUEUE_LEAST)
        most = QUEUE_LEAST;
    return u->limits.queue_bytes != 0 && u->limits.queue_bytes < most ? u->limits.queue_bytes
                                                                      : most;
}

uint64_t fleet_usage_queue_messages(const struct fleet_usage *u)
{
    if (stored_limit(u) == 0)
        return u->limits.queue_messages;
    uint64_t most = fleet_usage_queue_bytes(u) / MESSAGE_BYTES;
    if (most < MESSAGES_LEAST)
        most = MESSAGES_LEAST;
    return u->limits.queue_messages != 0 && u->limits.queue_messages < most
               ? u->limits.queue_messages
               : most;
}

/* ---- telling and asking ---------------------------------------------------------------------- */

bool fleet_usage_init(struct fleet *f)
{
    f->usage = calloc(1, sizeof(*f->usage));
    if (f->usage == NULL)
        return false;
    f->usage->limits = (struct fleet_usage_limits){.sessions = f->cfg.session_limit,
                                                   .stored_bytes = f->cfg.stored_limit_bytes,
                                                   .queue_messages = f->cfg.queue_limit,
                                                   .queue_bytes = f->cfg.queue_limit_bytes};
    return true;
}

void fleet_usage_free(struct fleet *f)
{
    free(f->usage);
    f->usage = NULL;
}

void fleet_usage_count(struct fleet *f, unsigned bucket, uint32_t sessions)
{
    f->usage->counts[bucket] = sessions;
    f->usage->untold[bucket] = true;
}

/* An operator who finds a short queue must be able to see where the limit comes from. */
static void tell_limit(const struct fleet_usage *u)
{
    LOG_INFO("store_limit", KV_UINT("bytes", stored_limit(u)),
             KV_STR("from", u->limits.stored_bytes != 0 ? "limits.max_stored_bytes"
                            : u->memory.max != 0        ? "three quarters of Redis' maxmemory"
                                                        : "half of the memory of Redis' machine"));
}

static void on_usage(void *arg, const redisReply *r)
{
    struct fleet *f = arg;
    struct fleet_usage *u = f->usage;
    bool took = fleet_usage_may_grow(u);
    uint64_t before = u->known ? stored_limit(u) : 0;
    u->asking = false;
    if (fleet_reply_status(r) != STORE_OK || r->type != REDIS_REPLY_ARRAY || r->elements != 4)
        return;
    struct fleet_usage_memory memory = {.used = (uint64_t)r->element[1]->integer,
                                        .max = (uint64_t)r->element[2]->integer,
                                        .machine = (uint64_t)r->element[3]->integer};
    fleet_usage_note(u, (uint64_t)r->element[0]->integer, &memory);
    metric_set(f->metrics.durable_sessions, (int64_t)u->sessions);
    metric_set(f->metrics.redis_used, (int64_t)memory.used);
    metric_set(f->metrics.queue_bytes, (int64_t)fleet_usage_queue_bytes(u));
    if (stored_limit(u) != before)
        tell_limit(u);
    if (took && !fleet_usage_may_grow(u))
        LOG_LIMITED(LOG_LEVEL_WARN, "store_nearly_full", KV_UINT("used", memory.used),
                    KV_UINT("limit", stored_limit(u)), KV_STR("key", "limits.max_stored_bytes"),
                    KV_STR("effect", "queues of durable sessions hold little, new retained topics "
                                     "aren't kept, no new durable sessions"));
}

void fleet_usage_ask(struct fleet *f)
{
    struct fleet_usage *u = f->usage;
    unsigned buckets[TOLD_AT_ONCE];
    size_t count = 0;
    for (unsigned left = FLEET_CLIENT_BUCKETS; left > 0 && count < TOLD_AT_ONCE; left--) {
        unsigned b = u->next_told;
        u->next_told = (b + 1) % FLEET_CLIENT_BUCKETS;
        if (u->untold[b])
            buckets[count++] = b;
        u->untold[b] = false;
    }
    scripts_begin(&f->scripts, f->q, SCRIPT_USAGE, f->keys.fleet, 1 + 2 * count);
    redis_queue_u64(f->q, MEMORY_AGE_MS);
    for (size_t i = 0; i < count; i++) {
        redis_queue_u64(f->q, buckets[i]);
        redis_queue_u64(f->q, u->counts[buckets[i]]);
    }
    redis_queue_end(f->q, REDIS_VOLATILE, on_usage, f);
    u->asking = true;
    u->ask_next_ms = f->now_ms + (count < TOLD_AT_ONCE ? ASK_MS : MORE_MS);
}

void fleet_usage_tick(struct fleet *f)
{
    if (f->now_ms >= f->usage->ask_next_ms && !f->usage->asking && f->state == FLEET_READY &&
        fleet_can_act(f))
        fleet_usage_ask(f);
}
