/*
 * tally - how many of something there are at once by a key, and how fast they come: connections by the address that
 * they come from, or by user.
 *
 * Speed is counted by when the next one is due: a second's worth may come at once, then one after another.
 * Pure: time is an argument, in ms of a monotonic clock. Keys are hashes of 64 bits, keyed, so that nobody can choose
 * two that are the same.
 * Bound: an entry for each key of which one is there, and 65,536 of which none is and the speed is remembered; the
 * oldest of those goes first.
 */
#ifndef FLOTILLA_BROKER_BASE_TALLY_H
#define FLOTILLA_BROKER_BASE_TALLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tally;

/* 0: no bound. */
struct tally_bounds {
    uint32_t at_once;
    uint32_t per_second;
};

enum tally_verdict {
    TALLY_TAKEN, /* it counts; tally_go when it is over */
    TALLY_TOO_MANY,
    TALLY_TOO_FAST,
    TALLY_NO_MEMORY,
};

/* NULL when out of memory. */
struct tally *tally_new(void);
void tally_free(struct tally *t);

/* One more. One that isn't taken counts for nothing: not for its speed either, or whoever tries again and again would
 * never be let in. `leaving`: of those that count, so many are about to go. */
enum tally_verdict tally_come(struct tally *t, uint64_t key, const struct tally_bounds *bounds,
                              uint32_t leaving, uint64_t now_ms);
void tally_go(struct tally *t, uint64_t key, uint64_t now_ms);

uint32_t tally_count(const struct tally *t, uint64_t key);
/* Entries, for its bound. */
size_t tally_size(const struct tally *t);

#endif
