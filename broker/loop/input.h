/*
 * input - from a client's bytes to its packets: reads into the broker's shared buffer, decodes in
 * place, hands each packet to its handler (handle.h), keeps what is left over (rest.h).
 *
 * A client owns a buffer only while a part of a packet, or a packet that mustn't be handled yet,
 * waits. A packet larger than the shared buffer is gathered there directly.
 */
#ifndef FLOTILLA_BROKER_LOOP_INPUT_H
#define FLOTILLA_BROKER_LOOP_INPUT_H

struct client;

/* A phase of the turn: reads and handles within the client's budget. */
void input_run(struct client *c);

#endif
