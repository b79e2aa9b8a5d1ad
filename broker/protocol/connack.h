/*
 * connack - the answer to a CONNECT.
 */
#ifndef FLOTILLA_BROKER_PROTOCOL_CONNACK_H
#define FLOTILLA_BROKER_PROTOCOL_CONNACK_H

#include "broker/base/broker_stats.h"
#include "common/mqtt/mqtt.h"

struct broker_config;
struct client;

/* A 5.0 client is told what it may do (3.2.2.3). False: out of memory, or larger than the client takes (it is
 * marked for closing then). */
bool connack_accept(struct client *c, bool session_present);
/* Counts it, logs it, says it to the client in its version's words and closes it. `text`: literal of at
 * most REASON_TEXT_MAX bytes, or NULL. */
void connack_refuse(struct client *c, enum mqtt_reason reason, enum refusal why, const char *text);

/* QoS 1 and 2 messages that a 5.0 client may have unanswered. */
uint16_t connack_receive_maximum(const struct broker_config *config);

#endif
