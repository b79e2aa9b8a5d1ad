/*
 * fleet_group_queue - appends what is published to the queues of groups (rule 12), as fleet_queue.h does
 * for sessions: gathered during a turn, written with its flush, one script call for a bucket.
 */
#ifndef FLOTILLA_BROKER_FLEET_GROUP_FLEET_GROUP_QUEUE_H
#define FLOTILLA_BROKER_FLEET_GROUP_FLEET_GROUP_QUEUE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/mqtt/mqtt.h"

struct fleet;
struct fleet_parts;

/* What stands for the group in the parts of a message (fleet_parts.clients). */
uint64_t fleet_group_part(struct mqtt_slice filter);
/* One more part. `remember`: a repeat has the same id, and is dropped. */
void fleet_group_add(struct fleet *f, struct fleet_parts *p, struct mqtt_slice filter,
                     bool remember);
void fleet_group_queues_flush(struct fleet *f);
/* Calls that are written and not sent, of publishes that were taken away, do nothing. */
void fleet_group_queues_void(struct fleet *f);
void fleet_group_queues_reset(struct fleet *f);

#endif
