/*
 * fleet_session - what a connected client subscribes to and unsubscribes from (rule 6).
 *
 * Data flow: the route is announced, a durable session's script writes the change, then the log says it. What
 *            the log says is in the session.
 */
#ifndef FLOTILLA_BROKER_FLEET_SESSION_FLEET_SESSION_H
#define FLOTILLA_BROKER_FLEET_SESSION_FLEET_SESSION_H

#include "broker/store/store.h"

struct fleet;

/* See store_subscribe and store_unsubscribe. */
void fleet_subscribe(struct fleet *f, struct store_hold *hold,
                     const struct store_subscription *subs, size_t count, store_done_fn *done,
                     void *arg);
void fleet_unsubscribe(struct fleet *f, struct store_hold *hold, const struct mqtt_slice *filters,
                       size_t count, store_done_fn *done, void *arg);

#endif
