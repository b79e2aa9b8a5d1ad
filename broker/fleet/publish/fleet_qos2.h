/*
 * fleet_qos2 - the packet id of an incoming QoS 2 message of a durable session, bound to the message's id in Redis:
 * a resend after a crash, on any broker, is the same message. PUBREL ends that.
 */
#ifndef FLOTILLA_BROKER_FLEET_PUBLISH_FLEET_QOS2_H
#define FLOTILLA_BROKER_FLEET_PUBLISH_FLEET_QOS2_H

#include <hiredis/hiredis.h>

#include "broker/store/store.h"
#include "common/redis/redis_queue.h"

struct fleet;
struct fleet_hold;

/* Asks for it to be bound; fleet_qos2_bound reads the answer. */
void fleet_qos2_bind(struct fleet *f, struct store_hold *hold, uint16_t packet_id,
                     struct message_id id, redis_reply_fn *fn, void *arg);
/* To this id: the given one, or that of an earlier try. `r` is no error. STORE_FENCED: the session has a newer
 * connection, and the hold is dropped. */
enum store_status fleet_qos2_bound(const redisReply *r, struct fleet_hold *h,
                                   struct message_id *bound);
/* The publisher sent PUBREL. */
void fleet_qos2_end(struct fleet *f, struct store_hold *hold, uint16_t packet_id,
                    store_done_fn *done, void *arg);

#endif
