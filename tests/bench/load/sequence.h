/*
 * sequence - what became of the numbered messages of one publisher at one subscriber.
 *
 * Exact: each number is told apart as new, late (a higher one came first) or a repeat, as long as
 * it is among the last 64; an older one is late if something was still missing, else a repeat.
 * Whether the DUP flag is set plays no part.
 */
#ifndef FLOTILLA_TESTS_BENCH_LOAD_SEQUENCE_H
#define FLOTILLA_TESTS_BENCH_LOAD_SEQUENCE_H

#include <stdbool.h>
#include <stdint.h>

#define SEQUENCE_REMEMBERED 64u

struct sequence {
    uint64_t next;    /* the lowest number above all that came */
    uint64_t seen;    /* bit i: number next - 1 - i came */
    uint64_t missing; /* numbers below `next` that didn't come */
};

enum sequence_verdict { SEQUENCE_NEW, SEQUENCE_LATE, SEQUENCE_REPEAT };

enum sequence_verdict sequence_take(struct sequence *s, uint64_t number);

/* What one receiver of a group has got of a publisher whose messages the group shares. */
struct share_sequence {
    uint64_t next; /* the lowest number above all that came to it */
};

/* What a receiver has counted. `delivered` is without repeats, and includes the late ones. */
struct tally {
    uint64_t delivered, duplicates, reordered;
};

/* Adds a number to both; true when it was delivered, so not a repeat. */
static inline bool tally_take(struct tally *t, struct sequence *s, uint64_t number)
{
    switch (sequence_take(s, number)) {
    case SEQUENCE_REPEAT:
        t->duplicates++;
        return false;
    case SEQUENCE_LATE:
        t->reordered++;
        break;
    case SEQUENCE_NEW:
        break;
    }
    t->delivered++;
    return true;
}

/* The same for a group: each number comes to one of its receivers, so `all` is one for all of them; what
 * comes to one of them, `here`, is in order, but nothing is said about the others. */
static inline bool tally_take_shared(struct tally *t, struct sequence *all,
                                     struct share_sequence *here, uint64_t number)
{
    if (sequence_take(all, number) == SEQUENCE_REPEAT) {
        t->duplicates++;
        return false;
    }
    if (number < here->next)
        t->reordered++;
    else
        here->next = number + 1;
    t->delivered++;
    return true;
}

#endif
