/*
 * fleet_load - entering the fleet, and reading everything again after Redis lost data or the log had a hole
 * (rules 3 and 9).
 */
#ifndef FLOTILLA_BROKER_FLEET_MEMBERSHIP_FLEET_LOAD_H
#define FLOTILLA_BROKER_FLEET_MEMBERSHIP_FLEET_LOAD_H

#include <stdbool.h>

struct fleet;

bool fleet_load_init(struct fleet *f);
void fleet_load_free(struct fleet *f);
void fleet_load_tick(struct fleet *f);
void fleet_load_reset(struct fleet *f);

#endif
