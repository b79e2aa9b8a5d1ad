/*
 * deliver - gets a message into one client's output, or decides what happens when it can't.
 *
 * Policy:   QoS 0 to a connection whose output is full is dropped and counted. QoS 1/2 to a clean
 *           session beyond its window (max_inflight), or while its output is high, waits in a queue
 *           of its own; when that is full the client is closed, so that it learns of the loss. QoS
 *           1/2 to a durable session is read from its queue in the store as the window has room.
 * Order:    one queue per session, so the order per publisher, topic and QoS is kept.
 */
#ifndef FLOTILLA_BROKER_DELIVERY_DELIVER_H
#define FLOTILLA_BROKER_DELIVERY_DELIVER_H

#include "broker/message/encode.h"

struct client;

/* What of a PUBLISH is its receiver's own. */
struct deliver_as {
    uint8_t qos;         /* effective */
    bool retain;         /* the flag to send */
    struct mqtt_ids ids; /* of the subscriptions by which it gets the message; borrowed */
};
/* A message for an online client; at QoS 1/2 the session is clean. May mark the client for closing,
 * never closes it. */
void deliver_message(struct client *c, struct delivery *d, struct deliver_as as);

/* Sends what waits, as far as window and output allow: after acknowledgements, wake-ups and writes.
 */
void deliver_pump(struct client *c);
/* The store says that the durable session's queue may have something. */
void deliver_wake(struct client *c);
/* A message of a group of shared subscriptions, for which there is room, to a member: a clean session,
 * or QoS 0. Returns its sequence; 0: it has none (QoS 0), or it wasn't sent. */
uint64_t deliver_taken(struct client *c, struct delivery *d, struct deliver_as as);
/* QoS 1 and 2 messages that the client could be sent now beside what waits already. If 0, the client is
 * marked for work when that changes. */
uint32_t deliver_room(struct client *c);
/* QoS 0 would be dropped. */
bool deliver_is_full(const struct client *c);

/* More than a window's worth waits for the client. */
bool deliver_is_behind(const struct client *c);
void deliver_drop_queue(struct client *c);
/* Of the messages in a clean session's own queue. */
size_t deliver_queue_bytes(const struct client *c);

#endif
