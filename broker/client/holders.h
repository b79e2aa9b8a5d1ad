/*
 * holders - the clients that hold memory over a turn.
 *
 * Data flow: modules that begin to keep something for a client call holders_note. A client that
 *            holds nothing any more leaves the list when shed.c looks at it next: in shedding, or
 *            within seconds by its tick, some thousand at a time.
 * Ownership: the list is in struct broker, and its entries are the clients': most clients hold
 *            nothing and have none.
 */
#ifndef FLOTILLA_BROKER_CLIENT_HOLDERS_H
#define FLOTILLA_BROKER_CLIENT_HOLDERS_H

#include <stdint.h>
#include <sys/queue.h>

struct client;

struct holder {
    TAILQ_ENTRY(holder) link;
    struct client *client;
    uint64_t looked_at_ms; /* for a slow packet (shed.c) */
};

/* The client holds something. Cheap when it is known already. Without memory for the entry the client is marked for
 * closing: what nobody sees couldn't be taken from it. */
void holders_note(struct client *c);
/* It is closed, or holds nothing any more. */
void holders_forget(struct client *c);

#endif
