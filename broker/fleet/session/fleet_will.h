/*
 * fleet_will - publishes wills that a script has given to this node, exactly once.
 */
#ifndef FLOTILLA_BROKER_FLEET_SESSION_FLEET_WILL_H
#define FLOTILLA_BROKER_FLEET_SESSION_FLEET_WILL_H

#include "broker/fleet/node/fleet_behalf.h"
#include "broker/store/store.h"

struct fleet;

bool fleet_wills_init(struct fleet *f);
void fleet_wills_free(struct fleet *f);
/* Publishes a will that a script gave to this node, clears it, then calls done. */
void fleet_will_publish(struct fleet *f, struct fleet_session_ref session, struct mqtt_slice frame,
                        store_done_fn *done, void *arg);
/* Calls for each will that is under way. */
void fleet_wills_each(struct fleet *f, void (*each)(struct fleet *, struct fleet_session_ref));

#endif
