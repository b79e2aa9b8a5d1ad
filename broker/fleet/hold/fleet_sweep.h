/*
 * fleet_sweep - looks at queues without a wake-up: the core is woken for each durable session that
 * is connected here, now and then, and when a node died that may have taken a wake-up with it.
 */
#ifndef FLOTILLA_BROKER_FLEET_HOLD_FLEET_SWEEP_H
#define FLOTILLA_BROKER_FLEET_HOLD_FLEET_SWEEP_H

struct fleet;

void fleet_sweep_tick(struct fleet *f);

#endif
