/*
 * flush_rule - whether a connection's output is written at once or at the turn's end.
 *
 * In a turn, output comes from several sources: the store's input, and each client that
 * is read. If it is written at the turn's end, a message waits for all clients that are read in
 * that turn. If it is written behind its source, it doesn't wait, but a connection with many
 * sources costs one write per source. So a connection that got output from two sources in a turn is
 * written at the end of the next FLUSH_RULE_TURNS turns in which it gets output, and longer while
 * that goes on. All others are written behind the client that caused their output. Output of the
 * store's input always waits: it comes from many clients at once, and writing it first only delayed
 * the commands that follow (two brokers, QoS 1: median 770 against 885 us).
 *
 * Data flow: turn.c numbers sources and turns and asks. Pure; embedded, zero-initialised. The
 *            numbers may wrap around.
 */
#ifndef FLOTILLA_BROKER_CLIENT_FLUSH_RULE_H
#define FLOTILLA_BROKER_CLIENT_FLUSH_RULE_H

#include <stdbool.h>
#include <stdint.h>

enum { FLUSH_RULE_TURNS = 16 };

struct flush_rule {
    uint32_t source; /* the last one */
    uint8_t turns;   /* for so many it waits for the turn's end */
};

/* Something was put into the connection's output. `source` is the number of the source that did it,
 * `first` the number of the turn's first source. */
static inline void flush_rule_note(struct flush_rule *g, uint32_t source, uint32_t first)
{
    if (g->source == source)
        return;
    if (g->source - first < UINT32_MAX / 2)
        g->turns = FLUSH_RULE_TURNS + 1; /* counts down at each turn's end */
    g->source = source;
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
