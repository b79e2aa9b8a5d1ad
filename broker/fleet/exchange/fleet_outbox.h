/*
 * fleet_outbox - what goes into another node's inbox: one stream entry per turn (rule 5).
 *
 * Entry: sender's id, number of the entry (its receiver drops numbers it had: a replay), items.
 * Bound: when the inbox has `inbox_limit` entries the outbox pauses, which holds acknowledgements;
 *        after 2 s what waits is dropped and the entry is a gap mark instead.
 */
#ifndef FLOTILLA_BROKER_FLEET_EXCHANGE_FLEET_OUTBOX_H
#define FLOTILLA_BROKER_FLEET_EXCHANGE_FLEET_OUTBOX_H

#include "common/mqtt/mqtt.h"
#include "common/redis/redis_queue.h"

struct fleet;
struct fleet_bytes;
struct fleet_parts;
struct route_node;

void outbox_add_message(struct fleet *f, struct route_node *n, struct fleet_parts *p,
                        const struct fleet_bytes *frame);
void outbox_add_wake(struct fleet *f, struct route_node *n, struct mqtt_slice client);
/* The node's members of a group may take so many messages. */
void outbox_add_share_wake(struct fleet *f, struct route_node *n, struct mqtt_slice filter,
                           uint32_t messages);
void outbox_add_hand_over(struct fleet *f, struct route_node *n, uint64_t request, uint64_t epoch,
                          struct mqtt_slice client);
void outbox_add_gone(struct fleet *f, struct route_node *n, uint64_t request);
/* Into a node's inbox, also when Redis is full: takeovers go on. NIL: there is no such inbox. */
void outbox_write_small(struct fleet *f, uint64_t node, const struct fleet_bytes *batch,
                        redis_reply_fn *fn, void *arg);
/* Another run of Redis gets what the former one didn't answer. */
void outboxes_run_changed(struct fleet *f);
void outboxes_flush(struct fleet *f);
void outboxes_tick(struct fleet *f);
/* Messages that are void (fleet_taken.h) aren't delivered, although they are in a chunk. */
void outboxes_void(struct fleet *f);

#endif
