/*
 * fleet_clock - what Redis' clock showed at a moment of this host, within known bounds.
 *
 * Clocks of hosts differ; what the whole fleet must order goes by Redis' (TIME). Each answered TIME
 * bounds the difference to this host's CLOCK_BOOTTIME by its round trip: Redis read its clock after
 * the question was sent and before the answer was there. The tightest of the last answers counts.
 * One that contradicts it means that Redis' clock was set, or that another server answers: then only
 * that one counts.
 *
 * Units: milliseconds; CLOCK_BOOTTIME here, since 1970 there.
 * Data flow: fleet.c asks once per second (fleet_clock_tick); fleet_connect.c dates CONNECTs with
 *            it, and messages expire by it (store_now_ms).
 */
#ifndef FLOTILLA_BROKER_FLEET_NODE_FLEET_CLOCK_H
#define FLOTILLA_BROKER_FLEET_NODE_FLEET_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

struct fleet;

enum { FLEET_CLOCK_SAMPLES = 16 };

/* Redis' clock minus ours is at least `low` and at most `high`. */
struct fleet_clock_sample {
    int64_t low, high;
};
struct fleet_clock {
    struct fleet_clock_sample samples[FLEET_CLOCK_SAMPLES]; /* a ring */
    unsigned count;                                         /* of all that were noted */
    bool is_known;                                          /* something was noted, ever */
    int64_t about; /* Redis' clock minus ours, by what is noted; kept when that is forgotten */
    bool asking;   /* one is under way, since: */
    uint64_t asked_boot_ms;
    uint64_t ask_ms; /* the next one is due (monotonic) */
};

/* A moment by Redis' clock. */
struct fleet_moment {
    uint64_t earliest, latest;
};

/* A TIME that was sent and answered at these moments told this. */
void fleet_clock_note(struct fleet_clock *c, uint64_t sent, uint64_t answered, uint64_t redis);
/* No bounds are known any more: another run of Redis answers. */
void fleet_clock_forget(struct fleet_clock *c);
/* About now by Redis' clock, or as far as it was known before it was forgotten. A node isn't ready before it
 * is known (fleet_health); until then by this host's. */
uint64_t fleet_clock_now_ms(const struct fleet_clock *c);
/* Nothing known: from 0 to UINT64_MAX. */
struct fleet_moment fleet_clock_at(const struct fleet_clock *c, uint64_t boot_ms);

/* The node's own: asks once per second. */
bool fleet_clock_init(struct fleet *f);
void fleet_clock_free(struct fleet *f);
void fleet_clock_tick(struct fleet *f);

#endif
