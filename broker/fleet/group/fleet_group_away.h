/*
 * fleet_group_away - looks after messages whose member can't finish them itself (rule 12): its node died,
 * or its durable session is without a connection.
 *
 * A durable member's session says what is to become of each: a copy is there: nothing; it was there: the
 * message is finished; it never was: another member gets it; there is no session: QoS 1 goes to
 * another one, QoS 2 ends.
 */
#ifndef FLOTILLA_BROKER_FLEET_GROUP_FLEET_GROUP_AWAY_H
#define FLOTILLA_BROKER_FLEET_GROUP_FLEET_GROUP_AWAY_H

#include "broker/store/store.h"

struct fleet;

/* A dead node's members: struck off; what they had goes back, QoS 2 of those without a session ends.
 * After its sessions were freed. */
void fleet_group_reap(struct fleet *f, uint64_t victim, store_done_fn *done, void *arg);
/* The client is no member any more, or its connection ends: copies that weren't sent go back. */
void fleet_group_leave(struct fleet *f, const struct store_hold *hold, struct mqtt_slice filter,
                       enum store_leave why);
/* A durable member's copies that Redis refused, or that it was asked for twice: the session says whether
 * they are there. `refs`: slices, each the group, the number and the note of a message. */
void fleet_group_ask_session(struct fleet *f, struct mqtt_slice filter, struct mqtt_slice client,
                             struct mqtt_slice refs, size_t count);
/* What is due. */
void fleet_groups_tick(struct fleet *f);

#endif
