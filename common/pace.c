/*
 * Decides once a window from what the last one was like.
 */
#include "common/pace.h"

#include <time.h>

#include "common/clock.h"
#include "common/mqtt.h"

/* By the packet's type. In other protocols a byte may look like this as well: then a client in a
 * hurry is overlooked. */
static bool is_acknowledgement(uint8_t first)
{
    uint8_t type = first >> 4;
    return type == MQTT_PUBACK || type == MQTT_PUBREC || type == MQTT_PUBCOMP;
}

void pace_note_burst(struct pace *p, struct pace_client *c, uint8_t first, uint64_t now_ms)
{
    p->bursts++;
    if (is_acknowledgement(first))
        return;
    if (now_ms - c->heard_ms >= PACE_SILENT_MS)
        c->haste = 0;
    else if (c->haste < PACE_HASTE)
        c->haste++;
    c->heard_ms = now_ms;
    p->hurried |= c->haste == PACE_HASTE;
}

static bool is_trickle(const struct pace *p)
{
    return p->bursts >= PACE_BURSTS_MIN && p->bursts <= p->turns * PACE_BURSTS_PER_TURN_MAX &&
           !p->hurried;
}

static void note_load(struct pace *p, uint64_t elapsed_ms, uint64_t cpu_ns)
{
    uint64_t *load = &p->load[p->resting];
    uint64_t now = (cpu_ns - p->cpu_ns) / elapsed_ms;
    *load = *load == 0 ? now : (*load * 3 + now) / 4;
}

/* A cycle: PACE_TRIAL windows as before, as many the other way, then what was cheaper. */
static bool rests_next(struct pace *p)
{
    p->cycle_at = (p->cycle_at + 1) % PACE_CYCLE;
    if (p->cycle_at == 2 * PACE_TRIAL)
        p->pays = p->load[true] * 6 < p->load[false] * 5;
    bool other_way = p->cycle_at >= PACE_TRIAL && p->cycle_at < 2 * PACE_TRIAL;
    return p->pays != other_way;
}

void pace_next_window(struct pace *p, uint64_t now_ms, uint64_t cpu_ns)
{
    uint64_t elapsed_ms = now_ms - p->window_ms;
    if (is_trickle(p) && elapsed_ms < 2 * PACE_WINDOW_MS) {
        note_load(p, elapsed_ms, cpu_ns);
        p->resting = rests_next(p);
    } else {
        p->resting = false;
    }
    p->window_ms = now_ms;
    p->cpu_ns = cpu_ns;
    p->turns = p->bursts = 0;
    p->hurried = false;
}

bool pace_turn(struct pace *p, uint64_t now_ms)
{
    p->turns++;
    if (now_ms - p->window_ms >= PACE_WINDOW_MS)
        pace_next_window(p, now_ms, clock_thread_cpu_ns());
    return p->resting;
}

void pace_rest(void)
{
    static const struct timespec moment = {.tv_nsec = PACE_REST_US * 1000};
    nanosleep(&moment, NULL); /* a signal ends it, which is fine */
}
