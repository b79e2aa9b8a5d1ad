/*
 * crowd - how many connections one address or one user may have at once, and how fast an address may connect:
 * limits.max_connections_per_address, max_connect_rate, max_connections_per_user.
 *
 * An address counts when it is known whose it is: at accept, or once a trusted proxy has said it; a trusted proxy's own
 * never does. IPv6 counts by /64. A user counts when its login was right; the connection that this one's client id is
 * taken over from doesn't count, or a phone that changes networks would keep itself out.
 * Cost: nothing without such limits. What came before a reload that sets the first one isn't counted.
 */
#ifndef FLOTILLA_BROKER_CONNECTION_CROWD_H
#define FLOTILLA_BROKER_CONNECTION_CROWD_H

#include <stdbool.h>

#include "broker/base/broker_stats.h"

struct broker;
struct client;
struct peer;

/* The address: counts it, with `*counted` set if it did. REFUSAL_COUNT: it may come. */
enum refusal crowd_take_address(struct broker *b, const struct peer *peer, bool *counted);
/* It came to nothing. */
void crowd_give_back(struct broker *b, const struct peer *peer, bool counted);
/* The same for a client whose address a proxy has just told. False: closed. */
bool crowd_admit_address(struct client *c);
/* c->who is set. False: one connection of this user too many, and nothing is counted. */
bool crowd_admit_user(struct client *c);
/* The connection ends; its transport is still there. */
void crowd_leave(struct client *c);

#endif
