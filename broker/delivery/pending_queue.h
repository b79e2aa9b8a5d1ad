/*
 * pending_queue - QoS 1 and 2 messages that wait until the window of a clean session has room.
 *
 * Data flow: deliver.c pushes what can't go into the client's output yet, and pops it when it can.
 * Ownership: the client has the queue. The queue has a reference to each message, and a copy of the
 *            identifiers that go with it.
 * Bounds:    none here: deliver.c looks at `count` and `bytes` first.
 * Errors:    NULL or false: out of memory. What was there stays.
 */
#ifndef FLOTILLA_BROKER_DELIVERY_PENDING_QUEUE_H
#define FLOTILLA_BROKER_DELIVERY_PENDING_QUEUE_H

#include "broker/message/kept_ids.h"

struct message;

struct pending {
    struct message *message;
    struct kept_ids ids;
    uint8_t qos;
    bool retain;
};

struct pending_block;

struct pending_queue {
    struct pending_block *first, *last; /* one at least */
    uint32_t head;                      /* of the first block: the oldest item */
    uint32_t count;                     /* of all items */
    uint64_t bytes;
};

struct pending_queue *pending_queue_new(void);
/* Keeps the message and the identifiers. */
bool pending_queue_push(struct pending_queue *q, struct message *m, uint8_t qos, bool retain,
                        struct mqtt_ids ids);
/* The oldest one, of one at least: it is the caller's now (pending_drop). */
struct pending pending_queue_pop(struct pending_queue *q);
void pending_drop(struct pending p);
/* For leftovers.h: one message less. False: that was the last one, and the queue is freed with it. */
bool pending_queue_release(void *queue);

#endif
