/* Registers the redis store's series. */
#include "broker/fleet/node/fleet_metrics.h"

#include <string.h>

static const double round_trip_bounds[] = {0.00005, 0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005,
                                           0.01,    0.05,   0.1,    0.5,    1.0,   5.0};
static const double batch_bounds[] = {1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 5000};

#define BOUNDS(table) table, sizeof(table) / sizeof((table)[0])

bool fleet_metrics_init(struct fleet_metrics *fm, struct metrics *m)
{
    memset(fm, 0, sizeof(*fm));
    if (m == NULL)
        m = fm->own = metrics_new();
    if (m == NULL)
        return false;
    fm->round_trip = metrics_histogram(m, "flotilla_redis_round_trip_seconds",
                                       "Time from writing a command to its answer (sampled).", NULL,
                                       BOUNDS(round_trip_bounds));
    fm->batch =
        metrics_histogram(m, "flotilla_fleet_batch_messages",
                          "Messages in one batch to another node.", NULL, BOUNDS(batch_bounds));
    fm->bulk_dropped = metrics_counter(m, "flotilla_fleet_qos0_dropped_total",
                                       "QoS 0 messages for other nodes dropped while Redis was "
                                       "away or behind.",
                                       NULL);
    fm->queue_dropped = metrics_counter(m, "flotilla_fleet_queue_dropped_total",
                                        "Messages dropped at a full queue of a session.", NULL);
    fm->seen_dropped = metrics_counter(m, "flotilla_fleet_seen_dropped_total",
                                       "Ids of QoS 2 messages that sessions forgot before "
                                       "dedup_window was over: they had dedup_limit.",
                                       NULL);
    fm->deaths = metrics_counter(m, "flotilla_fleet_deaths_total",
                                 "Nodes that this node declared dead.", NULL);
    fm->takeovers = metrics_counter(m, "flotilla_fleet_takeovers_total",
                                    "Clients taken over from another node.", NULL);
    fm->reconnects = metrics_counter(m, "flotilla_redis_connects_total",
                                     "Connections to Redis that were greeted.", NULL);
    fm->reloads = metrics_counter(m, "flotilla_fleet_reloads_total",
                                  "Times that everything was read from Redis again.", NULL);
    fm->start_overs =
        metrics_counter(m, "flotilla_fleet_start_overs_total",
                        "Times that this node was declared dead and began anew.", NULL);
    fm->gaps = metrics_counter(m, "flotilla_fleet_gaps_total",
                               "Gaps marked or met: an inbox was over its limit.", NULL);
    fm->repeats =
        metrics_counter(m, "flotilla_fleet_repeats_total",
                        "Batches and messages dropped because they were there before.", NULL);
    fm->wills = metrics_counter(m, "flotilla_fleet_wills_total", "Wills published.", NULL);
    fm->sessions_refused =
        metrics_counter(m, "flotilla_fleet_sessions_refused_total",
                        "Clients refused because the fleet had limits.max_durable_sessions.", NULL);
    fm->retained_dropped = metrics_counter(
        m, "flotilla_fleet_retained_dropped_total",
        "Retained messages not kept because limits.max_stored_bytes were in use.", NULL);
    fm->given_up = metrics_counter(m, "flotilla_redis_given_up_total",
                                   "Commands that Redis couldn't answer in time, given up.", NULL);
    fm->cuts = metrics_counter(m, "flotilla_fleet_cuts_total",
                               "Connections of silent or dead nodes closed at Redis.", NULL);
    fm->cannot_cut = metrics_gauge(m, "flotilla_redis_cannot_cut",
                                   "1 while this node's Redis user may not close connections of "
                                   "silent nodes (needs +client|id +client|kill).",
                                   NULL);
    fm->nodes = metrics_gauge(m, "flotilla_fleet_nodes", "Nodes known, with this one.", NULL);
    fm->inbox_length = metrics_gauge(m, "flotilla_fleet_inbox_length",
                                     "Longest inbox of another node, as last seen.", NULL);
    fm->pending_bytes = metrics_gauge(m, "flotilla_redis_pending_bytes",
                                      "Bytes of commands not answered yet.", NULL);
    fm->full = metrics_gauge(m, "flotilla_redis_full",
                             "1 while Redis has reached its maxmemory: publishes are held.", NULL);
    fm->log_bytes = metrics_gauge(m, "flotilla_fleet_log_bytes",
                                  "Bytes in the fleet's log, as of this node's last entry.", NULL);
    fm->durable_sessions =
        metrics_gauge(m, "flotilla_fleet_durable_sessions", "Durable sessions of the fleet.", NULL);
    fm->redis_used = metrics_gauge(m, "flotilla_redis_used_bytes", "Memory that Redis uses.", NULL);
    fm->queue_bytes =
        metrics_gauge(m, "flotilla_fleet_queue_limit_bytes",
                      "What one durable session's queue may hold now; 0: no limit.", NULL);
    fm->ready = metrics_gauge(m, "flotilla_fleet_ready", "1 while this node takes part.", NULL);
    fm->replica_missing = metrics_gauge(m, "flotilla_redis_replica_missing",
                                        "1 while no replica has what should be acknowledged "
                                        "(durability: replica).",
                                        NULL);
    if (fm->nodes != NULL)
        metric_set(fm->nodes, 1); /* itself; fleet_nodes.c goes on from there */
    return fm->round_trip != NULL && fm->batch != NULL && fm->bulk_dropped != NULL &&
           fm->queue_dropped != NULL && fm->seen_dropped != NULL && fm->deaths != NULL &&
           fm->takeovers != NULL && fm->reconnects != NULL && fm->reloads != NULL &&
           fm->start_overs != NULL && fm->gaps != NULL && fm->repeats != NULL &&
           fm->wills != NULL && fm->given_up != NULL && fm->nodes != NULL &&
           fm->inbox_length != NULL && fm->pending_bytes != NULL && fm->log_bytes != NULL &&
           fm->full != NULL && fm->ready != NULL && fm->replica_missing != NULL &&
           fm->cuts != NULL && fm->cannot_cut != NULL && fm->sessions_refused != NULL &&
           fm->retained_dropped != NULL && fm->durable_sessions != NULL && fm->redis_used != NULL &&
           fm->queue_bytes != NULL;
}

void fleet_metrics_fini(struct fleet_metrics *fm)
{
    if (fm->own != NULL)
        metrics_free(fm->own);
}
