/*
 * traffic - publishers and subscribers that stay connected: pairs, fan-in, fan-out, telemetry.
 *
 * Each payload carries when it was due, by whom, and its number, so a receiver knows latency, loss,
 * repeats and order. Closed loop: a publisher has at most `window` messages not yet delivered to
 * all of its subscribers. Open loop: publishers take turns at an even pace; latency counts from
 * when the message was due, so a stall isn't hidden by the messages that weren't sent during it.
 *
 * Threads:   each worker has a loop of its own, with every threads-th publisher and subscriber.
 *            They share `delivered` of a publisher, the phase, and what the measuring thread reads
 *            of them.
 */
#ifndef FLOTILLA_TESTS_BENCH_LOAD_TRAFFIC_H
#define FLOTILLA_TESTS_BENCH_LOAD_TRAFFIC_H

#include <pthread.h>
#include <stdatomic.h>

#include "tests/bench/load/client.h"
#include "tests/bench/load/histogram.h"
#include "tests/bench/load/sequence.h"
#include "tests/bench/load/template.h"

enum phase { PHASE_CONNECT, PHASE_WARM_UP, PHASE_MEASURE, PHASE_DRAIN, PHASE_END };

struct traffic_worker;

struct publisher {
    struct conn *conn;
    struct template first; /* with --aliases: it says what the alias stands for */
    struct template packet;
    uint64_t sent, acked;
    uint64_t window;                /* at most what the server takes at once */
    atomic_uint_fast64_t delivered; /* summed over its subscribers */
};

struct subscriber {
    struct conn *conn;
    struct sequence *sequences;    /* of each publisher that it hears */
    struct share_sequence *shared; /* with --share, instead; the whole is the traffic's */
    unsigned extra_asked;          /* extra filters sent so far */
    bool asked;                    /* for the filter that matters, which is the last */
};

struct traffic {
    const struct options *o;
    struct publisher *publishers;
    struct subscriber *subscribers;
    unsigned publisher_count, subscriber_count;
    struct sequence *group; /* with --share: of each publisher, for all subscribers together */
    unsigned fan_out;       /* subscribers that a message is for */
    bool hears_all;         /* a subscriber hears all publishers, not one */
    atomic_int phase;       /* enum phase; only the measuring thread changes it */
    uint64_t pace_start_ns;
    struct traffic_worker *workers;
};

struct traffic_worker {
    struct traffic *traffic;
    pthread_t thread;
    unsigned index;
    struct loop *loop;
    unsigned started;  /* connections begun */
    atomic_uint ready; /* connections that stand */
    uint64_t turn;     /* open loop: messages given out */
    struct tally tally;
    /* For the measuring thread, current after each turn. */
    atomic_uint_fast64_t delivered;
    atomic_int phase;
    struct histogram latency;
};

/* Opens the worker's next connection: its subscribers first, then its publishers. False when all
 * are opened. */
bool traffic_connect_next(struct traffic_worker *w);
/* Worker `index`'s part of `all`. */
unsigned traffic_share(unsigned all, unsigned index, unsigned workers);
/* Counts as sent; due_ns is what latency is measured from. */
void traffic_publish(struct traffic_worker *w, struct publisher *p, uint64_t due_ns);

#endif
