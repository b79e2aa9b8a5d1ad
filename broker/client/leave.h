/*
 * leave - a connection that is to be closed because its client id was taken over or its broker
 * drains: what its client sent before counts, so what its socket holds is handled first.
 *
 * Bounds:    read within the turn's budgets, like any client's input, and not without end: a peer
 *            that goes on sending isn't waited for beyond LEAVE_MS and LEAVE_BYTES. A broker that
 *            asks for a client id waits for a second at most (fleet protocol, rule 7), so the time
 *            is shorter.
 * Heir:      a newer connection of the client id on this broker waits until the old one is closed.
 *            A third one takes the second one's place.
 * Hand over: who asked for the client id for another broker is told when the connection is gone, and
 *            its end is in the store. Without memory to keep that, it is closed at once and he is told
 *            before: what the store does next for the newer connection fences what comes late.
 * Ownership: struct leaving is its client's, made with the first wish and freed with the client. Few
 *            clients are leaving, so the others have none.
 */
#ifndef FLOTILLA_BROKER_CLIENT_LEAVE_H
#define FLOTILLA_BROKER_CLIENT_LEAVE_H

#include <stdbool.h>
#include <stddef.h>

#include "broker/base/broker_stats.h"
#include "broker/store/store.h"

struct client;

enum { LEAVE_MS = 800, LEAVE_BYTES = 16 << 20 };

/* An online client enters LEAVING, if it isn't there already; c->end says why it will be closed. False: out of memory,
 * and nothing has changed. */
bool leave_begin(struct client *c);
/* `heir` claims its client id once c is closed. */
void leave_to(struct client *c, struct client *heir);
/* The client has been run: is all read, or its time over? `idle`: nothing of it can be handled now. */
bool leave_is_over(const struct client *c, bool idle);
/* So many bytes of it were read. */
void leave_note_read(struct client *c, size_t n);
/* The client is closed, or only its answers are waited for. Its heir goes on. */
void leave_end(struct client *c);
/* An heir that is closed isn't one any more. */
void leave_forget_heir(struct client *c);

/* Ends a client in good order: what the socket holds is handled and answered, then it is closed. One that isn't
 * connected yet is closed in this turn. */
void client_leave(struct client *c, enum client_end why);
/* Another broker takes the client id: drains the connection, then calls done. */
void client_hand_over(struct client *c, store_done_fn *done, void *arg);
/* Who asked is told that the client is gone, or that the store couldn't take its end. */
void leave_tell(struct client *c, enum store_status status);

#endif
