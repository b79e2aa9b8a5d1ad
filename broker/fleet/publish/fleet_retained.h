/*
 * fleet_retained - sets retained values in Redis: one script call a bucket and turn, behind the turn's live
 * messages.
 *
 * Ownership: a batch refers to its publishes until it is answered.
 */
#ifndef FLOTILLA_BROKER_FLEET_PUBLISH_FLEET_RETAINED_H
#define FLOTILLA_BROKER_FLEET_PUBLISH_FLEET_RETAINED_H

#include "broker/fleet/node/fleet_behalf.h"

struct fleet;
struct fleet_parts;
struct message;

bool fleet_retaining_init(struct fleet *f);
void fleet_retaining_free(struct fleet *f);
/* `p` may be NULL (QoS 0). `remember`: a second message of this id sets nothing. */
void fleet_retain(struct fleet *f, struct fleet_parts *p, struct fleet_behalf behalf,
                  const struct message *m, bool remember);
void fleet_retaining_void(struct fleet *f);
/* Another run of Redis gets what the former one didn't answer. */
void fleet_retaining_run_changed(struct fleet *f);
void fleet_retaining_flush(struct fleet *f);
bool fleet_retaining_is_due(const struct fleet *f);
void fleet_retaining_reset(struct fleet *f);

#endif
