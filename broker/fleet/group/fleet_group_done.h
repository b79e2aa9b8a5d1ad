/*
 * fleet_group_done - tells a group what became of the messages that its members had taken, and lets
 * hungry nodes know when something waits again.
 *
 * Gathered during a turn, one script call for each group. Repeating one is harmless: it counts only
 * while the message is still noted as taken so.
 */
#ifndef FLOTILLA_BROKER_FLEET_GROUP_FLEET_GROUP_DONE_H
#define FLOTILLA_BROKER_FLEET_GROUP_FLEET_GROUP_DONE_H

#include "common/mqtt/mqtt.h"

struct fleet;
struct redisReply;

enum group_done {
    GROUP_FINISHED = 'f',
    GROUP_BACK = 'b',
    GROUP_DENIED = 'd', /* back, for members that may read it; counted if there are none */
};

/* `note`: what was noted when it was taken. */
void fleet_group_done(struct fleet *f, enum group_done what, struct mqtt_slice filter,
                      struct mqtt_slice number, struct mqtt_slice note);
/* The same for one reference: group, number and note with a NUL between them. */
void fleet_group_done_ref(struct fleet *f, enum group_done what, struct mqtt_slice ref);
/* A hungry node was named for so many messages: it is told, or, if it is this one, the core. */
void fleet_group_wake(struct fleet *f, const char *node, size_t len, struct mqtt_slice filter,
                      uint32_t messages);
/* The same for all that a script named, one message each. */
void fleet_group_wake_all(struct fleet *f, const struct redisReply *nodes, size_t from,
                          struct mqtt_slice filter);
/* This node was woken: members take, or the next hungry node is named. */
void fleet_group_woken(struct fleet *f, struct mqtt_slice filter, uint32_t messages);

bool fleet_group_dones_init(struct fleet *f);
void fleet_group_dones_flush(struct fleet *f);
void fleet_group_dones_reset(struct fleet *f);

#endif
