/*
 * fleet_taken_apply - gives up the clients that others took from this node while it was silent (fleet_taken.h).
 *
 * No client waits any more for what this node does for them. Their connections here are closed
 * without a will and without reading what lies in their sockets; connecting attempts end; and what
 * is pending for them in commands without an answer is made void in place, so that the order and
 * the numbers of all other parts stay as they are:
 *     queues    a target's flags say that it is skipped
 *     retained  a value's number is 0, below every high water
 *     inboxes   a message's kind says that it is skipped
 * Everything else that these connections do asks for its epoch at Redis (session scripts), carries it
 * (log entries) or is harmless late (wake-ups, requests). Wills that this node was to publish for them
 * are messages like others. QoS 0 on channels goes out: it was never promised.
 * Data flow: fleet_register.c applies, before anything is replayed; the next turns begin with what is left to be
 *            closed.
 */
#ifndef FLOTILLA_BROKER_FLEET_MEMBERSHIP_FLEET_TAKEN_APPLY_H
#define FLOTILLA_BROKER_FLEET_MEMBERSHIP_FLEET_TAKEN_APPLY_H

#include <stdbool.h>

struct fleet;
struct timebox;

/* Voids what is pending, and begins to close the connections; nobody is served until that is done. */
void fleet_taken_apply(struct fleet *f);
/* Goes on with that: true when nothing is left to be closed. */
bool fleet_taken_close(struct fleet *f, struct timebox *box);

#endif
