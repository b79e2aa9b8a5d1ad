/*
 * drop_log - a message that isn't delivered, or isn't taken, is counted by its cause and named in the log, so that
 * no drop is silent.
 *
 * Bounds: one line per cause in a while, with the count of those in between (LOG_LIMITED_BY).
 */
#ifndef FLOTILLA_BROKER_BASE_DROP_LOG_H
#define FLOTILLA_BROKER_BASE_DROP_LOG_H

#include "broker/base/broker_stats.h"
#include "common/mqtt/mqtt.h"

/* `client_id`: who doesn't get it, or from whom it isn't taken; may be empty. */
void drop_note(struct broker_stats *stats, enum drop why, struct mqtt_slice client_id,
               struct mqtt_slice topic);

#endif
