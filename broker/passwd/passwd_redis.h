/*
 * passwd_redis - what flotilla-passwd does where the users are in Redis.
 *
 * As passwd_commands.h: exit statuses, and what is said.
 */
#ifndef FLOTILLA_BROKER_PASSWD_PASSWD_REDIS_H
#define FLOTILLA_BROKER_PASSWD_PASSWD_REDIS_H

#include <stdbool.h>
#include <stddef.h>

struct passwd_options;
struct passwd_secret;

int passwd_redis_put(const struct passwd_options *o, const struct passwd_secret *secret);
int passwd_redis_remove(const struct passwd_options *o);
int passwd_redis_list(const struct passwd_options *o);
/* The user's hash, empty if there is none. False: it is said why not. */
bool passwd_redis_find(const struct passwd_options *o, char *hash, size_t size);

/* How a hash was made, as -H takes it. */
const char *passwd_kind_name(const struct passwd_secret *s);

#endif
