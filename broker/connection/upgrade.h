/*
 * upgrade - from the HTTP request of a connection on a WebSocket listener to a transport that speaks WebSocket.
 *
 * Data flow: input.c gives what came, as it does for a PROXY header; net/websocket_upgrade.c decides; the answer goes
 *            straight to the socket, which is empty still. Granted: net/transport_websocket.c takes the transport's
 *            place, and the connection waits for CONNECT. Refused: answered, counted, logged and closed.
 */
#ifndef FLOTILLA_BROKER_CONNECTION_UPGRADE_H
#define FLOTILLA_BROKER_CONNECTION_UPGRADE_H

#include <stddef.h>
#include <stdint.h>

struct client;

/* The client is UPGRADING. Returns how many of the bytes are done with: all, or 0. In the latter case the client is
 * closed, or `need` is how many it takes to look again. */
size_t upgrade_take(struct client *c, const uint8_t *buf, size_t len, uint32_t *need);

#endif
