/*
 * turn_clock - how long a turn of the loop takes, and how long each of its phases may.
 *
 * Bound:     no turn uses more than 50 ms of the thread's CPU time, whatever clients send. Each
 *            phase that has work without an end of its own does it in a time box; what is left goes
 *            first in the next turn. The boxes end at fixed points of the turn, so that a phase
 *            that needed less leaves the rest to those after it, and one that needed more takes
 *            nothing from their own share. They add up to little more than half of the bound: a
 *            box ends late by its last unit of work.
 * Cost:      the wall clock once per turn; the thread's clock, a system call, once in 2 ms at most,
 *            unless a turn takes long. So the CPU time of a turn is known to 2 ms: a shorter turn
 *            counts with its wall time, a longer one with up to 2 ms of those before it, and
 *            with libevent's callbacks (accepting, HTTP, signals).
 * Ownership: embedded in struct broker; the histograms are the registry's.
 */
#ifndef FLOTILLA_BROKER_BASE_TURN_CLOCK_H
#define FLOTILLA_BROKER_BASE_TURN_CLOCK_H

#include "common/base/timebox.h"

struct metrics;
struct metric_histogram;

enum turn_phase {
    TURN_STORE_INPUT, /* input of the store */
    TURN_CLIENTS,     /* what clients sent */
    TURN_TIMERS,      /* keep alive and other timeouts */
    TURN_WORK,        /* closing, queues, retained messages */
    TURN_FLUSH,       /* writing to clients */
    TURN_FREE,        /* memory of closed clients */
    TURN_DRAIN,       /* closing clients one after another at the end */
    TURN_PHASE_COUNT,
};
extern const char *const turn_phase_names[TURN_PHASE_COUNT];

struct turn_clock {
    uint64_t began_ns;            /* of the turn, clock_monotonic_ns */
    uint64_t cpu_ns, cpu_read_ns; /* the thread's clock, and when it was read */
    uint64_t cut[TURN_PHASE_COUNT];
    uint64_t longest_ns; /* CPU time of the longest turn so far */
    struct metric_histogram *cpu, *wall;
};

/* The histograms; without them (a NULL registry) nothing is observed. False: out of memory. */
bool turn_clock_init(struct turn_clock *c, struct metrics *m);
/* The loop begins: what the thread did before (reading files) doesn't count as a turn. */
void turn_clock_start(struct turn_clock *c);
/* The wait for events is over. */
void turn_clock_begin(struct turn_clock *c);
/* What a phase may use that isn't part of a turn but a callback of libevent's. */
uint32_t turn_clock_budget_us(enum turn_phase phase);
/* The box of a phase of this turn. */
void turn_clock_open(const struct turn_clock *c, struct timebox *box, enum turn_phase phase);
/* A phase had to leave something to the next turn. */
void turn_clock_cut(struct turn_clock *c, enum turn_phase phase);
/* The turn is over. */
void turn_clock_end(struct turn_clock *c);

#endif
