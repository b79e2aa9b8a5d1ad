/*
 * rest - what was read from a client and isn't handled yet: a begun packet, or packets that mustn't
 * be handled yet.
 *
 * Ownership: the client's; there only while something waits.
 * Bounds:    none here: the reader asks first whether there is room (input.c, shed.h). A begun
 *            packet must make progress also when there is memory: each window of SLOW_WINDOW_MS
 *            brings SLOW_WINDOW_BYTES or the rest of the packet, or the connection is closed.
 * Errors:    false when out of memory; the rest is as before then.
 */
#ifndef FLOTILLA_BROKER_CLIENT_REST_H
#define FLOTILLA_BROKER_CLIENT_REST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct client;

enum { SLOW_WINDOW_MS = 15000, SLOW_WINDOW_BYTES = 16 * 1024 };

struct rest {
    uint32_t len, capacity;
    uint32_t need;       /* more than this much is needed to go on; 0: it can be handled any time */
    uint32_t window_len; /* of len, when the window began in which a begun packet must grow */
    uint64_t window_began; /* 0: not yet */
    uint8_t bytes[];
};

void rest_drop(struct client *c);
/* What it takes, 0: there is none. */
size_t rest_bytes(const struct client *c);
/* A begun packet made too little progress. Asked now and then. */
bool rest_is_too_slow(struct client *c);

/* What rest_keep would allocate for these bytes. */
size_t rest_room_for(const struct client *c, const uint8_t *from, size_t len);
/* Keeps bytes, which may be (part of) the client's current rest. `need` as in struct rest. `same`:
 * of the packet that was begun before. */
bool rest_keep(struct client *c, const uint8_t *from, size_t len, uint32_t need, bool same);
/* Makes room for a begun packet. */
bool rest_grow(struct client *c, uint32_t capacity);

#endif
