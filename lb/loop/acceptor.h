/*
 * acceptor - one listening socket of one worker.
 *
 * Data flow: the poller says that connections wait; they become flows of this worker, or go to
 *            another one when this worker has too many.
 * Limits:    ACCEPTS_PER_TURN at a time. At max_flows, or when only the spare descriptors are left, it stops listening to
 *            the poller and looks again after ACCEPT_PAUSE_MS: connections wait in the backlog.
 * Ownership: owns the socket; holds references to the listener and to the snapshot whose settings
 *            new flows get.
 */
#ifndef FLOTILLA_LB_LOOP_ACCEPTOR_H
#define FLOTILLA_LB_LOOP_ACCEPTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/queue.h>

#include "common/base/wheel.h"
#include "lb/stream/poller.h"

struct listener;
struct snapshot;
struct worker;

#define ACCEPTS_PER_TURN 64
#define ACCEPT_PAUSE_MS 100u

struct acceptor {
    struct poll_target target;
    LIST_ENTRY(acceptor) link;
    struct worker *worker;
    struct listener *listener;
    struct snapshot *snapshot;
    size_t index; /* of the listener in the snapshot */
    int fd;
    bool paused;
    struct wheel_timer timer; /* ends the pause */
};

/* Takes `fd`, also on failure (false: out of memory or watches). Starts accepting. */
bool acceptor_open(struct worker *w, struct listener *l, int fd, struct snapshot *snapshot,
                   size_t index);
/* New flows get the settings of this snapshot. */
void acceptor_use(struct acceptor *a, struct snapshot *snapshot, size_t index);
/* Accepts what waits in the backlog first, since closing would reset it; then frees. */
void acceptor_close(struct acceptor *a);

#endif
