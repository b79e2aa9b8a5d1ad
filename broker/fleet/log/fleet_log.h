/*
 * fleet_log - reads the fleet's log and applies it, in order and without a hole.
 *
 * Data flow: routes and durable subscriptions go to the core, deaths to the table of nodes. What was
 *            applied is in the context, for who must know how far this node is.
 */
#ifndef FLOTILLA_BROKER_FLEET_LOG_FLEET_LOG_H
#define FLOTILLA_BROKER_FLEET_LOG_FLEET_LOG_H

#include <stdbool.h>
#include <stdint.h>

struct fleet;

bool fleet_log_init(struct fleet *f);
void fleet_log_free(struct fleet *f);
void fleet_log_tick(struct fleet *f);
/* Applies more of what was read, within the turn's box. */
void fleet_log_go_on(struct fleet *f);
/* Reads from here on. */
void fleet_log_start(struct fleet *f, uint64_t from);
void fleet_log_stop(struct fleet *f);

#endif
