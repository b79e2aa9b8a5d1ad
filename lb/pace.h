/*
 * pace - when a worker lets input gather for a moment before it polls again.
 *
 * Hundreds of devices that each say something now and then wake a worker once a burst, and each
 * burst wakes a broker: going to sleep and waking up is three quarters of what such a load costs. A
 * worker that rests for PACE_REST_US after each turn finds several bursts at once, and the broker
 * and the devices find what it sends together. That is only done where it helps and hurts nobody:
 * many bursts a second, few in a turn, nearly all from flows whose client was silent before. A
 * client that waits for an answer before it goes on isn't silent in between (unless it is so far
 * away that a rest is a few per cent of its round trip); a calm worker isn't woken often.
 *
 * Evidence:  each flow has one voice in a window, however much it says: a subscriber that
 *            acknowledges what a thousand devices sent is one flow among them.
 * Data flow: flow.c notes bursts of clients, worker.c turns, and rests if told to (and if `gather`
 *            is on). broker/pace.h is the same idea for a broker, which can tell publishes from
 *            acknowledgements and so counts reads instead.
 * Pure but for its counters: time is an argument. Embedded, zero-initialised.
 */
#ifndef FLOTILLA_LB_PACE_H
#define FLOTILLA_LB_PACE_H

#include <stdbool.h>
#include <stdint.h>

enum {
    PACE_REST_US = 200,
    PACE_WINDOW_MS = 20,
    PACE_SILENT_MS = 3,   /* a client silent for so long isn't in a hurry */
    PACE_BURSTS_MIN = 80, /* in a window: 4,000 a second */
    PACE_BURSTS_PER_TURN_MAX = 8,
    PACE_HASTY_PER_VOICES = 8, /* of so many flows less than one may be in a hurry */
};

struct pace {
    uint64_t window_ms; /* when the current window began */
    uint32_t turns, bursts;
    uint32_t voices; /* flows heard in this window */
    uint32_t hasty;  /* of them, flows that had been heard shortly before */
    bool resting;    /* what the last window said */
};

/* A client said something that was last heard at `before_ms`. */
static inline void pace_note_burst(struct pace *p, uint64_t before_ms, uint64_t now_ms)
{
    p->bursts++;
    if (before_ms >= p->window_ms)
        return;
    p->voices++;
    p->hasty += now_ms - before_ms < PACE_SILENT_MS;
}

/* A turn is over. True: rest before the next one. */
bool pace_turn(struct pace *p, uint64_t now_ms);

#endif
