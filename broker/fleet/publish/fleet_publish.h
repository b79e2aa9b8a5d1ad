/*
 * fleet_publish - rule 5: a message is done when it is in each queue, on its way to each node, and Redis had
 * no change that this node doesn't know.
 *
 * Data flow: store_redis.c and wills bring messages; fleet_gather.c hands out its parts.
 * Order:     those of one publisher complete in the order of the calls.
 */
#ifndef FLOTILLA_BROKER_FLEET_PUBLISH_FLEET_PUBLISH_H
#define FLOTILLA_BROKER_FLEET_PUBLISH_FLEET_PUBLISH_H

#include "broker/store/store.h"

struct fleet;

bool fleet_publishing_init(struct fleet *f);
void fleet_publishing_free(struct fleet *f);
void fleet_publish(struct fleet *f, const struct store_publish_request *req, store_done_fn *done,
                   void *arg);
void fleet_publish_tick(struct fleet *f);
void fleet_publish_reset(struct fleet *f);
/* Marks those that were taken from this node (fleet_taken.h). */
void fleet_publish_void(struct fleet *f);

#endif
