/*
 * publish_properties - parts the properties of a PUBLISH, or of a will, into those that receivers get as they
 * came and those that mean something for this hop only.
 *
 * Taken out: message expiry (what is left of it is sent on), topic alias (of one connection), will delay (it
 *            is over when the will is published). All others stay, in their order.
 * Ownership: the result points into `in` or into the caller's `scratch`.
 */
#ifndef FLOTILLA_BROKER_MESSAGE_PUBLISH_PROPERTIES_H
#define FLOTILLA_BROKER_MESSAGE_PUBLISH_PROPERTIES_H

#include <stddef.h>

#include "broker/message/message.h"

struct publish_properties {
    struct mqtt_props props; /* what goes on */
    bool has_expiry;
    bool is_text; /* the payload is said to be UTF-8 */
    uint32_t expiry_s;
    uint16_t alias; /* 0: none */
};

/* Nothing is copied when nothing has to be taken out. `scratch` has room if it is as large as `in`. False when
 * it is too small, or a property can't be read. */
bool publish_properties_take(struct mqtt_props in, uint8_t *scratch, size_t size,
                             struct publish_properties *out);

/* A will that is due now, as it is published: its expiry counts from now on (5.0: 3.1.3.2.4). A new
 * reference, to the will itself where nothing has to be taken out of it. Without properties if they can't be
 * read. NULL when out of memory. */
struct message *publish_properties_of_will(struct message *will, uint64_t now_ms);

#endif
