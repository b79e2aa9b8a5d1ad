/*
 * mqtt_peek - the client id of a CONNECT, read from its first bytes.
 *
 * The id stands before will, user name and password, so a balancer that sends a client to its
 * broker by the id needn't wait for (nor hold) a packet that carries a large will. What follows the
 * id, and what flags say, is for the broker to judge.
 * Source:    MQTT 3.1.1, 3.1; MQTT 5.0, 3.1 (properties stand before the id).
 * Pure; nothing is allocated or kept.
 */
#ifndef FLOTILLA_COMMON_MQTT_DECODE_MQTT_PEEK_H
#define FLOTILLA_COMMON_MQTT_DECODE_MQTT_PEEK_H

#include "common/mqtt/mqtt.h"

enum mqtt_peek {
    MQTT_PEEK_FOUND,
    MQTT_PEEK_MORE, /* bytes are missing */
    MQTT_PEEK_NONE, /* not a CONNECT, a malformed one, or one with an empty id */
};

/* `id` (FOUND) points into `buf`: the id, or its first `most` bytes. */
enum mqtt_peek mqtt_peek_client_id(const uint8_t *buf, size_t len, size_t most,
                                   struct mqtt_slice *id);

#endif
