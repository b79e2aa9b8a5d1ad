/*
 * input - from a client's bytes to its packets: reads into the broker's shared buffer, decodes in
 * place, hands each packet to its handler (handle.h), keeps what is left over.
 *
 * A client owns a buffer only while a part of a packet, or a packet that mustn't be handled yet,
 * waits. A packet larger than the shared buffer is gathered there directly.
 */
#ifndef FLOTILLA_BROKER_LOOP_INPUT_H
#define FLOTILLA_BROKER_LOOP_INPUT_H

#include <stdbool.h>
#include <stddef.h>

struct client;

/* client_run of client.h is here, too. */

/* Looks, while the client waits for its CONNACK, whether it has gone: then closes it. False also for
 * one that sent more than its CONNECT before it ended: that still counts. Uses the shared buffer. */
bool input_has_left(struct client *c);
void input_drop_rest(struct client *c);
/* What a begun packet, or what waits to be handled, takes. */
size_t input_rest_bytes(const struct client *c);
/* A begun packet made too little progress (shed.h has the rate). Asked now and then. */
bool input_is_too_slow(struct client *c);

#endif
