/*
 * work_pool - a few threads for work that would stop the loop: hashing passwords, reading files.
 *
 * Data flow: the loop's thread submits a piece of work; a thread calls its `run`; its `done` is
 *            called in the loop's thread. Results wake the loop once per burst, through an eventfd.
 * Order:     pieces are begun in the order in which they came.
 * Ownership: a piece belongs to its submitter and is the pool's until `done` is called.
 * Bounds:    none here: submitters count what isn't done.
 * Threads:   all calls belong to the loop's thread. With `nice` a pool gets the CPU after the loop,
 *            so that a broker whose cores are all in use goes on to serve; that is for work which
 *            only computes. A thread that allocates much, and isn't given the CPU while it holds
 *            one of the process's locks on memory, would hold up the loop for as long.
 * Shutdown:  work_pool_free waits for what has begun, then calls `done` of every piece that is
 *            left; those that weren't begun have `ran` false.
 */
#ifndef FLOTILLA_COMMON_PROCESS_WORK_POOL_H
#define FLOTILLA_COMMON_PROCESS_WORK_POOL_H

#include <stdbool.h>
#include <sys/queue.h>

struct event_base;
struct work_pool;

struct work {
    STAILQ_ENTRY(work) link;
    void (*run)(struct work *w);  /* in a thread of the pool */
    void (*done)(struct work *w); /* in the loop's thread; may free it */
    bool ran;
};

struct work_pool_config {
    const char *name; /* of the threads, at most 15 bytes */
    unsigned threads;
    int nice; /* added to the loop's; see Threads */
};

/* NULL when there is no memory or no thread. */
struct work_pool *work_pool_new(struct event_base *base, const struct work_pool_config *config);
void work_pool_free(struct work_pool *p);

void work_pool_submit(struct work_pool *p, struct work *w);

#endif
