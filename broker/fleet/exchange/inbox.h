/*
 * inbox - what other nodes sent to this one: from its stream (QoS 1 and 2, wake-ups, requests) and its
 * channel (QoS 0).
 *
 * Data flow: each item goes to who deals with it; what was here before is dropped; what was dealt with is
 *            trimmed from the stream.
 */
#ifndef FLOTILLA_BROKER_FLEET_EXCHANGE_INBOX_H
#define FLOTILLA_BROKER_FLEET_EXCHANGE_INBOX_H

#include "broker/message/message.h"

struct fleet;

bool inbox_init(struct fleet *f);
void inbox_free(struct fleet *f);
/* A new inbox of this id, read from its beginning. */
void inbox_start(struct fleet *f);
/* The id of an entry that was just added. Below what was read already: the stream was made anew. */
void inbox_has_entry(struct fleet *f, const char *id);
void inbox_tick(struct fleet *f);
void inbox_flush(struct fleet *f);
/* A batch of the channel: a reply of that link. */
void inbox_take_channel(struct fleet *f, const char *payload, size_t len);
/* Goes on with what was read from the inbox and the channel, within the turn's box. */
void inbox_go_on(struct fleet *f);
/* True when the id was there already within the dedup window; notes it otherwise. */
bool inbox_knows(struct fleet *f, struct message_id id);
/* What came of it failed, and it will be tried again. */
void inbox_forget(struct fleet *f, struct message_id id);

#endif
