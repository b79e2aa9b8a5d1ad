/*
 * shed - closes some of the clients that hold memory over a turn when the budget is used up.
 *
 * Data flow: the turn calls shed_check after each client that it ran, and shed_tick; input.c asks
 *            before a begun packet grows. memory_budget.h decides, holders.h says whom to look at.
 *            Begun packets that come too slowly are closed as well (rest.h).
 */
#ifndef FLOTILLA_BROKER_LOOP_SHED_H
#define FLOTILLA_BROKER_LOOP_SHED_H

#include <stdbool.h>
#include <stddef.h>

#include "broker/base/account.h"
#include "broker/client/context.h"

struct client;

/* Before the first client: the budget that the configuration sets, or half of what there is. */
void shed_init(struct broker *b);
/* The configuration has changed. */
void shed_set_limits(struct broker *b);

/* Sheds until there is enough room for `wanted` bytes more, or a few were closed; the next call goes
 * on. Not while the router iterates. */
void shed_now(struct broker *b, size_t wanted);
static inline void shed_check(struct broker *b)
{
    if (b->memory.limit > 0 && account.total >= b->memory.limit)
        shed_now(b, 0);
}
/* So much more for this client's begun packet. False: there is none, even after shedding, or it was
 * the client itself that was closed. Not while the router iterates. */
bool shed_make_room(struct client *c, size_t bytes);

/* On the turn's tick: levels, slow packets, pages that malloc keeps. */
void shed_tick(struct broker *b);

#endif
