/*
 * server_set - the servers of one backend that may be chosen, under one lock.
 *
 * Data flow: pool.c (control thread) adds and removes; backend_choose (workers) picks and reserves.
 * Ownership: reference counted: the pool and each view (struct backend) hold one. The set holds a
 *            reference to each of its servers.
 * Threads:   any.
 */
#ifndef FLOTILLA_LB_BACKEND_SERVER_SET_H
#define FLOTILLA_LB_BACKEND_SERVER_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct balance_policy;
struct server;
struct server_set;

struct choose_request {
    const struct server *const *exclude; /* servers this flow tried already */
    size_t exclude_count;
    uint64_t hash;   /* balance: hash; backend_hash of the client id */
    uint64_t now_ms; /* CLOCK_MONOTONIC, for slow start */
};

struct server_set *server_set_new(void);
struct server_set *server_set_ref(struct server_set *set);
void server_set_unref(struct server_set *set);

/* Takes a reference of its own. False: out of memory. */
bool server_set_add(struct server_set *set, struct server *s);
/* Marks the server removed; harmless when it isn't in the set. */
void server_set_remove(struct server_set *set, struct server *s);

struct server *server_set_choose(struct server_set *set, const struct balance_policy *policy,
                                 uint64_t slow_start_ms, const struct choose_request *r);

/* Whether some server takes flows now. */
bool server_set_is_available(struct server_set *set);

#endif
