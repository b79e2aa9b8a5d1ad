/*
 * fleet_enqueue - puts a message into the queue of one durable session and nowhere else: a retained
 * value for a new subscription.
 *
 * Data flow: store_redis.c calls it; fleet_queue.c writes it, with the turn's other messages.
 *            It completes when a version that was asked for behind it (fleet_version.c) is answered:
 *            by then it is written, and with `durability: replica` a replica has it.
 * Ownership: the message is referenced until the completion.
 * Errors:    STORE_FULL where Redis has no room: it isn't held and tried again, as a publish is.
 *            STORE_UNAVAILABLE: it may be in the queue or not.
 */
#ifndef FLOTILLA_BROKER_FLEET_PUBLISH_FLEET_ENQUEUE_H
#define FLOTILLA_BROKER_FLEET_PUBLISH_FLEET_ENQUEUE_H

#include "broker/store/store.h"

struct fleet;

void fleet_enqueue(struct fleet *f, struct message *m, const struct store_queue_target *target,
                   store_done_fn *done, void *arg);

#endif
