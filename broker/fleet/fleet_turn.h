/*
 * fleet_turn - the order of things within a turn of a node of the fleet.
 *
 * Data flow: store_redis.c calls fleet_input first (fence, links, timers) and fleet_flush last (what was
 *            gathered, then the links). What the rules ask for is in the modules below, which this one calls in
 *            order.
 */
#ifndef FLOTILLA_BROKER_FLEET_FLEET_TURN_H
#define FLOTILLA_BROKER_FLEET_FLEET_TURN_H

struct fleet;
struct timebox;

/* The box of this turn bounds what the links bring. */
void fleet_input(struct fleet *f, struct timebox *box);
void fleet_flush(struct fleet *f);

#endif
