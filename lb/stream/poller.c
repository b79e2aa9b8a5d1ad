/*
 * The thin layer over epoll that worker_loop.c turns around.
 */
#include "lb/stream/poller.h"

#include <unistd.h>

bool poller_init(struct poller *p)
{
    p->fd = epoll_create1(EPOLL_CLOEXEC);
    return p->fd >= 0;
}

void poller_fini(struct poller *p)
{
    if (p->fd >= 0)
        close(p->fd);
    p->fd = -1;
}

static bool control(struct poller *p, int op, int fd, uint32_t events, struct poll_target *target)
{
    struct epoll_event ev = {.events = events, .data.ptr = target};
    return epoll_ctl(p->fd, op, fd, &ev) == 0;
}

bool poller_add(struct poller *p, int fd, uint32_t events, struct poll_target *target)
{
    return control(p, EPOLL_CTL_ADD, fd, events, target);
}

bool poller_modify(struct poller *p, int fd, uint32_t events, struct poll_target *target)
{
    return control(p, EPOLL_CTL_MOD, fd, events, target);
}

void poller_remove(struct poller *p, int fd)
{
    control(p, EPOLL_CTL_DEL, fd, 0, NULL);
}

void poller_wait(struct poller *p, int timeout_ms, void (*after_wait)(void *arg), void *arg)
{
    int n = epoll_wait(p->fd, p->events, POLLER_ROUND, timeout_ms);
    after_wait(arg);
    for (int i = 0; i < n; i++) {
        struct poll_target *target = p->events[i].data.ptr;
        target->ready(target, p->events[i].events);
    }
}
