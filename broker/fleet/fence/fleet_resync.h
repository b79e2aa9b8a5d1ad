/*
 * fleet_resync - replaces what this broker's core knows of a durable session by what Redis has of
 * it.
 *
 * For sessions that the log alone doesn't set right: all of them at a load or reload, and one whose
 * connection here was fenced: until then the core believed this connection's subscriptions,
 * although a newer connection elsewhere has the session. Ownership: replies live until the caller's
 * function returns.
 */
#ifndef FLOTILLA_BROKER_FLEET_FENCE_FLEET_RESYNC_H
#define FLOTILLA_BROKER_FLEET_FENCE_FLEET_RESYNC_H

#include <stdbool.h>
#include <stddef.h>

#include "broker/fleet/log/fleet_append.h"

struct redisReply;

/* `subs`: {epoch, filter, options, ...}, as Redis has them. The core learns of those. */
void fleet_resync_add(struct fleet *f, struct fleet_session_ref session,
                      const struct redisReply *subs);
/* The same, and loses those that aren't there. What a connection here holds stays as it is. */
void fleet_resync_take(struct fleet *f, struct fleet_session_ref session,
                       const struct redisReply *subs);
/* The same for a session that comes in parts. With the first one the core loses all that it has, so
 * that a publish must not be matched before the last: at a reload, none is. */
void fleet_resync_take_part(struct fleet *f, struct fleet_session_ref session,
                            const struct redisReply *subs, bool first);
/* Asks Redis for one session, and takes it. */
void fleet_resync(struct fleet *f, struct mqtt_slice client_id);

#endif
