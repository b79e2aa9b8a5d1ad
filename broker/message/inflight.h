/*
 * inflight - the QoS 1 and 2 messages that were sent to one client and aren't finished yet, by
 * their sequence in the session.
 *
 * Packet ids: (sequence - 1) % 65535 + 1, for clean and durable sessions alike, so that a resend by
 *            another broker uses the same one without anything having been stored (rule 8).
 * Shape:     a ring of one state byte per sequence from the oldest unfinished one on; messages
 *            themselves aren't kept here (a durable session's are in the store, a clean session's
 *            are never sent twice).
 * Size:      most clients are never sent anything above QoS 0, so all of it is behind one pointer,
 *            made with the first message.
 * Ownership: embedded, zero-initialised; inflight_fini releases the ring.
 */
#ifndef FLOTILLA_BROKER_MESSAGE_INFLIGHT_H
#define FLOTILLA_BROKER_MESSAGE_INFLIGHT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { INFLIGHT_SPAN_MAX = 65534 }; /* of sequences at once, so that packet ids stay distinct */

enum inflight_state {
    INFLIGHT_DONE,      /* nothing to wait for */
    INFLIGHT_PUBLISHED, /* QoS 1: waits for PUBACK */
    INFLIGHT_SENT,      /* QoS 2: waits for PUBREC */
    INFLIGHT_RELEASING, /* QoS 2: PUBREC came, the store is noting it */
    INFLIGHT_RELEASED,  /* QoS 2: PUBREL sent, waits for PUBCOMP */
};

struct inflight {
    struct inflight_ring *ring; /* NULL: nothing was sent, and 1 is the next sequence */
};
struct inflight_ring {
    uint64_t base, end; /* sequences [base, end) are in it */
    uint64_t next;
    uint32_t open;     /* of them not done */
    uint32_t capacity; /* power of two */
    uint8_t states[];
};

static inline uint16_t inflight_packet_id(uint64_t sequence)
{
    return (uint16_t)((sequence - 1) % 65535 + 1);
}

void inflight_fini(struct inflight *f);
/* How many aren't done. */
static inline uint32_t inflight_open(const struct inflight *f)
{
    return f->ring != NULL ? f->ring->open : 0;
}
/* Of the next message sent (clean session) or fetched (durable). */
static inline uint64_t inflight_next(const struct inflight *f)
{
    return f->ring != NULL ? f->ring->next : 1;
}
/* False when out of memory; never where a sequence was added before. */
bool inflight_set_next(struct inflight *f, uint64_t sequence);
/* The next one was added. */
static inline void inflight_advance(struct inflight *f)
{
    f->ring->next++;
}
/* No packet id is free, or the window is used up. */
static inline bool inflight_is_full(const struct inflight *f, uint32_t window)
{
    const struct inflight_ring *r = f->ring;
    return r != NULL && (r->open >= window || r->end - r->base >= INFLIGHT_SPAN_MAX);
}
bool inflight_takes_any(const struct inflight *f, uint64_t sequence);
/* The sequence's packet id is free. */
static inline bool inflight_takes(const struct inflight *f, uint64_t sequence)
{
    const struct inflight_ring *r = f->ring;
    return r == NULL || sequence - r->base < INFLIGHT_SPAN_MAX || inflight_takes_any(f, sequence);
}
/* Notes a sequence (not in the ring yet, or done). False when out of memory or the ids don't
 * suffice. */
bool inflight_add(struct inflight *f, uint64_t sequence, enum inflight_state state);
/* The sequence of an open packet id, 0 when there is none. */
uint64_t inflight_find(const struct inflight *f, uint16_t packet_id);
enum inflight_state inflight_state(const struct inflight *f, uint64_t sequence);
/* Of a sequence that was added. */
void inflight_set(struct inflight *f, uint64_t sequence, enum inflight_state state);
/* All that aren't done are from `base` on and before `end`. */
static inline uint64_t inflight_base(const struct inflight *f)
{
    return f->ring != NULL ? f->ring->base : 0;
}
static inline uint64_t inflight_end(const struct inflight *f)
{
    return f->ring != NULL ? f->ring->end : 0;
}

#endif
