/*
 * worker_loop - the thread of one worker: its turns, and what it does on commands.
 *
 * Data flow: one turn is: poll, call the targets (accept, or move a flow on), flows that ran out of
 *            budget in the turn before, deadlines, commands of the control thread, free what ended.
 * Ownership: makes struct worker and frees it; the control thread calls all three functions.
 */
#ifndef FLOTILLA_LB_LOOP_WORKER_LOOP_H
#define FLOTILLA_LB_LOOP_WORKER_LOOP_H

struct worker;
struct worker_set;

/* A worker with its thread. NULL: out of memory, descriptors or threads. */
struct worker *worker_loop_start(struct worker_set *set, unsigned index);
/* Ends the thread with all its flows. */
void worker_loop_stop(struct worker *w);
/* Only once all workers of the set are stopped: they look at each other. NULL is harmless. */
void worker_loop_free(struct worker *w);

#endif
