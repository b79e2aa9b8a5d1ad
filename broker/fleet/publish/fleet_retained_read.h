/*
 * fleet_retained_read - reads retained values for a subscription, in chunks.
 *
 * Ownership: a reading belongs to this module, until it is done or cancelled.
 */
#ifndef FLOTILLA_BROKER_FLEET_PUBLISH_FLEET_RETAINED_READ_H
#define FLOTILLA_BROKER_FLEET_PUBLISH_FLEET_RETAINED_READ_H

#include "broker/store/store.h"

struct fleet;

bool fleet_retained_reads_init(struct fleet *f);
void fleet_retained_reads_free(struct fleet *f);
struct store_retained_read *fleet_retained_start(struct fleet *f, struct mqtt_slice filter,
                                                 store_retained_fn *each,
                                                 store_retained_chunk_fn *chunk,
                                                 store_done_fn *done, void *arg);
void fleet_retained_continue(struct store_retained_read *read);
void fleet_retained_cancel(struct store_retained_read *read);
void fleet_retained_tick(struct fleet *f);
void fleet_retained_reset(struct fleet *f);

#endif
