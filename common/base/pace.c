/*
 * Decides once per window from what the last one was like, and now and then by a trial.
 */
#include "common/base/pace.h"

#include <string.h>
#include <time.h>

#include "common/base/clock.h"
#include "common/mqtt/mqtt.h"

/* By the packet's type. In other protocols a byte may look like this as well: then a client in a
 * hurry is overlooked. */
static bool is_acknowledgement(uint8_t first)
{
    uint8_t type = first >> 4;
    return type == MQTT_PUBACK || type == MQTT_PUBREC || type == MQTT_PUBCOMP;
}

/* What is found after a rest came at any time in it: on average it waited for half. */
void pace_note_burst(struct pace *p, struct pace_client *c, uint8_t first, uint64_t now_ms)
{
    p->bursts++;
    if (is_acknowledgement(first))
        return;
    uint32_t silent_ms = ((uint32_t)now_ms - c->heard_ms) & PACE_CLOCK_MASK;
    p->asking++;
    p->patient += silent_ms >= PACE_PATIENT_MS;
    p->waited_ns += p->rested_ns / 2;
    if (silent_ms >= PACE_SILENT_MS)
        c->haste = 0;
    else if (c->haste < PACE_HASTE)
        c->haste++;
    pace_client_heard(c, now_ms);
    p->hurried |= c->haste == PACE_HASTE;
}

static bool is_trickle(const struct pace *p)
{
    return p->bursts >= PACE_BURSTS_MIN && p->asking > 0 &&
           p->bursts <= p->turns * PACE_BURSTS_PER_TURN_MAX && !p->hurried;
}

/* By burst and not by time: the load may change between two windows. But rests make acknowledgements
 * fewer, so they don't count. */
static bool has_paid(const struct pace_cost *without, const struct pace_cost *with)
{
    uint64_t before = without->cpu_ns / without->asking;
    uint64_t after = with->cpu_ns / with->asking;
    bool is_felt = with->patient * 10 < with->asking * 9;
    return after < before && (before - after) * PACE_GAIN >= before &&
           (!is_felt || (before - after) * PACE_WAIT_PER_CPU >= with->waited_ns / with->asking);
}

static bool is_trial_due(const struct pace *p)
{
    return p->since >= (p->pays ? PACE_AGAIN : (uint32_t)PACE_PAUSE << (2 * p->failed));
}

static void note_trial(struct pace *p, uint64_t cpu_ns)
{
    struct pace_cost *cost = &p->trial[p->resting];
    cost->asking += p->asking;
    cost->patient += p->patient;
    cost->cpu_ns += cpu_ns - p->cpu_ns;
    cost->waited_ns += p->waited_ns;
    p->resting = !p->resting;
    if (p->trial_at++ < PACE_TRIAL)
        return;
    p->trial_at = 0;
    p->since = 0;
    p->pays = p->resting = has_paid(&p->trial[false], &p->trial[true]);
    if (p->pays)
        p->failed = 0;
    else if (p->failed < PACE_PAUSES)
        p->failed++;
}

/* Of a trickle: the window goes into the trial, or brings the next one nearer. */
static void go_on(struct pace *p, uint64_t cpu_ns)
{
    p->lapse = 0;
    if (p->trial_at > 0) {
        note_trial(p, cpu_ns);
        return;
    }
    p->resting = p->pays;
    p->since++;
    if (!is_trial_due(p))
        return;
    memset(p->trial, 0, sizeof(p->trial));
    p->trial_at = 1;
    p->resting = !p->pays;
}

/* No trickle. What a trial has seen so far is worth nothing, and another one waits for its time; of
 * what comes after a while it must be shown anew that rests pay. */
static void stop(struct pace *p)
{
    if (p->trial_at > 0)
        p->since = 0;
    else if (p->lapse == PACE_LAPSE && p->pays)
        p->since = PACE_AGAIN;
    if (p->lapse < PACE_LAPSE)
        p->lapse++;
    p->trial_at = 0;
    p->resting = false;
}

void pace_next_window(struct pace *p, uint64_t now_ms, uint64_t cpu_ns)
{
    if (is_trickle(p) && now_ms - p->window_ms < 2 * PACE_WINDOW_MS) {
        go_on(p, cpu_ns);
    } else {
        stop(p);
    }
    p->window_ms = now_ms;
    p->cpu_ns = cpu_ns;
    p->waited_ns = 0;
    p->turns = p->bursts = p->asking = p->patient = 0;
    p->hurried = false;
}

bool pace_turn(struct pace *p, uint64_t now_ms)
{
    p->turns++;
    p->rested_ns = 0;
    if (now_ms - p->window_ms >= PACE_WINDOW_MS)
        pace_next_window(p, now_ms, clock_thread_cpu_ns());
    return p->resting;
}

void pace_rest(struct pace *p)
{
    static const struct timespec moment = {.tv_nsec = PACE_REST_US * 1000};
    uint64_t began_ns = clock_monotonic_ns();
    nanosleep(&moment, NULL); /* a signal ends it, which is fine */
    p->rested_ns = clock_monotonic_ns() - began_ns;
}
