/*
 * fleet_due - what is due in the buckets of this node's share: delayed wills, wills whose publisher died,
 * sessions that expired, and ended ones of which the log may not have heard.
 */
#ifndef FLOTILLA_BROKER_FLEET_SESSION_FLEET_DUE_H
#define FLOTILLA_BROKER_FLEET_SESSION_FLEET_DUE_H

#include <stdbool.h>

struct fleet;

bool fleet_due_init(struct fleet *f);
void fleet_due_free(struct fleet *f);
void fleet_due_tick(struct fleet *f);
/* What the former run of Redis didn't answer isn't done by the data of another one. */
void fleet_due_run_changed(struct fleet *f);

#endif
