/*
 * memory_shares - the groups of shared subscriptions of the memory store: a queue for each that has had
 * a message of QoS 1 or 2.
 *
 * Data flow: store_memory.c hands over what is published for a group, and what its members take.
 * Ownership: the store's. Entries that a member has taken are struct store_taken for the core; those
 *            of durable sessions are named in their queues (memory_entry.shared).
 */
#ifndef FLOTILLA_BROKER_STORE_MEMORY_SHARES_H
#define FLOTILLA_BROKER_STORE_MEMORY_SHARES_H

#include "broker/store/memory_queue.h"
#include "broker/store/share_partitions.h"
#include "broker/store/share_queue.h"
#include "broker/store/store.h"
#include "common/base/hash_table.h"

struct memory_group {
    struct hash_link by_filter;
    struct share_queue queue;
    struct share_partitions partitions; /* where a hash chooses */
    bool full_said;                     /* that it is full */
    bool memberless;
    bool has_away;    /* a durable member of before a restart, that hasn't been back */
    uint64_t keep_ms; /* how long messages stay without a member; 0: not at all */
    uint32_t filter_len;
    char filter[];
};

struct memory_shares {
    struct hash_table groups;
    uint64_t hash_key;
    bool hashed;             /* there are partitions */
    uint32_t memberless;     /* of them, with something to be dropped in time */
    uint64_t look_ms;        /* when they are looked at again */
    struct journal *journal; /* told of each change, NULL: none */
};

bool memory_shares_init(struct memory_shares *s, uint64_t hash_key);
void memory_shares_fini(struct memory_shares *s);

/* NULL: it has no queue. */
struct memory_group *memory_shares_find(const struct memory_shares *s, struct mqtt_slice filter);
/* Makes one if there is none; NULL: out of memory. */
struct memory_group *memory_shares_get(struct memory_shares *s, struct mqtt_slice filter);
/* As memory_shares_get for one of before a restart, with its number in the journal. */
struct memory_group *memory_shares_restore(struct memory_shares *s, struct mqtt_slice filter,
                                           uint64_t number);
/* There is a member, and another one. */
void memory_shares_joined(struct memory_shares *s, struct mqtt_slice filter, const void *member);
void memory_shares_left(struct memory_shares *s, struct mqtt_slice filter, const void *member);
/* Who takes: its address among the members, and its client id. */
struct memory_taker {
    const void *member;
    struct mqtt_slice client_id;
};
/* A message for this member that waits; NULL: none. */
struct share_entry *memory_shares_take(struct memory_shares *s, struct memory_group *g,
                                       const struct memory_taker *taker);
/* It may not read what it has taken, which waits for the others. False: the queue has ended, or there is no memory: it
 * is still the taker's. */
bool memory_shares_deny(const struct memory_shares *s, struct share_entry *e,
                        const struct memory_taker *taker);
enum store_more memory_shares_more(const struct memory_shares *s, const struct memory_group *g,
                                   const struct memory_taker *taker);
/* There is none: what waits is dropped, at once or by memory_shares_tick. */
void memory_shares_ended(struct memory_shares *s, struct mqtt_slice filter);
/* Without members it keeps messages for so long; it has none now. False: out of memory. */
bool memory_shares_declare(struct memory_shares *s, struct mqtt_slice filter, uint64_t keep_ms);
/* Drops what has waited for too long where there is no member. Returns how many. */
uint32_t memory_shares_tick(struct memory_shares *s, uint64_t now_ms);

static inline struct mqtt_slice memory_group_filter(const struct memory_group *g)
{
    return mqtt_slice_of(g->filter, g->filter_len);
}

/* What of a durable session's queue goes back to its groups. */
enum memory_return {
    RETURN_UNSENT, /* its connection ends */
    RETURN_QOS1,   /* it has been away for long: QoS 1 too */
    RETURN_SESSION, /* the session ends: QoS 1, and what wasn't sent; QoS 2 that was sent ends with it */
};
/* `group` NULL: of all groups. `back` is called for each group that got something. */
typedef void memory_back_fn(void *arg, struct memory_group *g);
void memory_shares_return(struct memory_queue *q, enum memory_return what,
                          const struct memory_group *group, memory_back_fn *back, void *arg);

#endif
