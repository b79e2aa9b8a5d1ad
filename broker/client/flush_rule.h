/*
 * flush_rule - whether a connection's output is written at once or at the turn's end.
 *
 * A turn has several feeders: what the store said, and each client that is read. Written at the
 * turn's end, a message waits for all the others that are read in that turn; written behind its
 * feeder, it doesn't, but a connection that many feed would cost a write each. So a connection that
 * was fed twice in a turn waits for the next FLUSH_RULE_TURNS in which it is fed, and longer while
 * that goes on; all others are written behind the client that fed them. What the store feeds always
 * waits: it speaks for many at once, and writing that first only delayed the commands that
 * follow (two brokers, QoS 1: median 770 against 885 us).
 *
 * Data flow: turn.c numbers feeders and turns and asks. Pure; embedded, zero-initialised. The
 *            numbers may wrap around.
 */
#ifndef FLOTILLA_BROKER_CLIENT_FLUSH_RULE_H
#define FLOTILLA_BROKER_CLIENT_FLUSH_RULE_H

#include <stdbool.h>
#include <stdint.h>

enum { FLUSH_RULE_TURNS = 16 };

struct flush_rule {
    uint32_t feeder; /* the last one */
    uint8_t turns;   /* for so many it waits for the turn's end */
};

/* The connection is fed. `feeder` is the number of who does, `first` that of the turn's first. */
static inline void flush_rule_note(struct flush_rule *g, uint32_t feeder, uint32_t first)
{
    if (g->feeder == feeder)
        return;
    if (g->feeder - first < UINT32_MAX / 2)
        g->turns = FLUSH_RULE_TURNS + 1; /* this turn's end takes one off */
    g->feeder = feeder;
}

static inline bool flush_rule_waits(const struct flush_rule *g)
{
    return g->turns > 0;
}

/* It was written at a turn's end. */
static inline void flush_rule_written(struct flush_rule *g)
{
    if (g->turns > 0)
        g->turns--;
}

#endif
