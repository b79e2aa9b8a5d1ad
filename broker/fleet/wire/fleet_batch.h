/*
 * fleet_batch - what a node sends to another one at once: a header and items, in an entry of its inbox or in a
 * message on its channel.
 */
#ifndef FLOTILLA_BROKER_FLEET_WIRE_FLEET_BATCH_H
#define FLOTILLA_BROKER_FLEET_WIRE_FLEET_BATCH_H

#include <stdint.h>

struct fleet_bytes;

/* Kinds of items in a batch. */
enum fleet_item {
    ITEM_MESSAGE = 'M',    /* frame */
    ITEM_WAKE = 'W',       /* client: its queue has something */
    ITEM_SHARED = 'S',     /* group, tried (0, 1), frame: for one of its members (QoS 0) */
    ITEM_SHARE_WAKE = 'Q', /* group, messages: its queue has so many more */
    ITEM_HAND_OVER = 'L',  /* request, epoch, client */
    ITEM_GONE = 'D',       /* request: the answer to it */
    ITEM_GAP = 'G',        /* messages were lost here */
    ITEM_BARRIER = 'B',    /* token */
    ITEM_VOID = 'V',       /* frame: was taken from its sender before it was written */
};

/* The header of a batch; `number` 0 on channels. */
void fleet_batch_begin(struct fleet_bytes *b, uint64_t sender, uint64_t number);

#endif
