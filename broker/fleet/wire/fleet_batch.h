/*
 * fleet_batch - what a node sends to another one at once: a header and items, in an entry of its inbox or in a
 * message on its channel.
 */
#ifndef FLOTILLA_BROKER_FLEET_WIRE_FLEET_BATCH_H
#define FLOTILLA_BROKER_FLEET_WIRE_FLEET_BATCH_H

#include <stdbool.h>
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

/*
 * The number of a batch in an inbox says which one it is, and which one must have come before it (fleet_chain.h):
 *
 *     bit 63: 1 | bits 62 to 21: the call | bit 20: the stream | bits 19 to 0: how far before it the named call is, or 0
 *
 * Messages and requests are streams of their own, because Redis may refuse messages while it is full, and requests must
 * not wait for them. A receiver compares a number with the last one of its stream. Numbers grow over both, so brokers
 * that knew one stream only and compared the whole number drop repeats as well. A number without bit 63 is from such a
 * broker, or a marker's: it is of the first stream and names none.
 */
enum fleet_batch_stream { FLEET_BATCH_MESSAGES, FLEET_BATCH_REQUESTS };
#define FLEET_BATCH_STREAMS (FLEET_BATCH_REQUESTS + 1)
enum { FLEET_BATCH_FAR = (1 << 20) - 1 };

static inline bool fleet_batch_may_name(uint64_t call, uint64_t before)
{
    return before == 0 || call - before <= FLEET_BATCH_FAR;
}
/* `before`: what it names, 0: none. */
uint64_t fleet_batch_number(enum fleet_batch_stream stream, uint64_t call, uint64_t before);
enum fleet_batch_stream fleet_batch_stream(uint64_t number);
uint64_t fleet_batch_call(uint64_t number);
/* The call that it names; 0: none. */
uint64_t fleet_batch_before(uint64_t number);
/* The same without naming a call. */
uint64_t fleet_batch_names_none(uint64_t number);
/* Whether a receiver whose last batch of this sender and stream had the number `last` (0: none) had what this one
 * names. */
bool fleet_batch_follows(uint64_t number, uint64_t last);

#endif
