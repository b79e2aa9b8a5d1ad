/*
 * fleet_chain - calls of one stream that must be done in the order of their numbers, or not at all.
 *
 * Calls are written without waiting for answers. Should one of them fail and the next one be done, the failed one would
 * look like a repeat when it comes again, because its number is below the last one done. So each call names the number
 * of the one before it, while that one isn't answered. The script, or the
 * receiver, refuses a call unless the named one was done.
 *
 * Data flow: a module that writes a call asks fleet_chain_send what the call names, and tells fleet_chain_answered
 *            what came of it. A call that wasn't done breaks the chain: those under way behind it are refused as
 *            well, and the module writes what was in them again, under new numbers. Nothing more is sent until all
 *            are answered, so that a new call names none of them and isn't refused, too.
 * Ownership: embedded; zeroed memory is a chain without calls.
 */
#ifndef FLOTILLA_BROKER_FLEET_WIRE_FLEET_CHAIN_H
#define FLOTILLA_BROKER_FLEET_WIRE_FLEET_CHAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fleet_chain {
    uint64_t sent, answered; /* numbers of the last one sent, and of the last one answered */
    size_t under_way;        /* sent and not answered */
    bool broken;             /* one wasn't done, and others behind it are under way */
};

/* Whether a call may be sent now; if not, after answers that are still to come. */
static inline bool fleet_chain_is_open(const struct fleet_chain *c)
{
    return !c->broken;
}

/* A call is sent; numbers grow. Returns the number that it names; 0: all before it are answered. */
uint64_t fleet_chain_send(struct fleet_chain *c, uint64_t number);
/* The oldest one under way is answered; `done`: it was done, or had been before. */
void fleet_chain_answered(struct fleet_chain *c, uint64_t number, bool done);
/* Whether the one with this number, which a call names, was answered meanwhile as done. Another run of Redis may not
 * have it; a call that comes again needn't name it any more. */
static inline bool fleet_chain_has_done(const struct fleet_chain *c, uint64_t number)
{
    return !c->broken && number <= c->answered;
}

#endif
