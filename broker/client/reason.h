/*
 * reason - packets to a client that say why: reason codes and reason strings of 5.0 (2.4, 3.1.2.11.7), and
 * nothing of them for earlier versions.
 *
 * Errors: out of memory marks the client for closing.
 */
#ifndef FLOTILLA_BROKER_CLIENT_REASON_H
#define FLOTILLA_BROKER_CLIENT_REASON_H

#include <stdbool.h>
#include <stdint.h>

#include "common/mqtt/mqtt.h"

struct client;

enum { REASON_TEXT_MAX = 256 };

/* PUBACK, PUBREC, PUBREL, PUBCOMP. */
void reason_answer(struct client *c, enum mqtt_type type, uint16_t packet_id, uint8_t reason);
/* A packet whose properties are `props` (a member of it), with the text as its reason string, if there is one (a
 * literal of at most REASON_TEXT_MAX bytes), the client wants to know (always in CONNACK and DISCONNECT) and
 * the packet doesn't get too large for it. */
bool reason_send(struct client *c, struct mqtt_packet *p, struct mqtt_props *props,
                 const char *text);
/* The client did what the protocol forbids: it is logged and closed in this turn; a 5.0 client is told. `text`:
 * literal. */
void reason_fail(struct client *c, enum mqtt_reason reason, const char *text);

#endif
