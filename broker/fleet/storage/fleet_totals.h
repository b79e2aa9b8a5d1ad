/*
 * fleet_totals - what all nodes have and have counted together, for $SYS/fleet (store_totals).
 *
 * Each node tells its own figures at its sys_interval, by one script that keeps everybody's last ones and
 * their sums in one hash, and answers the sums. So a question costs the same in a fleet of any size.
 * Retained values are counted beside it by one HLEN for each bucket of topics.
 *
 * Gone nodes: what a node had counted when it last told stays in the sums; its clients don't. (The script
 *            finds out when the fleet's list of nodes has changed, whoever removed the node.)
 * New id:    a node that starts over goes on counting. What it told under its former id is in the sums
 *            already, so it tells only what came since. What it counted between its last telling and
 *            then may be told or not: in doubt it isn't.
 * Data flow: store_totals leaves the figures here, the next input (fleet_totals_tick) sends them,
 *            and the answer completes the call. Redis away: the call waits.
 * Ownership: the node's; holds no memory of its own.
 */
#ifndef FLOTILLA_BROKER_FLEET_STORAGE_FLEET_TOTALS_H
#define FLOTILLA_BROKER_FLEET_STORAGE_FLEET_TOTALS_H

#include "broker/store/store.h"

struct fleet;

bool fleet_totals_init(struct fleet *f);
void fleet_totals_free(struct fleet *f);

/* One at a time. */
void fleet_totals(struct fleet *f, const uint64_t mine[STORE_TOTAL_COUNT], store_totals_fn *done,
                  void *arg);
void fleet_totals_tick(struct fleet *f);
/* This node ended a durable session because its time was over. */
void fleet_totals_expired(struct fleet *f, uint64_t sessions);
/* The node has another id from now on. */
void fleet_totals_new_id(struct fleet *f);
/* A call that waits is told that nothing comes of it. The link has been reset. */
void fleet_totals_reset(struct fleet *f);

#endif
