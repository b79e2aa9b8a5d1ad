/*
 * Decides once a window from what the last one was like.
 */
#include "broker/pace.h"

static bool is_trickle(const struct pace *p)
{
    return p->reads >= PACE_READS_MIN && p->reads <= p->turns * PACE_READS_PER_TURN_MAX &&
           p->silent >= p->reads - p->reads / 8;
}

bool pace_turn(struct pace *p, uint64_t now_ms)
{
    p->turns++;
    if (now_ms - p->window_ms >= PACE_WINDOW_MS) {
        p->resting = is_trickle(p) && now_ms - p->window_ms < 2 * PACE_WINDOW_MS;
        p->window_ms = now_ms;
        p->turns = 0;
        p->reads = 0;
        p->silent = 0;
    }
    return p->resting;
}
