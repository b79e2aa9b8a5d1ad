/*
 * heart_report - builds and merges the reports that the heart leaves for the loop.
 *
 * Takes no part in threads: the heart's thread builds, and whoever holds the mutex merges.
 * Errors: false when out of memory; the report is to be given up.
 */
#ifndef FLOTILLA_BROKER_FLEET_LEASE_HEART_REPORT_H
#define FLOTILLA_BROKER_FLEET_LEASE_HEART_REPORT_H

#include "broker/fleet/lease/heart.h"
#include "broker/fleet/lease/lease.h"
#include "broker/fleet/lease/watch.h"

struct redisReply;

/* Those that beat.lua names because their last beat is old: notes whom to suspect. `out->node` is
 * set. */
bool heart_report_see(struct heart_report *out, const struct redisReply *stand, struct watch *w,
                      const struct lease *l, uint64_t now_ms);
/* The reaping and the list of nodes, as beat.lua returns them. `out->sent_ms` is set. */
bool heart_report_take(struct heart_report *out, const struct redisReply *reaping,
                       const struct redisReply *nodes);
/* Puts a newer report in the place of one that waits; `newer` is empty then. */
void heart_report_merge(struct heart_report *waiting, struct heart_report *newer);

#endif
