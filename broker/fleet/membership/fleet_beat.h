/*
 * fleet_beat - what the node does about its beats (rules 1 and 2).
 *
 * Data flow: the heart sends them, in a thread of its own (heart.h); the turn begins with what they were
 *            answered. Declares dead who stands still, and begins to reap who is dead (reaper.h).
 */
#ifndef FLOTILLA_BROKER_FLEET_MEMBERSHIP_FLEET_BEAT_H
#define FLOTILLA_BROKER_FLEET_MEMBERSHIP_FLEET_BEAT_H

#include <stdbool.h>

struct fleet;

bool fleet_beat_init(struct fleet *f);
void fleet_beat_free(struct fleet *f);
/* The log is read from another point, perhaps of another history: what is asked from now on is
 * compared with that. */
void fleet_beat_log_started(struct fleet *f);
/* Acts on what the heart was told by Redis. */
void fleet_beat_input(struct fleet *f);
/* Notices at a turn's begin that the node is unsure. */
void fleet_fence(struct fleet *f);

#endif
