/*
 * backend - the servers behind a listener, and the one step that chooses and reserves among them.
 *
 * Data flow: a flow calls backend_choose, connects, reports (server_report), and in the end calls
 *            server_release. The control thread changes the set of servers at run time.
 * Ownership: a backend is an immutable view (name, configuration, policy) on a set of servers; a
 *            reload makes a new view on the same set, so servers keep their state and counters. The
 *            snapshot owns its backends; a flow has a reference to its snapshot, since its timeouts
 *            are here.
 * Threads:   all functions from any thread; choosing takes the set's lock.
 */
#ifndef FLOTILLA_LB_BACKEND_BACKEND_H
#define FLOTILLA_LB_BACKEND_BACKEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lb/backend/server_set.h"
#include "lb/config/lb_config.h"

struct backend;

/* A view on `set`. What it needs of `config` is copied; it takes a reference to the set.
 * NULL: out of memory. */
struct backend *backend_new(const struct backend_config *config, struct server_set *set);
void backend_free(struct backend *b);

/* Picks by policy among the servers that take flows and reserves in the same step: connections + 1
 * and a reference, given back by server_release. NULL: no server may take it now; wait for
 * workers_wake (a server came up) up to queue_timeout. */
struct server *backend_choose(struct backend *b, const struct choose_request *r);

/* Whether some server takes flows now (server_takes_flows). Reserves nothing and moves no turn: a
 * flow asks before its TLS handshake, which is worth doing only then. */
bool backend_is_available(const struct backend *b);

/* Lives as long as the backend. */
const struct backend_config *backend_config(const struct backend *b);
const char *backend_name(const struct backend *b);
/* Whether choose_request.hash matters: then the flow reads the CONNECT before it chooses. */
bool backend_wants_hash(const struct backend *b);
uint64_t backend_hash(const void *data, size_t len);

#endif
