/*
 * input - from a client's bytes to its packets: reads into the broker's shared buffer, decodes in
 * place, hands each packet to its handler (handle.h), keeps what is left over.
 *
 * A client owns a buffer only while a part of a packet, or a packet that mustn't be handled yet,
 * waits. A packet larger than the shared buffer is gathered there directly.
 */
#ifndef FLOTILLA_BROKER_INPUT_H
#define FLOTILLA_BROKER_INPUT_H

struct client;

/* client_run of client.h is here, too. */

void input_drop_rest(struct client *c);

#endif
