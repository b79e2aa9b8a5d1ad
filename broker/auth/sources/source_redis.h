/*
 * source_redis - users that are kept in Redis, asked for when they come and remembered for a while.
 *
 * Data flow: the chain asks; a user that isn't known is looked for in the store (user_store.h), and his password
 *            checked by login.c's threads. The store tells of changes: then the user is looked for again, also one who
 *            isn't remembered, because he may be connected; and clients are checked again (auth_changed).
 * Doubt:     after a change of which nobody says whom it is about, every name that auth_recheck.c comes by is looked for
 *            again, and all are checked once more if any was another one. auth_checked says that it was through.
 * Answers:   SOURCE_NOT_MINE for who isn't in the store, SOURCE_BUSY if it can't tell, or too many are asked for.
 * Bounds:    16,384 users are remembered (6 MB), the least recently used goes; 1,000 clients wait for their user. In
 *            doubt each name that is connected is looked for once, and remembered meanwhile. How long a client waits is
 *            its caller's timeout.
 * Ownership: embedded in auth.c. Passwords are copied while their user is looked for, and wiped.
 */
#ifndef FLOTILLA_BROKER_AUTH_SOURCES_SOURCE_REDIS_H
#define FLOTILLA_BROKER_AUTH_SOURCES_SOURCE_REDIS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "broker/auth/sources/source.h"
#include "broker/auth/sources/user_store.h"
#include "common/base/hash_table.h"

struct logins;
struct user_entry;

TAILQ_HEAD(user_entries, user_entry);

struct source_redis {
    struct source source; /* first member */
    struct logins *logins;
    uint64_t hash_key;
    void (*changed)(void *arg); /* clients are to be checked again */
    void *changed_arg;
    /* Its own from here on. */
    struct user_store store; /* find NULL: there is none */
    struct hash_table entries;
    struct user_entries recent; /* the most recently used first */
    size_t waiting;             /* clients whose user is looked for */
    size_t looking;             /* users that are looked for because something has changed */
    bool doubt, doubt_walked, differs;
};

/* False when out of memory. */
bool source_redis_init(struct source_redis *s, uint64_t hash_key);
/* The store is there from now on, and outlives every question. */
void source_redis_use(struct source_redis *s, const struct user_store *store);
/* All clients have been looked at since `changed` was called last. */
void source_redis_checked(struct source_redis *s);
/* Nobody waits, and the store answers no more. */
void source_redis_fini(struct source_redis *s);

#endif
