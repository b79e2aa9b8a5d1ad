/*
 * pace - when a loop lets input gather for a moment before it polls again.
 *
 * Hundreds of devices that each say something now and then wake a process once per burst, and each
 * burst wakes others in turn: going to sleep and waking up can be three quarters of what such a
 * load costs. A loop that rests for PACE_REST_US after each turn finds several bursts at once, and
 * who gets what it sends then finds that together, too. But each burst waits for it.
 *
 * So a rest is only thought of for a trickle: many bursts per second, few per turn, and nobody in a
 * hurry. A client in a hurry is one that says something again and again within PACE_SILENT_MS, as
 * one that waits for each answer before it goes on, or that sends bulk. One alone keeps the loop
 * awake, since it would pay with a multiple of its round trip. Acknowledgements don't count (their
 * sender waits for nothing): a subscriber answers each of the bursts that it gets, and the fewer
 * those are.
 *
 * A rest is made only where a trial showed that it pays now. What a wake-up costs depends on the
 * machine, on the peers (a peer that rests itself needn't be woken) and on which processes share a
 * core. In a trial, windows without and with rests alternate: rests go on while they save a third
 * of the thread's CPU time. Where waiting can be felt, they must also save at least one part of CPU
 * time for PACE_WAIT_PER_CPU parts of waiting. (A client that reports a position every 50 ms, or
 * less often, doesn't feel a quarter of a millisecond.) While rests pay, this is tried again every
 * few seconds; where they don't, after ever longer pauses, so that trials are too rare to be seen
 * in the load's 99th percentile.
 *
 * Data flow: broker/connection/receive.c and lb/flow/flow_relay.c note bursts of clients;
 *            broker/loop/turn.c and lb/loop/worker_loop.c note turns, and rest if told to and if the
 *            configuration lets them (`gather`).
 * Pure but for pace_turn's and pace_rest's looks at clocks. Embedded, zero-initialised.
 */
#ifndef FLOTILLA_COMMON_BASE_PACE_H
#define FLOTILLA_COMMON_BASE_PACE_H

#include <stdbool.h>
#include <stdint.h>

enum {
    PACE_REST_US = 200,
    PACE_WINDOW_MS = 10,
    PACE_SILENT_MS = 3,   /* a client silent for so long isn't in a hurry */
    PACE_HASTE = 8,       /* bursts in a row without such a silence: it is */
    PACE_BURSTS_MIN = 40, /* in a window: 4,000 per second */
    PACE_BURSTS_PER_TURN_MAX = 16,
    PACE_GAIN = 3,          /* rests must save this part of the CPU time ... */
    PACE_WAIT_PER_CPU = 10, /* ... and this part of the time that they make wait, ... */
    PACE_PATIENT_MS = 25,   /* ... or of ten clients nine have nothing more to say for so long: a
                             hundred times a rest */
    PACE_TRIAL = 4,         /* windows of a trial, every second one the other way */
    PACE_AGAIN = 256, /* windows of a trickle from one trial to the next while rests pay: 2.6 s */
    PACE_LAPSE = 20,  /* windows without a trickle: what comes then is another load */
    PACE_PAUSE = 200, /* windows before the first trial, and four times as many after each one that
                          showed no gain ... */
    PACE_PAUSES = 4,  /* ... up to 256 times as many: 2 s, 8 s, 32 s, 2 min, 8.5 min */
    PACE_CLOCK_MASK = (1 << 28) - 1, /* of struct pace_client */
};

/* What bursts that wait for an answer have cost, in windows of one kind. */
struct pace_cost {
    uint64_t asking, patient, cpu_ns, waited_ns;
};

struct pace {
    uint64_t window_ms; /* when the current window began */
    uint32_t turns, bursts;
    uint32_t asking;           /* of the bursts, those that aren't acknowledgements ... */
    uint32_t patient;          /* ... and those of clients that were silent for PACE_PATIENT_MS */
    bool hurried;              /* somebody was, in this window */
    bool resting;              /* in this window */
    bool pays;                 /* what the last trial said */
    uint8_t trial_at;          /* which window of a trial this is, from 1; 0: none is under way */
    uint8_t failed;            /* trials in a row that showed no gain, up to PACE_PAUSES */
    uint8_t lapse;             /* windows in a row that weren't of a trickle, up to PACE_LAPSE */
    uint32_t since;            /* windows of a trickle since the last trial */
    uint64_t cpu_ns;           /* of the thread, when the window began */
    uint64_t rested_ns;        /* right before this turn; 0: not at all */
    uint64_t waited_ns;        /* by the asking of this window */
    struct pace_cost trial[2]; /* without rests, with */
};

/* What it keeps of each client, of which there are many: its clock goes round every 74 hours, and who was silent
 * for just so long counts as heard now. */
struct pace_client {
    uint32_t heard_ms : 28; /* when it last said something that waits for an answer */
    uint32_t haste : 4;     /* such bursts in a row without a silence, up to PACE_HASTE */
};

/* As if it had said something. */
static inline void pace_client_heard(struct pace_client *c, uint64_t now_ms)
{
    c->heard_ms = now_ms & PACE_CLOCK_MASK;
}

/* A client said something. `first` is its first byte, or 0 if that isn't known: if it is MQTT's
 * acknowledgement of something, it waits for nothing. */
void pace_note_burst(struct pace *p, struct pace_client *c, uint8_t first, uint64_t now_ms);

/* A turn is over. True: pace_rest before the next one. */
bool pace_turn(struct pace *p, uint64_t now_ms);
void pace_rest(struct pace *p);

/* For pace_turn, and its tests: a window is over; `cpu_ns` is the thread's CPU time. */
void pace_next_window(struct pace *p, uint64_t now_ms, uint64_t cpu_ns);

#endif
