/*
 * fleet_queue - a turn's messages for the queues of durable sessions: one script call a bucket.
 *
 * Ownership: a batch refers to its publishes until it is answered.
 */
#ifndef FLOTILLA_BROKER_FLEET_PUBLISH_FLEET_QUEUE_H
#define FLOTILLA_BROKER_FLEET_PUBLISH_FLEET_QUEUE_H

#include "broker/store/store.h"

struct fleet;
struct fleet_parts;

bool fleet_queues_init(struct fleet *f);
void fleet_queues_free(struct fleet *f);
struct fleet_queue_how {
    bool remember;   /* the message's id */
    bool is_value;   /* a retained value */
    uint64_t client; /* hash of the client id, for fleet_parts_unknown and _held */
};
void fleet_queue_add(struct fleet *f, struct fleet_parts *p, const struct message *m,
                     const struct store_queue_target *target, struct fleet_queue_how how);
void fleet_queues_flush(struct fleet *f);
/* What is void isn't written any more, although it was sent and isn't answered. */
void fleet_queues_void(struct fleet *f);
/* Another run of Redis gets what the former one didn't answer. */
void fleet_queues_run_changed(struct fleet *f);
void fleet_queues_reset(struct fleet *f);

#endif
