/*
 * publish_v5 - what a PUBLISH of a 5.0 client has beside earlier ones: topic alias, message expiry, payload
 * format (3.3.2.3).
 */
#ifndef FLOTILLA_BROKER_PROTOCOL_PUBLISH_V5_H
#define FLOTILLA_BROKER_PROTOCOL_PUBLISH_V5_H

#include <stdbool.h>
#include <stdint.h>

#include "common/mqtt/mqtt.h"

struct client;

struct publish_v5 {
    uint64_t expires_at_ms; /* 0: never */
    bool is_text;           /* it says that its payload is UTF-8 */
};

/* Gives the message the topic that its alias stands for (and notes what a new one stands for), leaves it the
 * properties that go on to receivers, and says in *out what else they tell. What it points at is good until the
 * next packet is handled. False: the client did what isn't allowed, and is closed. */
bool publish_v5_take(struct client *c, struct mqtt_publish *p, struct publish_v5 *out);
/* The topic that a message is for, before it is taken. Empty: its alias stands for none. */
struct mqtt_slice publish_v5_topic(const struct client *c, const struct mqtt_publish *p);

#endif
