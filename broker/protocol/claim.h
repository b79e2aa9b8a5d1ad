/*
 * claim - takes the client id of a CONNECT that was let in for its connection, here and by
 * the store in the whole fleet, then answers: CONNACK, and the session's unfinished business.
 *
 * Data flow: handle_connect.c sets CLAIMING; input.c calls once the shared read buffer is free, and
 *            the turn when something the claim waits for has changed.
 */
#ifndef FLOTILLA_BROKER_PROTOCOL_CLAIM_H
#define FLOTILLA_BROKER_PROTOCOL_CLAIM_H

struct client;

/* Takes over an older connection of the client id on this broker and asks the store for it. Does
 * nothing if that was done before, or if the older one isn't gone yet. */
void claim_client_id(struct client *c);

#endif
