/*
 * fleet_deliver - rule 8: reads a session's queue, and tells Redis what the client acknowledged.
 */
#ifndef FLOTILLA_BROKER_FLEET_SESSION_FLEET_DELIVER_H
#define FLOTILLA_BROKER_FLEET_SESSION_FLEET_DELIVER_H

#include "broker/store/store.h"

struct fleet;

void fleet_fetch(struct fleet *f, struct store_hold *hold, uint64_t from, size_t max,
                 size_t max_bytes, store_fetch_fn *done, void *arg);
void fleet_ack(struct fleet *f, struct store_hold *hold, char what, uint64_t sequence,
               store_done_fn *done, void *arg);
/* Writes what was acknowledged in this turn. */
void fleet_acks_flush(struct fleet *f);

#endif
