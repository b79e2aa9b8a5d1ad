/*
 * secure - from the first bytes of a connection on a TLS listener to a transport that speaks TLS.
 *
 * Data flow: input.c gives what came first, as it does for a PROXY header (which comes before TLS, in the clear);
 *            net/transport_tls.c takes the transport's place, and the turn goes on with the handshake whenever there is
 *            more of it. When it is done, the connection is what its listener says: an HTTP request or CONNECT is next.
 * Cost:      connections that send nothing have no TLS object. A handshake costs 0.2 ms of the loop with an ECDSA
 *            key, 1 ms with RSA: those of one turn end when SECURING_NS are used, so that a storm of them holds up the
 *            connected clients no longer than that. The rest goes on in the next turn, in its order.
 * Errors:    a failed handshake is logged (rate-limited), counted and closed, after OpenSSL's alert.
 */
#ifndef FLOTILLA_BROKER_CONNECTION_SECURE_H
#define FLOTILLA_BROKER_CONNECTION_SECURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct client;

/* The client is SECURING, and these are its first bytes. Returns how many are done with: all, or 0: it is closed. */
size_t secure_take(struct client *c, const uint8_t *buf, size_t len);
/* Its handshake is under way: secure_go_on is to be called instead of reading. */
bool secure_is_under_way(const struct client *c);
/* True: something was done, and there may be more to do. */
bool secure_go_on(struct client *c);

#endif
