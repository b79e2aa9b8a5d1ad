/*
 * fleet_cut - takes clients from a node that is silent or dead, so that nothing it may still write for
 * them can come.
 *
 * Commands of a node that stands still lie in its own memory, in socket buffers, on a slow network
 * and at Redis. A cut notes at Redis what the node loses (scripts/cut.lua) and closes the node's
 * writing connection there (CLIENT KILL by the id under which it registered): when both are answered,
 * whatever was on that connection is gone, and the node can't write again without registering anew,
 * and is told then what it lost (fleet_register.h).
 * Data flow: fleet_connect.c before it passes over a former owner or the taker of a will,
 *            fleet_will.c before it takes a will from its taker, reaper.c before it reaps.
 * Cost:      two round trips; one cut of a node at a time, for all who ask meanwhile the next one.
 * Without the right to CLIENT KILL: waits instead until the node must be unsure by its lease.
 */
#ifndef FLOTILLA_BROKER_FLEET_FENCE_FLEET_CUT_H
#define FLOTILLA_BROKER_FLEET_FENCE_FLEET_CUT_H

#include "broker/fleet/log/fleet_append.h"

struct fleet_cutting;
struct redisReply;

/* Takes a client from a node: what its connections up to this epoch may still write, and a will of
 * such a connection that the node was to publish. */
void fleet_cut_client(struct fleet *f, uint64_t node, struct fleet_session_ref session,
                      store_done_fn *done, void *arg);
/* Nothing that the node wrote until now can arrive; it loses no clients. */
void fleet_cut_node(struct fleet *f, uint64_t node, store_done_fn *done, void *arg);
/* The node was declared dead: it never registers again. */
void fleet_cut_dead(struct fleet *f, uint64_t node, store_done_fn *done, void *arg);
void fleet_cut_tick(struct fleet *f);
/* Ids of connections mean nothing to another run of Redis. */
void fleet_cut_run_changed(struct fleet *f);
/* Everything that waits gets STORE_UNAVAILABLE. Called after the link's reset. */
void fleet_cut_reset(struct fleet *f);

#endif
