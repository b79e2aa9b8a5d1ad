/*
 * alias_in - the topic aliases that one 5.0 client has set: which topic each number stands for (3.3.2.3.4).
 *
 * Ownership: embedded, zero-initialised; topics are copies of its own. Who sets none has no table.
 * Bounds:    as many as the client was told in CONNACK; numbers above are the caller's error to find.
 */
#ifndef FLOTILLA_BROKER_MESSAGE_ALIAS_IN_H
#define FLOTILLA_BROKER_MESSAGE_ALIAS_IN_H

#include <stdbool.h>
#include <stddef.h>

#include "common/mqtt/mqtt.h"

struct alias_in {
    struct alias_table *table; /* NULL: none was set */
};
struct alias_table {
    size_t bytes;                 /* of all topics and places */
    uint16_t count;               /* of places */
    struct alias_topic *topics[]; /* by alias, from 1; NULL: not set */
};

void alias_in_fini(struct alias_in *a);
static inline size_t alias_in_bytes(const struct alias_in *a)
{
    return a->table != NULL ? a->table->bytes : 0;
}
/* From now on the alias stands for this topic. False when out of memory. */
bool alias_in_set(struct alias_in *a, uint16_t alias, struct mqtt_slice topic);
/* An empty slice: it wasn't set. Good until it is set anew. */
struct mqtt_slice alias_in_topic(const struct alias_in *a, uint16_t alias);

#endif
