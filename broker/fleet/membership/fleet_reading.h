/*
 * fleet_reading - reads everything that the fleet has in Redis: its nodes with their routes and members
 * of groups, and all durable sessions (rule 3).
 *
 * Data flow: fleet_load.c begins it behind the join, and is told its end. What is read goes to the table
 *            of nodes (exchange/fleet_nodes.h), to the core (struct store_host) and to fleet_resync.c.
 * Order:     in pieces; the answer to one of them says whether there is another. Nodes at once, buckets
 *            of clients some at a time. Something may be read twice, or be newer than what the log says:
 *            that is harmless.
 * Ownership: embedded in struct fleet_load. A piece that is asked for lives until its answer, also when
 *            the reading was stopped before; the answer is then left unread.
 * Errors:    an answer that isn't one, or a lack of memory, ends the reading: `ended` is told why.
 */
#ifndef FLOTILLA_BROKER_FLEET_MEMBERSHIP_FLEET_READING_H
#define FLOTILLA_BROKER_FLEET_MEMBERSHIP_FLEET_READING_H

#include <stdbool.h>

struct fleet;

struct fleet_reading {
    bool is_on;
    bool again;           /* what the core knows of a session is replaced by what is read */
    unsigned next_bucket; /* of clients: the first one that isn't asked for yet */
    unsigned under_way;   /* pieces */
    void (*ended)(struct fleet *f, const char *err);
};

/* `ended` is called once, unless it is stopped first: with NULL when everything is read. */
void fleet_reading_begin(struct fleet_reading *r, struct fleet *f, bool again,
                         void (*ended)(struct fleet *f, const char *err));
void fleet_reading_stop(struct fleet_reading *r);

#endif
