/*
 * inflight - the QoS 1 and 2 messages that were sent to one client and aren't finished yet, by
 * their sequence in the session.
 *
 * Packet ids: (sequence - 1) % 65535 + 1, for clean and durable sessions alike, so that a resend by
 *            another broker uses the same one without anything having been stored (rule 8).
 * Shape:     a ring of one state byte per sequence from the oldest unfinished one on; messages
 *            themselves aren't kept here (a durable session's are in the store, a clean session's
 *            are never sent twice).
 * Ownership: embedded; inflight_fini releases the ring.
 */
#ifndef FLOTILLA_BROKER_MESSAGE_INFLIGHT_H
#define FLOTILLA_BROKER_MESSAGE_INFLIGHT_H

#include <stdbool.h>
#include <stdint.h>

enum inflight_state {
    INFLIGHT_DONE,      /* nothing to wait for */
    INFLIGHT_PUBLISHED, /* QoS 1: waits for PUBACK */
    INFLIGHT_SENT,      /* QoS 2: waits for PUBREC */
    INFLIGHT_RELEASING, /* QoS 2: PUBREC came, the store is noting it */
    INFLIGHT_RELEASED,  /* QoS 2: PUBREL sent, waits for PUBCOMP */
};

struct inflight {
    uint64_t base, end; /* sequences [base, end) are in the ring */
    uint32_t open;      /* of them not done */
    uint32_t capacity;  /* power of two */
    uint8_t *states;
};

static inline uint16_t inflight_packet_id(uint64_t sequence)
{
    return (uint16_t)((sequence - 1) % 65535 + 1);
}

void inflight_fini(struct inflight *f);
/* No packet id is free, or the window is used up. */
bool inflight_is_full(const struct inflight *f, uint32_t window);
/* The sequence's packet id is free. */
bool inflight_takes(const struct inflight *f, uint64_t sequence);
/* Notes a sequence (not in the ring yet, or done). False when out of memory or the ids don't
 * suffice. */
bool inflight_add(struct inflight *f, uint64_t sequence, enum inflight_state state);
/* The sequence of an open packet id, 0 when there is none. */
uint64_t inflight_find(const struct inflight *f, uint16_t packet_id);
enum inflight_state inflight_state(const struct inflight *f, uint64_t sequence);
void inflight_set(struct inflight *f, uint64_t sequence, enum inflight_state state);

#endif
