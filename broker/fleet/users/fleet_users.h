/*
 * fleet_users - users whose password hashes are in Redis: looks them up, and notices changes.
 *
 *     fl:{u}:user:NAME   hash; its field `password` is what stands behind the colon in a password file
 *     fl:{u}:ver         how often users were changed
 *     fl:{u}:log         stream of who was: its entry VERSION-0 has the field `u`, the name; the last 10,000
 *
 * All three change in one step (flotilla-passwd: broker/passwd/users_redis.c). Who changes a user by hand increments
 * `ver` afterwards: then there is a number without an entry, and all users are looked at.
 *
 * Data flow: broker.c gives auth.c the functions (fleet_users_store); fleet_turn.c calls the tick.
 * Doubt:     told where the log doesn't say what has changed: entries are missing, the number went back (Redis lost data),
 *            an answer was lost, more than 1,000 changes at once.
 * Errors:    USER_CANT_TELL. A question is repeated over connections; how long it may take is its asker's business.
 */
#ifndef FLOTILLA_BROKER_FLEET_USERS_FLEET_USERS_H
#define FLOTILLA_BROKER_FLEET_USERS_FLEET_USERS_H

#include <stdbool.h>

#include "broker/auth/sources/user_store.h"

struct fleet;
struct store;

/* Of a store that store_redis_new has made. */
struct user_store fleet_users_store(struct store *s);

bool fleet_users_init(struct fleet *f);
void fleet_users_free(struct fleet *f);
void fleet_users_tick(struct fleet *f);

#endif
