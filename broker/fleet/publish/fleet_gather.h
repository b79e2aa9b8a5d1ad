/*
 * fleet_gather - hands a message's parts to those who send them: the retained value, queues, inboxes, channels.
 *
 * Data flow: fleet_publish.c calls with what was matched, once a round.
 */
#ifndef FLOTILLA_BROKER_FLEET_PUBLISH_FLEET_GATHER_H
#define FLOTILLA_BROKER_FLEET_PUBLISH_FLEET_GATHER_H

#include "broker/fleet/node/fleet_behalf.h"
#include "broker/store/store.h"

struct fleet;
struct fleet_parts;

bool fleet_gathering_init(struct fleet *f);
void fleet_gathering_free(struct fleet *f);
/* To whom of these targets doesn't have it yet. `remember`: receivers drop a second message of this id. */
void fleet_gather(struct fleet_parts *p, struct fleet_behalf behalf, bool remember,
                  const struct store_targets *t);
/* QoS 0, of which nobody asks what came of it. `behalf`: of a retained value. */
void fleet_gather_bulk(struct fleet *f, struct fleet_behalf behalf, bool remember,
                       const struct store_publish_request *req);

#endif
