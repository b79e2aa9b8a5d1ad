/*
 * memory_restore - puts into a new memory store what was stored before a restart: as it was then, without telling the
 * journal, whatever the bounds are now. What was acknowledged is there.
 *
 * Data flow: store/file/file_load.c reads the file and calls these, sessions before what is theirs; the store isn't in
 *            use yet. What is due is done in the store's first turns.
 * Times:     by store_now_ms.
 * Errors:    false: out of memory, or what can't be right (a queue's sequences).
 */
#ifndef FLOTILLA_BROKER_STORE_MEMORY_RESTORE_H
#define FLOTILLA_BROKER_STORE_MEMORY_RESTORE_H

#include "broker/store/journal.h"
#include "broker/store/memory_sessions.h"

/* Its times are by store_now_ms here. A connection that was there counts as ended now: its will is due after its delay,
 * its session expires from now on. NULL: out of memory. */
struct memory_session *memory_restore_session(struct store_memory *s,
                                              const struct journal_session *was);
/* A group of before; and a durable session is a member of this one. */
struct memory_group *memory_restore_group(struct store_memory *s, struct mqtt_slice filter,
                                          uint64_t number);
bool memory_restore_member(struct store_memory *s, struct mqtt_slice filter);
/* By their numbers; `since_ms`: when it was published. */
bool memory_restore_shared(struct store_memory *s, struct memory_group *g, struct message *m,
                           uint64_t number, uint64_t since_ms);
/* By their sequences. `e`: session and group by number aren't looked at; `from` is the group it is a copy of, or NULL. */
bool memory_restore_queued(struct memory_session *m, struct message *message,
                           const struct journal_entry *e, struct memory_group *from);
/* What is before this sequence may have been sent; after all of the queue. */
bool memory_restore_sent(struct memory_session *m, uint64_t after);
/* In the order in which they were released. */
bool memory_restore_released(struct memory_session *m, uint64_t sequence);
bool memory_restore_qos2(struct memory_session *m, uint16_t packet_id);
/* Once all is there, and the journal is told again. `was_connected`: it is away from now on, and
 * gone if nothing else is kept of it. */
void memory_restore_done(struct memory_session *m, bool was_connected);

#endif
