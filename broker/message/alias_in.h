/*
 * alias_in - the topic aliases that one 5.0 client has set: which topic each number stands for (3.3.2.3.4).
 *
 * Ownership: embedded; topics are copies of its own.
 * Bounds:    as many as the client was told in CONNACK; numbers above are the caller's error to find.
 */
#ifndef FLOTILLA_BROKER_MESSAGE_ALIAS_IN_H
#define FLOTILLA_BROKER_MESSAGE_ALIAS_IN_H

#include <stdbool.h>
#include <stddef.h>

#include "common/mqtt/mqtt.h"

struct alias_in {
    struct alias_topic **topics; /* by alias, from 1; NULL: not set */
    uint16_t count;              /* of places */
    size_t bytes;                /* of all topics and places */
};

void alias_in_fini(struct alias_in *a);
/* From now on the alias stands for this topic. False when out of memory. */
bool alias_in_set(struct alias_in *a, uint16_t alias, struct mqtt_slice topic);
/* An empty slice: it wasn't set. Good until it is set anew. */
struct mqtt_slice alias_in_topic(const struct alias_in *a, uint16_t alias);

#endif
