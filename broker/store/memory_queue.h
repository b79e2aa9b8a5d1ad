/*
 * memory_queue - the queue of one durable session in the memory store: what is to be delivered at
 * QoS 1 and 2, by sequence, until it is acknowledged.
 *
 * Shape:     a ring from the oldest unacknowledged entry on; one acknowledged out of turn leaves a
 *            hole until the older ones go.
 * Ownership: embedded; entries hold a reference to their message.
 */
#ifndef FLOTILLA_BROKER_STORE_MEMORY_QUEUE_H
#define FLOTILLA_BROKER_STORE_MEMORY_QUEUE_H

#include "broker/base/leftovers.h"
#include "broker/message/kept_ids.h"
#include "broker/store/store.h"

struct journal;
struct share_entry;

struct memory_entry {
    struct message *message; /* NULL: acknowledged */
    struct kept_ids ids;
    uint8_t qos;
    bool retain;
    bool is_value; /* as in store_entry */
    bool sent;     /* was fetched before */
    /* Taken from a group of shared subscriptions for this session; NULL: not. */
    struct share_entry *shared;
};

struct memory_queue {
    struct memory_entry *ring;
    uint32_t capacity;       /* power of two */
    uint32_t count;          /* entries with a message */
    uint64_t bytes;          /* of them */
    uint64_t first, after;   /* sequences [first, after) are in the ring; after is the next one's */
    struct journal *journal; /* told of each change, NULL: none */
    uint64_t owner;          /* the session's number there */
    uint64_t fetched;        /* sequences before it were, or may have been, read */
    uint64_t told;           /* the same, as the journal knows it */
};

void memory_queue_init(struct memory_queue *q);
/* Its messages are released later. The journal must know already that it is gone. */
void memory_queue_fini(struct memory_queue *q, struct leftovers *to);
/* References e's message and copies `ids`; e.ids isn't looked at. False when out of memory. */
bool memory_queue_push(struct memory_queue *q, struct memory_entry e, struct mqtt_ids ids);
/* A message of a group is finished there, too. */
void memory_queue_remove(struct memory_queue *q, uint64_t sequence);
/* The entry of a sequence between first and after. */
struct memory_entry *memory_queue_at(const struct memory_queue *q, uint64_t sequence);
/* Drops entries from this sequence on whose message has expired, until it has met `most` that haven't. One that
 * was sent stays: its client may have it, and answers. Returns how many it dropped. */
uint32_t memory_queue_expire(struct memory_queue *q, uint64_t from, size_t most, uint64_t now_ms);
/* Where a read of up to `max` entries (about max_bytes) from this sequence on would end; `from` if there are none. */
uint64_t memory_queue_reach(const struct memory_queue *q, uint64_t from, size_t max,
                            size_t max_bytes);
/* How many entries, `max` at most, are there from this sequence on and before `until`. */
size_t memory_queue_count(const struct memory_queue *q, uint64_t from, uint64_t until, size_t max);
/* Puts an entry of before a restart in its place; they come by their sequences. False when out of memory, or the sequence
 * can't be right. */
bool memory_queue_restore(struct memory_queue *q, uint64_t sequence, struct memory_entry e,
                          struct mqtt_ids ids);
/* The sequences before this one may have been read before a restart: the next one isn't lower. The same errors. */
bool memory_queue_restore_fetched(struct memory_queue *q, uint64_t fetched);
/* Fills up to `max` entries (about max_bytes) from this sequence on and notes them as sent. The
 * identifiers of one are good until it is removed, or another one is pushed. */
size_t memory_queue_read(struct memory_queue *q, uint64_t from, struct store_entry *out, size_t max,
                         size_t max_bytes, bool *more);

#endif
