/*
 * watch - since when other nodes have sent no heartbeat, as far as this node can know (fleet
 * protocol, rule 1).
 *
 * Redis keeps the time of each node's last beat, by its own clock, and names at each of our beats
 * those that are older than they should be: usually none. When a node is named for the first time,
 * its beat's time is compared with Redis' time at our earlier beats; it has stood still at least
 * since the oldest of those that is not before it. Redis' clock is never compared with ours: where
 * the two went apart between two of our beats, one of them was set, and what was before it counts
 * for nothing.
 *
 * Pure: times are arguments; ours are CLOCK_BOOTTIME, Redis' its wall clock, all in ms.
 * Ownership: embedded; the list is its own.
 * Bound:     what Redis names in one answer (beat.lua).
 */
#ifndef FLOTILLA_BROKER_FLEET_LEASE_WATCH_H
#define FLOTILLA_BROKER_FLEET_LEASE_WATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { WATCH_BEATS = 8 };

struct watch_node {
    uint64_t id;
    uint64_t beat_ms;  /* of its last beat, by Redis' clock */
    uint64_t since_ms; /* it stands still since then, by ours */
    unsigned round;    /* when it was last named */
};

struct watch {
    struct {
        uint64_t ours_ms, redis_ms;
    } beats[WATCH_BEATS]; /* our own answered ones, oldest first */
    size_t beat_count;
    struct watch_node *nodes;
    size_t count, size;
    unsigned round;
};

void watch_fini(struct watch *w);
/* Our beats weren't all answered: nothing is known of the time before now. */
void watch_forget(struct watch *w);
/* One of our beats was answered, now by both clocks; the nodes that it names follow. */
void watch_begin(struct watch *w, uint64_t ours_ms, uint64_t redis_ms);
/* One that Redis names, with the time of its last beat: since when it stands still. False when out
 * of memory. */
bool watch_see(struct watch *w, uint64_t id, uint64_t beat_ms, uint64_t *since_ms);
/* Forgets those that weren't named any more. */
void watch_end(struct watch *w);

#endif
