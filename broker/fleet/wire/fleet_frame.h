/*
 * fleet_frame - a message as bytes: in a batch to another node, in a queue, as a retained value, as
 * a will.
 *
 *   flags · [expiry] · topic · payload · [properties] · [message id: node, sequence] · [publisher]
 *
 * Scripts read the QoS in the two lowest bits of the flags, and where bit 0x20 is set the expiry, whose size is
 * fixed.
 *
 * Every variable part has its length in front, so frames stand side by side in a batch.
 */
#ifndef FLOTILLA_BROKER_FLEET_WIRE_FLEET_FRAME_H
#define FLOTILLA_BROKER_FLEET_WIRE_FLEET_FRAME_H

#include "broker/fleet/wire/fleet_bytes.h"
#include "broker/message/message.h"

/* `remember`: receivers drop a second message of this id within the dedup window. */
void fleet_frame_put(struct fleet_bytes *b, const struct message *m, bool remember);
/* A new message, or NULL (and the reader failed) when these bytes are none, or out of memory. */
struct message *fleet_frame_get(struct fleet_reader *r, bool *remember);

/* Passes over one. */
void fleet_frame_skip(struct fleet_reader *r);

/* Copy of a message under another id. NULL when out of memory. */
struct message *fleet_message_with_id(const struct message *m, struct message_id id);

/* Message ids as 16 bytes. */
void fleet_id_write(uint8_t out[16], struct message_id id);
bool fleet_id_read(const void *data, size_t len, struct message_id *id);

#endif
