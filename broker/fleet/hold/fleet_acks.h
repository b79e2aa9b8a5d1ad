/*
 * fleet_acks - what clients acknowledged of their sessions' queues, gathered until the turn's end:
 * one call per session.
 *
 * Data flow: fleet_deliver.c adds and has it written at the turn's end; fleet_assert.c has it written before it
 *            asserts the session, so that what is finished here is so there.
 * Ownership: a hold with acknowledgements is referenced until they are written.
 */
#ifndef FLOTILLA_BROKER_FLEET_HOLD_FLEET_ACKS_H
#define FLOTILLA_BROKER_FLEET_HOLD_FLEET_ACKS_H

#include "broker/store/store.h"

struct fleet;
struct fleet_hold;

/* One more; `what`: 'a'cknowledged, 'r'eleased, 'c'ompleted. `done` may be NULL. False when out of memory. */
bool fleet_acks_add(struct fleet_hold *h, char what, uint64_t sequence, store_done_fn *done,
                    void *arg);
/* Writes what is gathered of this hold. One that has ended meanwhile is told STORE_UNAVAILABLE. */
void fleet_acks_write(struct fleet_hold *h);
/* A hold that has some, NULL: there is none. Its reference is the caller's. */
struct fleet_hold *fleet_acks_take(struct fleet *f);
void fleet_acks_reset(struct fleet *f);

#endif
