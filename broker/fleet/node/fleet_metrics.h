/*
 * fleet_metrics - what the redis store counts. The names begin with flotilla_redis_ and
 * flotilla_fleet_.
 */
#ifndef FLOTILLA_BROKER_FLEET_NODE_FLEET_METRICS_H
#define FLOTILLA_BROKER_FLEET_NODE_FLEET_METRICS_H

#include <stdbool.h>

#include "common/metrics/metrics.h"

struct fleet_metrics {
    struct metrics *own; /* when the caller brought none */
    struct metric_histogram *round_trip, *batch;
    metric_counter *bulk_dropped, *queue_dropped, *seen_dropped, *deaths, *takeovers, *reconnects,
        *reloads, *start_overs, *gaps, *repeats, *wills, *given_up, *cuts, *sessions_refused,
        *retained_dropped, *expired, *share_nobody, *share_ended, *share_denied;
    metric_gauge *nodes, *inbox_length, *pending_bytes, *log_bytes, *full, *ready, *replica_missing,
        *cannot_cut, *durable_sessions, *redis_used, *queue_bytes;
};

/* `m` may be NULL: counted in a registry of its own. False when out of memory. */
bool fleet_metrics_init(struct fleet_metrics *fm, struct metrics *m);
void fleet_metrics_fini(struct fleet_metrics *fm);

#endif
