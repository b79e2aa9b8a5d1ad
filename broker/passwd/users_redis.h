/*
 * users_redis - the users of a fleet in Redis (broker/fleet/users/fleet_users.h has the layout), changed one at a time.
 *
 * Each change is one script: the user, the number of changes, and the log that brokers read.
 * It waits for Redis, 10 s at most at each step.
 * Errors: a sentence, without the password of Redis.
 */
#ifndef FLOTILLA_BROKER_PASSWD_USERS_REDIS_H
#define FLOTILLA_BROKER_PASSWD_USERS_REDIS_H

#include <stdbool.h>
#include <stddef.h>

#include "common/mqtt/mqtt.h"

struct users_redis;

struct users_redis_place {
    const char *url;
    const char *password_file; /* NULL: none */
    const char *fleet;         /* NULL: it has no name */
};

struct users_redis *users_redis_open(const struct users_redis_place *place, char *err,
                                     size_t errlen);
void users_redis_close(struct users_redis *u);

/* `hash` as it stands in a file. `was_there`: before. */
bool users_redis_put(struct users_redis *u, struct mqtt_slice name, const char *hash,
                     bool *was_there, char *err, size_t errlen);
bool users_redis_remove(struct users_redis *u, struct mqtt_slice name, bool *was_there, char *err,
                        size_t errlen);
/* `hash` empty: there is no such user. */
bool users_redis_get(struct users_redis *u, struct mqtt_slice name, char *hash, size_t size,
                     char *err, size_t errlen);
/* Calls for each user, in no order; one that comes or goes meanwhile may be missed. */
bool users_redis_each(struct users_redis *u, void (*each)(void *arg, struct mqtt_slice name),
                      void *arg, char *err, size_t errlen);

#endif
