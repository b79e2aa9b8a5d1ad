/*
 * account - the memory that clients cause, by what it is for: every allocation that grows with what
 * clients send, or don't read, is made here and counted as malloc counts it.
 *
 * Data flow: modules allocate under a kind; shed.c compares the total with the budget and decides
 *            which clients are closed; broker_metrics.c shows the kinds.
 * Cost:      a look at the block's own size and two additions. No size is kept for freeing. Messages,
 *            of which each costs an allocation, know their size and save the look.
 * State:     like the allocator whose use it counts, there is one per process: a message that loses
 *            its last reference doesn't know its broker.
 * Threads:   the broker's loop only.
 */
#ifndef FLOTILLA_BROKER_BASE_ACCOUNT_H
#define FLOTILLA_BROKER_BASE_ACCOUNT_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

/* Names in account_names. */
enum account_kind {
    ACCOUNT_CLIENTS,  /* connections themselves */
    ACCOUNT_BEGUN,    /* packets that aren't whole, or that wait to be handled */
    ACCOUNT_OUTPUT,   /* written to slow connections, not taken yet */
    ACCOUNT_MESSAGES, /* messages that outputs, windows and requests share */
    ACCOUNT_WINDOWS,  /* what waits for acknowledgements */
    ACCOUNT_REQUESTS, /* packets that wait for the store */
    ACCOUNT_READS,    /* retained values that are waited for */
    ACCOUNT_STORE,    /* commands on their way to Redis */
    ACCOUNT_CACHE,    /* matches, which can be found again */
    /* From here on: what stays when its connection ends. */
    ACCOUNT_SESSIONS, /* session entries, subscriptions, routes */
    ACCOUNT_QUEUES,   /* durable sessions' queues (memory store) */
    ACCOUNT_RETAINED, /* names of retained topics (memory store) */
    ACCOUNT_KEPT,     /* messages in such queues, and retained values */
    ACCOUNT_KIND_COUNT,
    ACCOUNT_LASTING = ACCOUNT_SESSIONS,
};
extern const char *const account_names[ACCOUNT_KIND_COUNT];

extern struct account {
    uint64_t by_kind[ACCOUNT_KIND_COUNT];
    uint64_t total;
    uint64_t kept_messages; /* of ACCOUNT_KEPT, */
    uint64_t kept_payload;  /* and bytes of their payloads */
} account;

/* As malloc, calloc(1, size), realloc and free. */
void *account_alloc(enum account_kind kind, size_t size);
void *account_zalloc(enum account_kind kind, size_t size);
void *account_realloc(enum account_kind kind, void *p, size_t size);
void account_free(enum account_kind kind, void *p);

/* What glibc takes for a block of this size. */
static inline size_t account_block(size_t size)
{
    return (size + 8 + 15) & ~(size_t)15;
}

/* Of a block whose owner knows what it asked for. */
static inline void account_add(enum account_kind kind, size_t size)
{
    account.by_kind[kind] += account_block(size);
    account.total += account_block(size);
}
static inline void account_take(enum account_kind kind, size_t size)
{
    account.by_kind[kind] -= account_block(size);
    account.total -= account_block(size);
}

/* calloc and free of such a block. */
static inline void *account_new(enum account_kind kind, size_t size)
{
    void *p = calloc(1, size);
    if (p != NULL)
        account_add(kind, size);
    return p;
}
static inline void account_delete(enum account_kind kind, void *p, size_t size)
{
    if (p == NULL)
        return;
    account_take(kind, size);
    free(p);
}

/* A block that was allocated elsewhere is counted from now on; is no longer counted. NULL counts as
 * nothing. */
void account_count(enum account_kind kind, const void *p);
void account_uncount(enum account_kind kind, const void *p);

/* Of a kind that is counted elsewhere: so much it is now. */
void account_set(enum account_kind kind, uint64_t bytes);

/* Of all kinds that stay when connections end. */
uint64_t account_lasting(void);

#endif
