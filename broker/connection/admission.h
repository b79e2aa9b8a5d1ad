/*
 * admission - whether an accepted connection may come in at all: connection limits, and who may send
 * a PROXY header.
 *
 * Data flow: listener.c accepts; what is let in becomes a client. What isn't is closed at once,
 *            counted and logged.
 */
#ifndef FLOTILLA_BROKER_CONNECTION_ADMISSION_H
#define FLOTILLA_BROKER_CONNECTION_ADMISSION_H

struct listener;
struct peer;

/* listener_owner.accepted; arg is the broker. */
void admission_accepted(void *arg, struct listener *l, int fd, const struct peer *peer);

#endif
