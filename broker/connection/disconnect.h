/*
 * disconnect - tells a 5.0 client why its connection ends (3.14); earlier versions have no words for it.
 *
 * Data flow: client_life.c asks for it before it closes a connection whose peer still listens.
 */
#ifndef FLOTILLA_BROKER_CONNECTION_DISCONNECT_H
#define FLOTILLA_BROKER_CONNECTION_DISCONNECT_H

#include "broker/base/broker_stats.h"

struct client;

/* Puts a DISCONNECT into the output of a connected client, if it understands one and there is something
 * to say. The reason is in the words of 5.0 (2.4), with a sentence if the client wants one and takes it. */
void disconnect_tell(struct client *c, enum client_end why);

#endif
