/* Registers the redis store's series. */
#include "broker/fleet/node/fleet_metrics.h"

#include <stddef.h>
#include <string.h>

static const double round_trip_bounds[] = {0.00005, 0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005,
                                           0.01,    0.05,   0.1,    0.5,    1.0,   5.0};
static const double batch_bounds[] = {1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 5000};

#define BOUNDS(table) table, sizeof(table) / sizeof((table)[0])

/* A series, and the field that points at it. */
struct series {
    size_t at;
    const char *name, *help;
};

static const struct series counters[] = {
    {offsetof(struct fleet_metrics, bulk_dropped), "flotilla_fleet_qos0_dropped_total",
     "QoS 0 messages for other nodes dropped while Redis was away or behind."},
    {offsetof(struct fleet_metrics, queue_dropped), "flotilla_fleet_queue_dropped_total",
     "Messages dropped at a full queue of a session."},
    {offsetof(struct fleet_metrics, seen_dropped), "flotilla_fleet_seen_dropped_total",
     "Ids of QoS 2 messages that sessions forgot before dedup_window was over: they had "
     "dedup_limit."},
    {offsetof(struct fleet_metrics, deaths), "flotilla_fleet_deaths_total",
     "Nodes that this node declared dead."},
    {offsetof(struct fleet_metrics, takeovers), "flotilla_fleet_takeovers_total",
     "Clients taken over from another node."},
    {offsetof(struct fleet_metrics, reconnects), "flotilla_redis_connects_total",
     "Connections to Redis that were greeted."},
    {offsetof(struct fleet_metrics, reloads), "flotilla_fleet_reloads_total",
     "Times that everything was read from Redis again."},
    {offsetof(struct fleet_metrics, start_overs), "flotilla_fleet_start_overs_total",
     "Times that this node was declared dead and began anew."},
    {offsetof(struct fleet_metrics, gaps), "flotilla_fleet_gaps_total",
     "Gaps marked or met: an inbox was over its limit."},
    {offsetof(struct fleet_metrics, repeats), "flotilla_fleet_repeats_total",
     "Batches and messages dropped because they were there before."},
    {offsetof(struct fleet_metrics, wills), "flotilla_fleet_wills_total", "Wills published."},
    {offsetof(struct fleet_metrics, sessions_refused), "flotilla_fleet_sessions_refused_total",
     "Clients refused because the fleet had limits.max_durable_sessions."},
    {offsetof(struct fleet_metrics, retained_dropped), "flotilla_fleet_retained_dropped_total",
     "Retained messages not kept because limits.max_stored_bytes were in use."},
    {offsetof(struct fleet_metrics, share_nobody), "flotilla_fleet_share_nobody_total",
     "QoS 1 and 2 messages for groups of shared subscriptions without a member."},
    {offsetof(struct fleet_metrics, share_ended), "flotilla_fleet_share_ended_total",
     "QoS 2 messages of groups that ended with members whose broker died."},
    {offsetof(struct fleet_metrics, share_denied), "flotilla_fleet_share_denied_total",
     "QoS 1 and 2 messages of groups that ended because the ACL lets no member read them."},
    {offsetof(struct fleet_metrics, expired), "flotilla_fleet_expired_total",
     "Messages in queues, and retained values, that were dropped because they had expired."},
    {offsetof(struct fleet_metrics, given_up), "flotilla_redis_given_up_total",
     "Commands that Redis couldn't answer in time, given up."},
    {offsetof(struct fleet_metrics, cuts), "flotilla_fleet_cuts_total",
     "Connections of silent or dead nodes closed at Redis."},
};

static const struct series gauges[] = {
    {offsetof(struct fleet_metrics, cannot_cut), "flotilla_redis_cannot_cut",
     "1 while this node's Redis user may not close connections of silent nodes (needs +client|id "
     "+client|kill)."},
    {offsetof(struct fleet_metrics, nodes), "flotilla_fleet_nodes", "Nodes known, with this one."},
    {offsetof(struct fleet_metrics, inbox_length), "flotilla_fleet_inbox_length",
     "Longest inbox of another node, as last seen."},
    {offsetof(struct fleet_metrics, pending_bytes), "flotilla_redis_pending_bytes",
     "Bytes of commands not answered yet."},
    {offsetof(struct fleet_metrics, full), "flotilla_redis_full",
     "1 while Redis has reached its maxmemory: publishes are held."},
    {offsetof(struct fleet_metrics, log_bytes), "flotilla_fleet_log_bytes",
     "Bytes in the fleet's log, as of this node's last entry."},
    {offsetof(struct fleet_metrics, durable_sessions), "flotilla_fleet_durable_sessions",
     "Durable sessions of the fleet."},
    {offsetof(struct fleet_metrics, redis_used), "flotilla_redis_used_bytes",
     "Memory that Redis uses."},
    {offsetof(struct fleet_metrics, queue_bytes), "flotilla_fleet_queue_limit_bytes",
     "What one durable session's queue may hold now; 0: no limit."},
    {offsetof(struct fleet_metrics, ready), "flotilla_fleet_ready",
     "1 while this node takes part."},
    {offsetof(struct fleet_metrics, replica_missing), "flotilla_redis_replica_missing",
     "1 while no replica has what should be acknowledged (durability: replica)."},
};

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

static bool register_histograms(struct fleet_metrics *fm, struct metrics *m)
{
    fm->round_trip = metrics_histogram(m, "flotilla_redis_round_trip_seconds",
                                       "Time from writing a command to its answer (sampled).", NULL,
                                       BOUNDS(round_trip_bounds));
    fm->batch =
        metrics_histogram(m, "flotilla_fleet_batch_messages",
                          "Messages in one batch to another node.", NULL, BOUNDS(batch_bounds));
    return fm->round_trip != NULL && fm->batch != NULL;
}

static bool register_counters(struct fleet_metrics *fm, struct metrics *m)
{
    for (size_t i = 0; i < COUNT(counters); i++) {
        metric_counter *c = metrics_counter(m, counters[i].name, counters[i].help, NULL);
        memcpy((char *)fm + counters[i].at, &c, sizeof(c));
        if (c == NULL)
            return false;
    }
    return true;
}

static bool register_gauges(struct fleet_metrics *fm, struct metrics *m)
{
    for (size_t i = 0; i < COUNT(gauges); i++) {
        metric_gauge *g = metrics_gauge(m, gauges[i].name, gauges[i].help, NULL);
        memcpy((char *)fm + gauges[i].at, &g, sizeof(g));
        if (g == NULL)
            return false;
    }
    return true;
}

bool fleet_metrics_init(struct fleet_metrics *fm, struct metrics *m)
{
    memset(fm, 0, sizeof(*fm));
    if (m == NULL)
        m = fm->own = metrics_new();
    if (m == NULL || !register_histograms(fm, m) || !register_counters(fm, m) ||
        !register_gauges(fm, m))
        return false;
    metric_set(fm->nodes, 1); /* itself; fleet_nodes.c goes on from there */
    return true;
}

void fleet_metrics_fini(struct fleet_metrics *fm)
{
    if (fm->own != NULL)
        metrics_free(fm->own);
}
