/* Redis has reached its maxmemory. Commands that need room wait, commands that free some go on:
 * publishes are held without acknowledgement until there is room (fleet_publish.c), subscriptions
 * are refused, clients connect, read their queues and acknowledge. A script that Redis refuses
 * while it is full shows whether there is room again. */
#include "broker/fleet/storage/fleet_full.h"

#include <stdlib.h>
#include <string.h>

#include "broker/fleet/node/fleet.h"
#include "broker/fleet/storage/fleet_replicas.h"
#include "common/log/log.h"

enum { ASK_MS = 250 };

/* Of the time that Redis is full. */
struct fleet_fullness {
    uint64_t since_ms, ask_ms;
};

bool fleet_full_init(struct fleet *f)
{
    f->fullness = calloc(1, sizeof(*f->fullness));
    return f->fullness != NULL;
}

void fleet_full_free(struct fleet *f)
{
    free(f->fullness);
    f->fullness = NULL;
}

/* The number behind `name:` in INFO's answer; 0: it isn't there. */
static uint64_t info_number(const redisReply *r, const char *name)
{
    const char *at = r != NULL && r->type == REDIS_REPLY_STRING ? strstr(r->str, name) : NULL;
    return at != NULL ? strtoull(at + strlen(name), NULL, 10) : 0;
}

static void on_info(void *arg, const redisReply *r)
{
    (void)arg;
    LOG_LIMITED(LOG_LEVEL_ERROR, "redis_full", KV_UINT("used", info_number(r, "\nused_memory:")),
                KV_UINT("maxmemory", info_number(r, "\nmaxmemory:")),
                KV_STR("effect", "publishes of QoS 1 and 2 are held, subscriptions are refused, "
                                 "until queues were read or maxmemory was raised"));
}

void fleet_full(struct fleet *f)
{
    if (f->full)
        return;
    f->full = true;
    f->fullness->since_ms = f->now_ms;
    f->fullness->ask_ms = f->now_ms + ASK_MS;
    metric_set(f->metrics.full, 1);
    redis_queue_begin(f->q, 2);
    redis_queue_str(f->q, "INFO");
    redis_queue_str(f->q, "memory");
    redis_queue_end(f->q, REDIS_VOLATILE, on_info, f);
}

static void ask(struct fleet *f, redis_reply_fn *fn, void *arg)
{
    scripts_begin(&f->scripts, f->q, SCRIPT_ROOM, f->keys.fleet, 0);
    redis_queue_end(f->q, REDIS_VOLATILE, fn, arg);
}

static void on_room(void *arg, const redisReply *r)
{
    struct fleet *f = arg;
    if (!f->full || r == NULL || r->type != REDIS_REPLY_INTEGER)
        return;
    f->full = false;
    metric_set(f->metrics.full, 0);
    LOG_LIMITED(LOG_LEVEL_INFO, "redis_has_room",
                KV_UINT("took_ms", f->now_ms - f->fullness->since_ms));
}

void fleet_full_tick(struct fleet *f)
{
    if (!f->full || f->now_ms < f->fullness->ask_ms || !redis_link_is_up(f->commands))
        return;
    f->fullness->ask_ms = f->now_ms + ASK_MS;
    ask(f, on_room, f);
}

/* ---- would it be done? ----------------------------------------------------------------------- */

struct full_asked {
    struct fleet *f;
    store_done_fn *done;
    void *arg;
};

static void on_answer(void *arg, const redisReply *r)
{
    struct full_asked *asked = arg;
    enum store_status status = fleet_reply_status(r);
    if (status == STORE_FULL)
        fleet_full(asked->f);
    asked->done(asked->arg, status);
    free(asked);
}

void fleet_full_ask(struct fleet *f, store_done_fn *done, void *arg)
{
    bool waits = f->full || fleet_replicas_missing(f);
    struct full_asked *asked = waits ? NULL : malloc(sizeof(*asked));
    if (asked == NULL) {
        fleet_defer(f, done, arg, waits ? STORE_FULL : STORE_UNAVAILABLE);
        return;
    }
    *asked = (struct full_asked){.f = f, .done = done, .arg = arg};
    ask(f, on_answer, asked);
}
