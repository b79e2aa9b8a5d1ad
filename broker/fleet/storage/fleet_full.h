/*
 * fleet_full - Redis has reached its maxmemory: what needs room waits, what frees some goes on.
 *
 * Data flow: whoever is refused a write for want of memory says so; the context's `full` is what publishes wait for,
 *            until Redis says that there is room again.
 */
#ifndef FLOTILLA_BROKER_FLEET_STORAGE_FLEET_FULL_H
#define FLOTILLA_BROKER_FLEET_STORAGE_FLEET_FULL_H

#include "broker/store/store.h"

struct fleet;

bool fleet_full_init(struct fleet *f);
void fleet_full_free(struct fleet *f);
/* A write was refused for want of memory. */
void fleet_full(struct fleet *f);
void fleet_full_tick(struct fleet *f);
/* Whether a publish that begins now would complete: STORE_FULL when Redis has no room for it, or no
 * replica has what it must have. A node whose own publish would wait doesn't take a will from a
 * node that waits. */
void fleet_full_ask(struct fleet *f, store_done_fn *done, void *arg);

#endif
