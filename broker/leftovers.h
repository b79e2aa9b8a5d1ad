/*
 * leftovers - rings of messages whose owner has gone, released in pieces: a queue may hold a hundred
 * thousand of them, and to free these takes longer than a turn of the loop may.
 *
 * Data flow: deliver.c hands over the queue of a closed client, store_memory.c the one of a session
 *            that ended; who embeds it releases some in each turn.
 * Ownership: takes the ring's block and the references in it.
 * Errors:    out of memory, a ring is released at once.
 */
#ifndef FLOTILLA_BROKER_LEFTOVERS_H
#define FLOTILLA_BROKER_LEFTOVERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "broker/account.h"

struct timebox;

struct leftover_ring {
    enum account_kind kind; /* of the block */
    void *block;            /* NULL: no ring at all */
    const void *items;      /* in the block; each begins with a struct message *, maybe NULL */
    size_t stride;          /* from one item to the next */
    uint64_t mask;          /* places in the ring, less one */
    uint64_t from, to;      /* positions of the items that are left */
    uint64_t bytes;         /* of their messages, about */
};

struct leftover;
STAILQ_HEAD(leftover_list, leftover);

struct leftovers {
    struct leftover_list list;
    uint64_t bytes; /* as stated, of all that wait */
};

void leftovers_init(struct leftovers *l);
void leftovers_add(struct leftovers *l, const struct leftover_ring *ring);
/* Releases until the box is over; a few in any case. */
void leftovers_release(struct leftovers *l, struct timebox *box);
/* Releases all. */
void leftovers_fini(struct leftovers *l);

static inline bool leftovers_wait(const struct leftovers *l)
{
    return !STAILQ_EMPTY(&l->list);
}

#endif
