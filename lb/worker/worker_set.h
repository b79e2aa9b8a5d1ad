/*
 * worker_set - the workers of one process as each of them sees the others.
 *
 * Data flow: the control thread fills it (lb/loop/workers.c); an acceptor asks it whether one more
 *            connection may be taken, and which worker should have it.
 * Ownership: belongs to struct workers and outlives the threads of its workers.
 * Threads:   the functions are called from any thread; `items` is complete before the first worker
 *            accepts, and the numbers that are read are atomics.
 */
#ifndef FLOTILLA_LB_WORKER_WORKER_SET_H
#define FLOTILLA_LB_WORKER_WORKER_SET_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

struct worker;

struct worker_set {
    _Atomic size_t flow_limit; /* 0: none */
    unsigned count;
    struct worker *items[];
};

/* Flows of all workers, waiting and handshaking ones included, and connections on their way to one.
 */
size_t worker_set_flows(const struct worker_set *set);
/* Whether one more may be accepted. */
bool worker_set_has_room(const struct worker_set *set);
/* The worker that should take a connection accepted by `w`: `w` itself, unless it has a fifth more
 * flows than the average. */
struct worker *worker_set_taker(const struct worker_set *set, struct worker *w);

#endif
