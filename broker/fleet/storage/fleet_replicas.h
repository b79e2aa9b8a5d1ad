/*
 * fleet_replicas - `durability: replica`: waits until a replica has what Redis has answered.
 *
 * Data flow: fleet_version.c asks when the answer that it waited for on the command connection is
 *            there; so everything before it has been done by Redis. This module then sends WAIT on
 *            a connection of its own. (On the command connection each WAIT would stop everything
 *            behind it for as long as the replica is away.) One WAIT at a time: all that ask
 *            meanwhile share the next one.
 * Trouble:   too few replicas: WAIT is sent again until one is back. Waiters aren't called until
 *            then. `flotilla_redis_replica_missing` and the log say so.
 * Run:       a WAIT is worth something only if it was answered by the run of Redis that the command
 *            connection speaks with.
 * Ownership: a waiter is embedded in whoever waits, and belongs to the list until it is called.
 */
#ifndef FLOTILLA_BROKER_FLEET_STORAGE_FLEET_REPLICAS_H
#define FLOTILLA_BROKER_FLEET_STORAGE_FLEET_REPLICAS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

struct fleet;
struct fleet_replica_wait;

/* Not ok: the node starts over or ends. */
typedef void fleet_replica_fn(struct fleet_replica_wait *w, bool ok);
struct fleet_replica_wait {
    STAILQ_ENTRY(fleet_replica_wait) next;
    fleet_replica_fn *fn;
};

bool fleet_replicas_init(struct fleet *f);
void fleet_replicas_free(struct fleet *f);
void fleet_replicas_wait(struct fleet *f, struct fleet_replica_wait *w, fleet_replica_fn *fn);
/* The connection for WAIT was greeted. */
void fleet_replicas_greeted(struct fleet *f, const char *run_id);
/* There is none: whoever waits goes on waiting. */
bool fleet_replicas_missing(const struct fleet *f);
void fleet_replicas_flush(struct fleet *f);
void fleet_replicas_reset(struct fleet *f);

#endif
