/*
 * fleet_outbox - what goes into another node's inbox: one stream entry a turn (rule 5).
 *
 * Entry: sender's id, number of the entry (its receiver drops numbers it had: a replay), items.
 * Bound: when the inbox has `inbox_limit` entries the outbox pauses, which holds acknowledgements;
 *        after 2 s what waits is dropped and the entry is a gap mark instead.
 */
#ifndef FLOTILLA_BROKER_FLEET_EXCHANGE_FLEET_OUTBOX_H
#define FLOTILLA_BROKER_FLEET_EXCHANGE_FLEET_OUTBOX_H

#include "broker/fleet/wire/fleet_bytes.h"
#include "common/redis/redis_queue.h"

struct fleet;
struct fleet_parts;
struct route_node;

/* Kinds of items in a batch. */
enum fleet_item {
    ITEM_MESSAGE = 'M', /* frame */
    ITEM_WAKE = 'W',    /* client: its queue has something */
    ITEM_LET_GO = 'L',  /* request, epoch, client */
    ITEM_GONE = 'D',    /* request: the answer to it */
    ITEM_GAP = 'G',     /* messages were lost here */
    ITEM_BARRIER = 'B', /* token */
    ITEM_VOID = 'V',    /* frame: was taken from its sender before it was written */
};

struct outbox_chunk {
    struct outbox_chunk *next;
    uint64_t node;
    struct fleet_bytes items; /* with the header in front */
    struct fleet_parts **publishes;
    size_t publish_count, publish_size;
    size_t messages;
};

struct outbox {
    struct outbox_chunk *head, *tail; /* not sent yet; the tail is being filled */
    struct fleet_bytes requests;      /* and answers: a batch that goes behind them */
    uint64_t paused_since_ms;         /* 0: not paused */
    uint64_t length_asked_ms;
    uint64_t length; /* of the inbox, as last seen */
    size_t bytes;
};

/* The header of a batch; `number` 0 on channels. */
void fleet_batch_begin(struct fleet_bytes *b, uint64_t sender, uint64_t number);

void outbox_add_message(struct fleet *f, struct route_node *n, struct fleet_parts *p,
                        const struct fleet_bytes *frame);
void outbox_add_wake(struct fleet *f, struct route_node *n, struct mqtt_slice client);
void outbox_add_let_go(struct fleet *f, struct route_node *n, uint64_t request, uint64_t epoch,
                       struct mqtt_slice client);
void outbox_add_gone(struct fleet *f, struct route_node *n, uint64_t request);
/* Into a node's inbox, also when Redis is full: takeovers go on. NIL: there is no such inbox. */
void outbox_write_small(struct fleet *f, uint64_t node, const struct fleet_bytes *batch,
                        redis_reply_fn *fn, void *arg);
void outboxes_flush(struct fleet *f);
void outboxes_tick(struct fleet *f);
/* Drops what waits: its node is gone, or this one starts over. */
void outbox_drop(struct fleet *f, struct route_node *n);
/* Messages that are void (fleet_taken.h) aren't delivered, although they are in a chunk. */
void outboxes_void(struct fleet *f);

#endif
