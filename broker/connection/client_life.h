/*
 * client_life - makes a client for a connection, writes its output and ends it. client_close is the
 * one way out.
 *
 * Data flow: admission makes clients; the turn has their output written; any module may end one, at
 *            once here or later in the turn by client_close_later.
 * Ownership: the client takes the transport, and takes itself off all lists when it is closed; the
 *            turn frees it (client.h).
 */
#ifndef FLOTILLA_BROKER_CONNECTION_CLIENT_LIFE_H
#define FLOTILLA_BROKER_CONNECTION_CLIENT_LIFE_H

#include <stdbool.h>

#include "broker/base/broker_stats.h"
#include "broker/client/client_state.h"

struct broker;
struct client;
struct listener;
struct transport;

/* What a connection is, behind its PROXY header if it has one. `l` NULL: a listener for MQTT itself. */
enum client_state client_first_state(const struct listener *l);
/* The same within TLS, or where there is none. */
enum client_state client_secured_state(const struct listener *l);
/* Takes the transport. NULL when out of memory (the transport is freed). */
struct client *client_new(struct broker *b, struct listener *l, struct transport *t, bool trusted,
                          bool wants_proxy);
/* By the turn only. */
void client_free(struct client *c);

/* Ends the connection now, from any state; what is under way in the store goes on. Not while the router iterates:
 * client_close_later is for that, and the turn closes it. */
void client_close(struct client *c, enum client_end why);
/* The same without telling the store: the session belongs to another connection now. */
void client_close_silently(struct client *c, enum client_end why);
/* All that a leaving client sent is read, or its time is over: it is closed for its heir, or once it
 * is answered. */
void client_end_leaving(struct client *c);

/* Writes once. A phase of the turn. */
void client_flush(struct client *c);

#endif
