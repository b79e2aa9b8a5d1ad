/*
 * leftovers - queues of messages whose owner has ended, freed in pieces: a queue may hold a hundred
 * thousand messages, and freeing them takes longer than a turn of the loop may.
 *
 * Data flow: deliver.c hands over the queue of a closed client, store_memory.c the one of a session
 *            that ended; the owner of the struct releases some in each turn.
 * Ownership: takes the queue.
 * Errors:    out of memory, a queue is released at once.
 */
#ifndef FLOTILLA_BROKER_BASE_LEFTOVERS_H
#define FLOTILLA_BROKER_BASE_LEFTOVERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

struct timebox;

/* Releases one item of the queue. False: that was the last one, and the queue itself is freed. */
typedef bool leftover_fn(void *queue);

struct leftover;
STAILQ_HEAD(leftover_list, leftover);

struct leftovers {
    struct leftover_list list;
    uint64_t bytes; /* as stated, of all that wait */
};

void leftovers_init(struct leftovers *l);
/* A queue of so many items, whose messages have about so many bytes. */
void leftovers_add(struct leftovers *l, leftover_fn *release, void *queue, uint64_t items,
                   uint64_t bytes);
/* Releases until the box is over; a few in any case. */
void leftovers_release(struct leftovers *l, struct timebox *box);
/* Releases all. */
void leftovers_fini(struct leftovers *l);

static inline bool leftovers_wait(const struct leftovers *l)
{
    return !STAILQ_EMPTY(&l->list);
}

#endif
