/*
 * fleet_group_members - the list of a group's members in its slot (rule 12): client, epoch of the
 * connection, node. The calls are in the order of the link, and before what the log says of them.
 */
#ifndef FLOTILLA_BROKER_FLEET_GROUP_FLEET_GROUP_MEMBERS_H
#define FLOTILLA_BROKER_FLEET_GROUP_FLEET_GROUP_MEMBERS_H

#include "broker/store/store.h"

struct fleet;

void fleet_group_join(struct fleet *f, const struct store_member *m);
/* The connection ends, or it unsubscribed; what it has of the group is fleet_group_away.c's. */
void fleet_group_part_with(struct fleet *f, const struct store_hold *hold, struct mqtt_slice filter,
                           enum store_leave why);
/* The session of a listed member, who is away, has ended. */
void fleet_group_strike_off(struct fleet *f, struct mqtt_slice filter, struct mqtt_slice client,
                            const char *epoch);

#endif
