/* Redis' clock as seen from here: one question per second, and the tightest answer of a while. */
#include "broker/fleet/node/fleet_clock.h"

#include <stdlib.h>

#include "broker/fleet/node/fleet.h"
#include "common/base/clock.h"

/* A clock that is read in steps of a millisecond, and runs a little faster or slower in 16 s. */
enum { ASK_MS = 1000, SLACK_MS = 2 };

void fleet_clock_forget(struct fleet_clock *c)
{
    c->count = 0;
    c->ask_ms = 0;
}

static unsigned held(const struct fleet_clock *c)
{
    return c->count < FLEET_CLOCK_SAMPLES ? c->count : FLEET_CLOCK_SAMPLES;
}

static const struct fleet_clock_sample *tightest(const struct fleet_clock *c)
{
    const struct fleet_clock_sample *best = NULL;
    for (unsigned i = 0; i < held(c); i++) {
        const struct fleet_clock_sample *s = &c->samples[i];
        if (best == NULL || s->high - s->low < best->high - best->low)
            best = s;
    }
    return best;
}

void fleet_clock_note(struct fleet_clock *c, uint64_t sent, uint64_t answered, uint64_t redis)
{
    struct fleet_clock_sample s = {.low = (int64_t)redis - (int64_t)answered - SLACK_MS,
                                   .high = (int64_t)redis - (int64_t)sent + SLACK_MS};
    const struct fleet_clock_sample *best = tightest(c);
    if (best != NULL && (s.low > best->high || s.high < best->low))
        c->count = 0;
    c->samples[c->count % FLEET_CLOCK_SAMPLES] = s;
    c->count++;
    best = tightest(c);
    c->about = (best->low + best->high) / 2;
    c->is_known = true;
}

struct fleet_moment fleet_clock_at(const struct fleet_clock *c, uint64_t boot_ms)
{
    const struct fleet_clock_sample *best = tightest(c);
    if (best == NULL)
        return (struct fleet_moment){.earliest = 0, .latest = UINT64_MAX};
    return (struct fleet_moment){.earliest = (uint64_t)((int64_t)boot_ms + best->low),
                                 .latest = (uint64_t)((int64_t)boot_ms + best->high)};
}

uint64_t fleet_clock_now_ms(const struct fleet_clock *c)
{
    if (!c->is_known)
        return clock_realtime_ms();
    return (uint64_t)((int64_t)clock_boottime_ms() + c->about);
}

bool fleet_clock_init(struct fleet *f)
{
    f->clock = calloc(1, sizeof(*f->clock));
    return f->clock != NULL;
}

void fleet_clock_free(struct fleet *f)
{
    free(f->clock);
    f->clock = NULL;
}

static void on_time(void *arg, const redisReply *r)
{
    struct fleet *f = arg;
    f->clock->asking = false;
    if (r == NULL || r->type != REDIS_REPLY_ARRAY || r->elements != 2)
        return;
    fleet_clock_note(f->clock, f->clock->asked_boot_ms, clock_boottime_ms(),
                     strtoull(r->element[0]->str, NULL, 10) * 1000 +
                         strtoull(r->element[1]->str, NULL, 10) / 1000);
    f->knows_clock = true;
}

void fleet_clock_tick(struct fleet *f)
{
    if (f->clock->asking || f->now_ms < f->clock->ask_ms || !fleet_can_act(f))
        return;
    f->clock->asking = true;
    f->clock->ask_ms = f->now_ms + ASK_MS;
    f->clock->asked_boot_ms = clock_boottime_ms();
    redis_queue_begin(f->q, 1);
    redis_queue_str(f->q, "TIME");
    redis_queue_end(f->q, REDIS_VOLATILE, on_time, f);
}
