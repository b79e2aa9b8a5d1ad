/*
 * fleet_leave - the end of a node: it leaves the fleet, so that other nodes needn't wait for its
 * lease to end.
 */
#ifndef FLOTILLA_BROKER_FLEET_FLEET_LEAVE_H
#define FLOTILLA_BROKER_FLEET_FLEET_LEAVE_H

#include "broker/store/store.h"

struct fleet;

bool fleet_leave_init(struct fleet *f);
void fleet_leave_free(struct fleet *f);
/* Releases what can be released until then (monotonic), and calls done. */
void fleet_shutdown(struct fleet *f, uint64_t deadline_ms, store_done_fn *done, void *arg);
void fleet_leave_tick(struct fleet *f);

#endif
