/*
 * poller - edge-triggered readiness of the descriptors of one worker.
 *
 * Data flow: poller_wait collects what the kernel reports and calls each target's `ready` with the
 *            raw epoll events. A target belongs to whoever embeds it.
 * Why not libevent here: it folds EPOLLERR into "readable and writable" and so hides a reset that
 *            came together with data. After a short read nothing would tell that the connection is
 *            gone, and each burst would need a second recv to find out. It also keeps about 180
 *            bytes per socket, where this keeps 8.
 * Ownership: holds no reference to descriptors; remove one before it is closed, since a copy that
 *            another process got would keep it registered.
 * Errors:    false when the kernel refuses (out of memory, limit of watches).
 */
#ifndef FLOTILLA_LB_STREAM_POLLER_H
#define FLOTILLA_LB_STREAM_POLLER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

struct poll_target {
    /* May not free a target: others of the same round may still be reported. */
    void (*ready)(struct poll_target *target, uint32_t events);
};

#define POLLER_ROUND 256 /* descriptors reported at most in one round */

struct poller {
    int fd;
    struct epoll_event events[POLLER_ROUND];
};

/* What a stream's socket is registered for, once and for all. */
#define POLLER_STREAM (EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET)

bool poller_init(struct poller *p);
void poller_fini(struct poller *p);

bool poller_add(struct poller *p, int fd, uint32_t events, struct poll_target *target);
bool poller_modify(struct poller *p, int fd, uint32_t events, struct poll_target *target);
void poller_remove(struct poller *p, int fd);

/* One round: waits (timeout_ms -1: for ever), then calls the targets. `after_wait` runs between the
 * two, so that a cached clock is fresh when targets look at it. */
void poller_wait(struct poller *p, int timeout_ms, void (*after_wait)(void *arg), void *arg);

#endif
