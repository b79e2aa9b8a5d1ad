/*
 * Decides once a window from what the last one was like.
 */
#include "lb/pace.h"

static bool is_trickle(const struct pace *p)
{
    return p->bursts >= PACE_BURSTS_MIN && p->bursts <= p->turns * PACE_BURSTS_PER_TURN_MAX &&
           p->hasty * PACE_HASTY_PER_VOICES < p->voices;
}

bool pace_turn(struct pace *p, uint64_t now_ms)
{
    p->turns++;
    if (now_ms - p->window_ms >= PACE_WINDOW_MS) {
        p->resting = is_trickle(p) && now_ms - p->window_ms < 2 * PACE_WINDOW_MS;
        p->window_ms = now_ms;
        p->turns = p->bursts = p->voices = p->hasty = 0;
    }
    return p->resting;
}
