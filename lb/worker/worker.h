/*
 * worker - what one thread works with: its poller, deadlines, flows and listening sockets. No code:
 * acceptors and flows use it, lb/loop/worker_loop.c turns it.
 *
 * Ownership: belongs to its worker_set; everything reached from here belongs to the thread alone,
 *            but for the command queue and the counters.
 */
#ifndef FLOTILLA_LB_WORKER_WORKER_H
#define FLOTILLA_LB_WORKER_WORKER_H

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
struct worker_set;

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
    struct worker_set *set;
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

#endif
