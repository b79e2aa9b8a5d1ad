/*
 * share_queue - the queue of one group of shared subscriptions in the memory store: messages of QoS 1
 * and 2 from their publication until a member has acknowledged them.
 *
 * Shape:     what waits is a list in the order of the numbers; a message that is put back goes to its
 *            old place. What a member has taken is in a list of its own.
 * Ownership: the queue owns waiting entries. A taken entry is its taker's, to be finished or put back
 *            once, also after the queue has ended.
 * Time:      an argument, by the caller's clock.
 */
#ifndef FLOTILLA_BROKER_STORE_SHARE_QUEUE_H
#define FLOTILLA_BROKER_STORE_SHARE_QUEUE_H

#include <sys/queue.h>

#include "broker/message/message.h"

struct id_set;
struct journal;
struct share_queue;

struct share_entry {
    TAILQ_ENTRY(share_entry) link;
    struct share_queue *queue; /* NULL: it has ended */
    struct message *message;
    uint64_t number; /* of the queue, from 1 */
    uint64_t since_ms;
    struct id_set *denied; /* clients that may not read it; NULL: none */
    uint8_t partition;     /* 0 where there are none */
    bool for_good;         /* nobody else gets it, also after a restart */
};
TAILQ_HEAD(share_entries, share_entry);

struct share_queue {
    struct share_entries waiting, taken;
    uint64_t numbered;
    uint32_t count; /* of all */
    uint32_t waiting_count;
    uint64_t bytes;          /* of all */
    uint32_t denied;         /* of all, those that a client may not read */
    uint32_t *open;          /* how many are taken of each partition; NULL: there are none */
    struct journal *journal; /* told of each change, NULL: none */
    uint64_t owner;          /* the group's number there */
};

void share_queue_init(struct share_queue *q);
/* Drops what waits; takers keep what they have. */
void share_queue_fini(struct share_queue *q);

/* References the message. False: out of memory. */
bool share_queue_push(struct share_queue *q, struct message *m, uint8_t partition, uint64_t now_ms);
/* One of before a restart, by their numbers. False: out of memory, or the number can't be right. */
bool share_queue_restore(struct share_queue *q, struct message *m, const struct share_entry *as);
/* The entry of this number that waits; NULL: none. It is taken then. */
struct share_entry *share_queue_take_number(struct share_queue *q, uint64_t number);
/* The first that waits, NULL: nothing. */
struct share_entry *share_queue_take(struct share_queue *q);
/* The first of those for which `fits` says yes. */
typedef bool share_fits_fn(const void *arg, const struct share_entry *e);
struct share_entry *share_queue_take_fit(struct share_queue *q, share_fits_fn *fits,
                                         const void *arg);
/* One of those waits. */
bool share_queue_has_fit(const struct share_queue *q, share_fits_fn *fits, const void *arg);
/* A taken one is about to be sent at QoS 2 to a member without a session. */
void share_entry_take_for_good(struct share_entry *e);
/* A taken one is acknowledged, or ends otherwise. */
void share_entry_finish(struct share_entry *e);
/* A taken one waits again, at its place. True: it does; false: the queue has ended. */
bool share_entry_put_back(struct share_entry *e);
/* The same, and it is not for this client (a hash of its id). False: the queue has ended, or there is no memory:
 * it is still the taker's. */
bool share_entry_deny(struct share_entry *e, uint64_t client);
bool share_entry_is_denied(const struct share_entry *e, uint64_t client);
/* Drops what has waited since before `before_ms`. Returns how many. */
uint32_t share_queue_drop_old(struct share_queue *q, uint64_t before_ms);

#endif
