/*
 * admission - whether an accepted connection is admitted: connection limits, and whether it may
 * send a PROXY header.
 *
 * Data flow: listener.c accepts; an admitted connection becomes a client, any other is closed at
 *            once, counted and logged.
 */
#ifndef FLOTILLA_BROKER_CONNECTION_ADMISSION_H
#define FLOTILLA_BROKER_CONNECTION_ADMISSION_H

#include <stdbool.h>
#include <stddef.h>

struct broker;
struct listener;
struct peer;

/* Opens all listeners. False with a sentence in err. */
bool admission_open(struct broker *b, char *err, size_t errlen);

/* listener_owner.accepted; arg is the broker. */
void admission_accepted(void *arg, struct listener *l, int fd, const struct peer *peer);

#endif
