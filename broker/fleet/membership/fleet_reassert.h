/*
 * fleet_reassert - rule 9: writes this node's holds and routes into Redis again, in pieces.
 *
 * Data flow: fleet_load.c begins it at a join; fleet_turn.c's ticks go on; modules that write for a
 *            session call fleet_hold_assert_once, so that the session is asserted before.
 */
#ifndef FLOTILLA_BROKER_FLEET_MEMBERSHIP_FLEET_REASSERT_H
#define FLOTILLA_BROKER_FLEET_MEMBERSHIP_FLEET_REASSERT_H

#include <stdbool.h>

struct fleet;

struct fleet_reasserting {
    bool under_way;
    bool lost; /* the log lost some, too */
};

bool fleet_reassert_init(struct fleet *f);
void fleet_reassert_free(struct fleet *f);
/* `again`: the node was in the fleet before. `lost`: the log hasn't all that this node said. */
void fleet_reassert(struct fleet *f, bool again, bool lost);
void fleet_reassert_tick(struct fleet *f);

#endif
