/*
 * connack - the answer to a CONNECT.
 */
#ifndef FLOTILLA_BROKER_PROTOCOL_CONNACK_H
#define FLOTILLA_BROKER_PROTOCOL_CONNACK_H

#include "broker/base/broker_stats.h"
#include "common/mqtt/mqtt.h"

struct client;

/* False when out of memory. */
bool connack_send(struct client *c, enum mqtt_connack3 code, bool session_present);
/* Counts it, logs it, says it to the client and closes it. */
void connack_refuse(struct client *c, enum mqtt_connack3 code, enum refusal why);

#endif
