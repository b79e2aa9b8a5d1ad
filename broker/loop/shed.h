/*
 * shed - who holds memory over a turn, and the closing of some when the budget is used up.
 *
 * Data flow: modules that begin to keep something for a client call shed_note; the turn calls
 *            shed_check after each client that it ran, and shed_tick; input.c asks before a begun
 *            packet grows. memory_budget.h decides.
 * Holders:   a list of the clients that were noted. Who holds nothing any more leaves it when it is
 *            looked at next: in shedding, or within seconds by the tick, some thousand at a time.
 * Begun packets: must make progress also when there is memory: each window of SLOW_WINDOW_MS brings
 *            SLOW_WINDOW_BYTES or the rest of the packet, or the connection is closed.
 */
#ifndef FLOTILLA_BROKER_LOOP_SHED_H
#define FLOTILLA_BROKER_LOOP_SHED_H

#include <stdbool.h>
#include <stddef.h>

#include "broker/base/account.h"
#include "broker/client/context.h"

struct client;

enum { SLOW_WINDOW_MS = 15000, SLOW_WINDOW_BYTES = 16 * 1024 };

/* Before the first client: the budget that the configuration sets, or half of what there is. */
void shed_init(struct broker *b);
/* The client holds something. Cheap when it is known already. */
void shed_note(struct client *c);
/* It is closed. */
void shed_forget(struct client *c);

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

static inline bool shed_is_tight(const struct broker *b)
{
    return memory_budget_is_tight(&b->memory, account.total);
}

#endif
