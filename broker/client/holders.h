/*
 * holders - the clients that hold memory over a turn.
 *
 * Data flow: modules that begin to keep something for a client call holders_note. A client that
 *            holds nothing any more leaves the list when shed.c looks at it next: in shedding, or
 *            within seconds by its tick, some thousand at a time.
 * Ownership: the list is in struct broker, linked through the clients.
 */
#ifndef FLOTILLA_BROKER_CLIENT_HOLDERS_H
#define FLOTILLA_BROKER_CLIENT_HOLDERS_H

struct client;

/* The client holds something. Cheap when it is known already. */
void holders_note(struct client *c);
/* It is closed. */
void holders_forget(struct client *c);

#endif
