/*
 * worker - one thread: its poller, deadlines, flows and listening sockets.
 *
 * Data flow: one turn is: poll, call the targets (accept, or move a flow on), flows that ran out of
 *            budget in the turn before, deadlines, commands of the control thread, free what ended.
 * Ownership: belongs to struct workers; everything reached from here belongs to the thread alone,
 *            but for the command queue and the counters.
 */
#ifndef FLOTILLA_LB_LOOP_WORKER_H
#define FLOTILLA_LB_LOOP_WORKER_H

#include <openssl/bio.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "common/base/pace.h"
#include "common/base/wheel.h"
#include "common/metrics/metrics.h"
#include "lb/stream/pipe_pool.h"
#include "lb/stream/poller.h"
#include "lb/stream/relay.h"
#include "lb/worker/command.h"

struct acceptor;
struct flow;
struct record_env;
struct workers;

/* One writer each, read by the admin. Meanings are those of struct worker_stats. */
struct worker_counters {
    metric_counter accepted, handshakes, resumed, handshake_fails;
    metric_counter connects, connect_fails, connects_impossible, retries, queue_timeouts;
    metric_counter bytes_in, bytes_out, spliced;
    metric_counter proxy_headers_refused;
    metric_counter half_close_timeouts, stall_timeouts, idle_timeouts, accept_pauses, handed_over;
    metric_gauge flows, queued, own_records, openssl_records;
};

TAILQ_HEAD(flow_list, flow);
LIST_HEAD(flow_all, flow);
LIST_HEAD(acceptor_list, acceptor);

struct worker {
    struct workers *set;
    unsigned index;
    pthread_t thread;
    bool stopping;
    bool draining;
    struct poller poller;
    struct wheel wheel;
    struct wheel_timer drain_timer;
    uint64_t now_ms; /* of this turn */
    struct pace pace;
    bool gathers; /* the configuration lets it rest as `pace` says */
    struct command_queue commands;
    struct relay_env relay;
    struct pipe_pool pipes;
    BIO_METHOD *bio_method;
    struct record_env *records;
    struct acceptor_list acceptors;
    struct flow_all flows;
    struct flow_list ready;   /* have more to do in the next turn */
    struct flow_list waiting; /* for a server */
    struct flow_list closed;  /* freed at the end of the turn */
    struct worker_counters counters;
    _Atomic unsigned incoming; /* connections that others handed over and that aren't flows yet */
};

/* Starts the thread. NULL: out of memory, descriptors or threads. */
struct worker *worker_new(struct workers *set, unsigned index);
/* Ends the thread with all its flows. */
void worker_stop(struct worker *w);
/* Only once all workers of the set are stopped: they look at each other. NULL is harmless. */
void worker_free(struct worker *w);

/* The worker that should take a connection accepted by `w`: `w` itself, unless it has a fifth more
 * flows than the average. In workers.c, which knows them all. */
struct worker *workers_taker(const struct workers *set, struct worker *w);

#endif
