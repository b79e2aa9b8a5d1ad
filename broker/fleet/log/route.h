/*
 * route - the filters that this node announces to the others (rule 6).
 *
 *     (none) -> ANNOUNCED -> LINGERING -> (none)
 *                   ^-----------'
 *
 * A filter that no session here uses any more lingers before it is withdrawn, so that clients that
 * come and go don't make every node of the fleet work.
 */
#ifndef FLOTILLA_BROKER_FLEET_LOG_ROUTE_H
#define FLOTILLA_BROKER_FLEET_LOG_ROUTE_H

#include "common/mqtt/mqtt.h"

struct fleet;
struct timebox;

/* False when out of memory. */
bool routes_init(struct fleet *f);
/* Once all are dropped. */
void routes_free(struct fleet *f);

/* A session here has the filter. Returns the log entry to wait for, 0 when all nodes know. */
uint64_t route_want(struct fleet *f, struct mqtt_slice filter);
/* The last session here doesn't hold it any more. */
void route_unwant(struct fleet *f, struct mqtt_slice filter);
/* So many sessions here are members of a group, the highest at this QoS. Said to all when the number has
 * doubled, halved or become 0. */
void route_members(struct fleet *f, struct mqtt_slice filter, uint32_t members, uint8_t qos);
/* The same for a session that is still connecting, of which the core knows nothing yet: the route
 * is announced before, and stays until the connecting is over, whichever way. */
uint64_t route_hold(struct fleet *f, struct mqtt_slice filter);
/* Its connecting is over; after it has come true the core holds the filter. */
void route_release(struct fleet *f, struct mqtt_slice filter);
void route_tick(struct fleet *f);
size_t route_count(const struct fleet *f);
/* Everything is to be announced again: Redis lost it. */
void route_announce_all(struct fleet *f);
/* Announces some of that: true when all is. */
bool route_announce_some(struct fleet *f, struct timebox *box);
void routes_reset(struct fleet *f);
/* The same in pieces: true when none is left. */
bool routes_drop(struct fleet *f, struct timebox *box);

#endif
