/*
 * reaper - clears up behind a dead node.
 *
 * Data flow: fleet_beat.c begins it when a beat shows that this node is to do it. Redis has which node does it, so that
 *            another one can go on with it.
 */
#ifndef FLOTILLA_BROKER_FLEET_MEMBERSHIP_REAPER_H
#define FLOTILLA_BROKER_FLEET_MEMBERSHIP_REAPER_H

#include <stdint.h>

struct fleet;

void reapers_run_changed(struct fleet *f);

/* Only once for each death, however often a beat names it. */
void reaper_start(struct fleet *f, uint64_t victim);
/* Before what it names: forgets those that were done when the answered beat was sent, CLOCK_BOOTTIME. */
void reapers_see_beat(struct fleet *f, uint64_t sent_ms);
void reapers_free(struct fleet *f);

#endif
