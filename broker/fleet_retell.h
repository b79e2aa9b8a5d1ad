/*
 * fleet_retell - what the log must say although who did it may die before it is said.
 *
 * A durable session's end is noted in its bucket's `due` (member e<client>) by the script that ends
 * it. The note goes when the log has it. Until then the next claim of that client says it again,
 * and so does whoever finds the note due (fleet_will.c).
 * Ownership: `subs` is a reply that lives until the caller's function returns.
 */
#ifndef FLOTILLA_BROKER_FLEET_RETELL_H
#define FLOTILLA_BROKER_FLEET_RETELL_H

#include <stdint.h>

#include "common/mqtt.h"

struct fleet;
struct redisReply;

/* A script ended the session: the log says so, then the note goes. Returns the entry's number. */
uint64_t fleet_session_ended(struct fleet *f, struct mqtt_slice client);
/* {filter, options, ...}: said again, to the log and to the core. */
void fleet_retell_subscriptions(struct fleet *f, struct mqtt_slice client,
                                const struct redisReply *subs);
/* {filter, ...}: removed. */
void fleet_retell_removals(struct fleet *f, struct mqtt_slice client,
                           const struct redisReply *filters);
/* Nobody has the client now, and its former session's end may not be in the log. `subs`: of the
 * session that it has since. */
void fleet_retell_end(struct fleet *f, struct mqtt_slice client, const struct redisReply *subs);

#endif
