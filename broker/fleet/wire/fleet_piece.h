/*
 * fleet_piece - how much one script or command may have to do in Redis.
 *
 * Redis does one thing at a time: while it runs one call, every client of every broker waits.
 * Whatever can be large is cut into pieces of so many fields (filters, packet ids, targets) and
 * bytes, at least one field each. Measured with Redis 7.0 on 2 cores, subscribe and unsubscribe:
 * 1.1 to 2.4 us per field and 6 to 8 ns per byte, so that a piece costs 0.5 to 1.5 ms; reading is
 * cheaper. One field may be larger than a piece (a message has up to limits.max_packet_size): 16 MB
 * cost 20 ms.
 */
#ifndef FLOTILLA_BROKER_FLEET_WIRE_FLEET_PIECE_H
#define FLOTILLA_BROKER_FLEET_WIRE_FLEET_PIECE_H

#include <stdbool.h>
#include <stddef.h>

enum { FLEET_PIECE_FIELDS = 500, FLEET_PIECE_BYTES = 65536 };

struct fleet_piece {
    size_t fields, bytes;
};

static inline bool fleet_piece_is_full(const struct fleet_piece *p)
{
    return p->fields >= FLEET_PIECE_FIELDS || p->bytes >= FLEET_PIECE_BYTES;
}

/* Takes one more field of `bytes`; false: it belongs into the next piece. */
static inline bool fleet_piece_take(struct fleet_piece *p, size_t bytes)
{
    if (p->fields > 0 && (p->fields >= FLEET_PIECE_FIELDS || p->bytes + bytes > FLEET_PIECE_BYTES))
        return false;
    p->fields++;
    p->bytes += bytes;
    return true;
}

#endif
