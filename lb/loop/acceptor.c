/*
 * What the poller reports becomes flows (flow_life.c), or a command for the worker that has fewer
 * (worker_set.c). While it pauses, connections wait in the backlog.
 */
#include "lb/loop/acceptor.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/log/log.h"
#include "lb/flow/flow_life.h"
#include "lb/worker/command.h"
#include "lb/worker/listener.h"
#include "lb/worker/snapshot.h"
#include "lb/worker/worker.h"
#include "lb/worker/worker_set.h"

/* Connections accepted at most while a listener is being removed. */
#define LAST_ACCEPTS 8192

static const struct listener_config *config_of(const struct acceptor *a)
{
    return a->snapshot->listeners[a->index].config;
}

static void set_paused(struct acceptor *a, bool paused)
{
    struct worker *w = a->worker;
    if (a->paused == paused)
        return;
    a->paused = paused;
    poller_modify(&w->poller, a->fd, paused ? 0 : EPOLLIN, &a->target);
    if (paused) {
        metric_add(&w->counters.accept_pauses, 1);
        wheel_set(&w->wheel, &a->timer, w->now_ms + ACCEPT_PAUSE_MS);
    }
}

static void hand_over(struct acceptor *a, struct worker *taker, int fd,
                      const struct sockaddr_storage *peer)
{
    struct command *c = command_new(COMMAND_CONNECTION);
    if (c == NULL) {
        listener_release(a->listener);
        close(fd);
        return;
    }
    c->fd = fd;
    c->peer = *peer;
    c->listener = listener_ref(a->listener);
    c->snapshot = snapshot_ref(a->snapshot);
    c->listener_index = a->index;
    atomic_fetch_add_explicit(&taker->incoming, 1, memory_order_relaxed);
    command_post(&taker->commands, c);
    metric_add(&a->worker->counters.handed_over, 1);
}

static void admit(struct acceptor *a, int fd, const struct sockaddr_storage *peer)
{
    struct worker *w = a->worker;
    struct worker *taker = worker_set_taker(w->set, w);
    metric_add(&w->counters.accepted, 1);
    metric_add_shared(&a->listener->counts->accepted, 1);
    if (taker != w)
        hand_over(a, taker, fd, peer);
    else if (!flow_open(w, a->listener, a->snapshot, a->index, fd, peer))
        LOG_LIMITED(LOG_LEVEL_ERROR, "flow_not_opened", KV_STR("listener", config_of(a)->name));
}

static void accept_failed(struct acceptor *a, int err)
{
    switch (err) {
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
        LOG_LIMITED(LOG_LEVEL_ERROR, "accept_paused", KV_STR("listener", config_of(a)->name),
                    KV_STR("err", strerror(err)));
        set_paused(a, true);
        break;
    default: /* of one connection: it is gone already (ECONNABORTED), or not allowed (EPERM) */
        break;
    }
}

/* Not the last descriptors: checks, discovery, HTTP and reloads need some. */
static bool has_descriptors(struct acceptor *a)
{
    if (worker_set_has_room(a->worker->set))
        return true;
    LOG_LIMITED(LOG_LEVEL_WARN, "accept_paused", KV_STR("listener", config_of(a)->name),
                KV_STR("err", "as many flows as there are file descriptors for"));
    set_paused(a, true);
    return false;
}

static bool reserve(struct acceptor *a)
{
    if (!has_descriptors(a))
        return false;
    if (listener_reserve(a->listener, config_of(a)->max_flows))
        return true;
    metric_add_shared(&a->listener->counts->paused, 1);
    set_paused(a, true);
    return false;
}

/* True: ask again. */
static bool accept_one(struct acceptor *a)
{
    struct sockaddr_storage peer = {0};
    socklen_t len = sizeof(peer);
    if (!reserve(a))
        return false;
    int fd = accept4(a->fd, (struct sockaddr *)&peer, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
        admit(a, fd, &peer);
        return true;
    }
    int err = errno;
    listener_release(a->listener);
    accept_failed(a, err);
    return err != EAGAIN && !a->paused;
}

static void on_ready(struct poll_target *target, uint32_t events)
{
    struct acceptor *a = (struct acceptor *)target; /* its first member */
    (void)events;
    for (int i = 0; i < ACCEPTS_PER_TURN && accept_one(a); i++)
        ;
}

static void on_pause_over(struct wheel_timer *timer)
{
    struct acceptor *a = (struct acceptor *)((char *)timer - offsetof(struct acceptor, timer));
    set_paused(a, false);
}

bool acceptor_open(struct worker *w, struct listener *l, int fd, struct snapshot *snapshot,
                   size_t index)
{
    struct acceptor *a = calloc(1, sizeof(*a));
    if (a == NULL || !poller_add(&w->poller, fd, EPOLLIN, &a->target)) {
        free(a);
        close(fd);
        return false;
    }
    a->target.ready = on_ready;
    a->timer.due = on_pause_over;
    a->worker = w;
    a->fd = fd;
    a->listener = listener_ref(l);
    a->snapshot = snapshot_ref(snapshot);
    a->index = index;
    LIST_INSERT_HEAD(&w->acceptors, a, link);
    return true;
}

void acceptor_use(struct acceptor *a, struct snapshot *snapshot, size_t index)
{
    snapshot_ref(snapshot);
    snapshot_unref(a->snapshot);
    a->snapshot = snapshot;
    a->index = index;
}

void acceptor_close(struct acceptor *a)
{
    for (int i = 0; i < LAST_ACCEPTS && accept_one(a); i++)
        ;
    wheel_cancel(&a->timer);
    poller_remove(&a->worker->poller, a->fd);
    close(a->fd);
    LIST_REMOVE(a, link);
    listener_unref(a->listener);
    snapshot_unref(a->snapshot);
    free(a);
}
