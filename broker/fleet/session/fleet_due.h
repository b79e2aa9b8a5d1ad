/*
 * fleet_due - what is due in the buckets of this node's share: delayed wills, wills whose publisher died,
 * sessions that expired, and ended ones of which the log may not have heard.
 */
#ifndef FLOTILLA_BROKER_FLEET_SESSION_FLEET_DUE_H
#define FLOTILLA_BROKER_FLEET_SESSION_FLEET_DUE_H

#include <stdbool.h>
#include <stdint.h>

struct fleet;

bool fleet_due_init(struct fleet *f);
void fleet_due_free(struct fleet *f);
void fleet_due_tick(struct fleet *f);
/* Something will be due in this bucket. If that is soon, it is looked at then, and not when its turn comes. (The
 * node that it belongs to learns of it, too, once per round.) */
void fleet_due_expect(struct fleet *f, unsigned bucket, uint64_t in_ms);
/* What the former run of Redis didn't answer isn't done by the data of another one. */
void fleet_due_run_changed(struct fleet *f);

#endif
