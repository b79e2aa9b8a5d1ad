/*
 * pace - when a loop lets input gather for a moment before it polls again.
 *
 * Hundreds of devices that each say something now and then wake a process once a burst, and each
 * burst wakes others in turn: going to sleep and waking up is three quarters of what such a load
 * costs. A loop that rests for PACE_REST_US after each turn finds several bursts at once, and who
 * gets what it sends then finds that together, too. That is only done where it helps and hurts
 * nobody: many bursts a second, few in a turn, and nobody in a hurry. A client in a hurry is one
 * that says something again and again within PACE_SILENT_MS, as one that waits for each answer
 * before it goes on, or that sends bulk. One alone keeps the loop awake, since it would pay with a
 * multiple of its round trip. Acknowledgements don't count (their sender waits for nothing): a
 * subscriber answers each of the bursts that it gets.
 *
 * Whether it pays depends on the peers, too: one that rests itself needn't be woken. So it is
 * measured: every PACE_CYCLE windows of such a load a few go the other way, and the loop rests
 * only while that takes a sixth less of its thread's CPU time.
 *
 * Data flow: a broker's input.c and a load balancer's flow.c note bursts of clients; broker/turn.c
 *            and lb/worker.c note turns, and rest if told to and if the configuration lets them
 *            (`gather`).
 * Pure but for pace_turn's look at the clock and pace_rest. Embedded, zero-initialised.
 */
#ifndef FLOTILLA_COMMON_PACE_H
#define FLOTILLA_COMMON_PACE_H

#include <stdbool.h>
#include <stdint.h>

enum {
    PACE_REST_US = 200,
    PACE_WINDOW_MS = 20,
    PACE_SILENT_MS = 3,   /* a client silent for so long isn't in a hurry */
    PACE_HASTE = 8,       /* bursts in a row without such a silence: it is */
    PACE_BURSTS_MIN = 80, /* in a window: 4,000 a second */
    PACE_BURSTS_PER_TURN_MAX = 8,
    PACE_CYCLE = 128, /* windows from one comparison to the next: 2.6 s */
    PACE_TRIAL = 8,   /* windows of either kind at a cycle's start */
};

struct pace {
    uint64_t window_ms; /* when the current window began */
    uint32_t turns, bursts;
    bool hurried;      /* somebody was, in this window */
    bool resting;      /* in this window */
    bool pays;         /* what the last comparison said */
    uint32_t cycle_at; /* windows of this cycle so far */
    uint64_t cpu_ns;   /* of the thread, when the window began */
    uint64_t load[2];  /* CPU ns in a ms, smoothed: without rests, with; 0: not known */
};

/* What it keeps of each client. */
struct pace_client {
    uint64_t heard_ms; /* when it last said something that waits for an answer */
    uint8_t haste;     /* such bursts in a row without a silence, up to PACE_HASTE */
};

/* A client said something. `first` is its first byte, or 0 if that isn't known: if it is MQTT's
 * acknowledgement of something, it waits for nothing. */
void pace_note_burst(struct pace *p, struct pace_client *c, uint8_t first, uint64_t now_ms);

/* A turn is over. True: rest before the next one. */
bool pace_turn(struct pace *p, uint64_t now_ms);
void pace_rest(void);

/* For pace_turn, and its tests: a window is over; `cpu_ns` is the thread's CPU time. */
void pace_next_window(struct pace *p, uint64_t now_ms, uint64_t cpu_ns);

#endif
