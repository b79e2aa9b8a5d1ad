/*
 * filter_relation - what two topic filters have to do with each other: whether some topic matches
 * both, whether one matches all that the other does, and the filter of what both match.
 *
 * Pure; the filters are valid (mqtt_topic_filter_valid), and shared ones stripped to the inner
 * filter. "Some topic" is any valid one, as if it could be of any length. Topics that start with '$'
 * are matched only by filters that start so themselves (MQTT 4.7.2).
 */
#ifndef FLOTILLA_BROKER_AUTH_FILES_FILTER_RELATION_H
#define FLOTILLA_BROKER_AUTH_FILES_FILTER_RELATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/mqtt/mqtt.h"

/* Some topic matches both. */
bool filter_overlaps(struct mqtt_slice a, struct mqtt_slice b);
/* Every topic that matches `narrow` matches `wide`. */
bool filter_covers(struct mqtt_slice wide, struct mqtt_slice narrow);
/* Writes the filter of the topics that match both, which needs at most a.len + b.len + 1 bytes, and
 * returns its length; 0: there are none. (What two filters match together is always one filter.) */
size_t filter_meet(struct mqtt_slice a, struct mqtt_slice b, uint8_t *out);

#endif
