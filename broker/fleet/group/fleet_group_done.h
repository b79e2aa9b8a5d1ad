/*
 * fleet_group_done - tells a group what became of the messages that its members had taken.
 *
 * Gathered during a turn, one script call for each group. Repeating one is harmless: it counts only
 * while the message is still noted as taken so.
 */
#ifndef FLOTILLA_BROKER_FLEET_GROUP_FLEET_GROUP_DONE_H
#define FLOTILLA_BROKER_FLEET_GROUP_FLEET_GROUP_DONE_H

#include "common/mqtt/mqtt.h"

struct fleet;

enum group_done { GROUP_FINISHED = 'f', GROUP_BACK = 'b' };

/* `note`: what was noted when it was taken. */
void fleet_group_done(struct fleet *f, enum group_done what, struct mqtt_slice filter,
                      struct mqtt_slice number, struct mqtt_slice note);
/* The same for one reference: group, number and note with a NUL between them. */
void fleet_group_done_ref(struct fleet *f, enum group_done what, struct mqtt_slice ref);
/* This node, or one that was named, has nobody with room: the next hungry one is named. */
void fleet_group_pass(struct fleet *f, struct mqtt_slice filter);
void fleet_group_dones_flush(struct fleet *f);
void fleet_group_dones_reset(struct fleet *f);

#endif
