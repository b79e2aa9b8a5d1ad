/*
 * The loop of one thread, and what it does on the control thread's commands.
 */
#include "lb/loop/worker_loop.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/clock.h"
#include "common/log/log.h"
#include "lb/backend/server.h"
#include "lb/flow/flow.h"
#include "lb/flow/flow_life.h"
#include "lb/loop/acceptor.h"
#include "lb/stream/stream_record.h"
#include "lb/stream/stream_tls.h"
#include "lb/worker/listener.h"
#include "lb/worker/snapshot.h"
#include "lb/worker/worker.h"

static struct acceptor *acceptor_of(struct worker *w, const struct listener *l)
{
    struct acceptor *a;
    LIST_FOREACH (a, &w->acceptors, link) {
        if (a->listener == l)
            return a;
    }
    return NULL;
}

static bool names_listener(const struct command *c, const struct listener *l)
{
    for (size_t i = 0; i < c->socket_count; i++) {
        if (c->sockets[i].listener == l)
            return true;
    }
    return false;
}

static void close_unnamed(struct worker *w, const struct command *c)
{
    struct acceptor *next;
    for (struct acceptor *a = LIST_FIRST(&w->acceptors); a != NULL; a = next) {
        next = LIST_NEXT(a, link);
        if (!names_listener(c, a->listener))
            acceptor_close(a);
    }
}

static void apply(struct worker *w, struct command *c)
{
    if (w->draining)
        return;
    w->gathers = c->snapshot->config.gather;
    close_unnamed(w, c);
    for (size_t i = 0; i < c->socket_count; i++) {
        struct command_socket *socket = &c->sockets[i];
        struct acceptor *a = acceptor_of(w, socket->listener);
        int fd = socket->fd;
        socket->fd = -1;
        if (a != NULL)
            acceptor_use(a, c->snapshot, i);
        else if (!acceptor_open(w, socket->listener, fd, c->snapshot, i))
            LOG_ERROR("listener_not_opened",
                      KV_STR("listener", c->snapshot->listeners[i].config->name));
    }
}

/* Handles each flow that is on the list now once; those that come back wait for the next time. */
static void handle_list(struct flow_list *list)
{
    struct flow *f;
    size_t count = 0;
    TAILQ_FOREACH (f, list, link) {
        count++;
    }
    while (count-- > 0 && (f = TAILQ_FIRST(list)) != NULL) {
        flow_place(f, FLOW_NOWHERE);
        flow_handle(f);
    }
}

/* All of them, or those of one server. */
static void close_flows(struct worker *w, const struct server *s)
{
    struct flow *next;
    for (struct flow *f = LIST_FIRST(&w->flows); f != NULL; f = next) {
        next = LIST_NEXT(f, all);
        if (s == NULL || f->chosen == s)
            flow_close(f);
    }
}

static void on_drain_over(struct wheel_timer *timer)
{
    close_flows((struct worker *)((char *)timer - offsetof(struct worker, drain_timer)), NULL);
}

static void drain(struct worker *w, uint64_t deadline_ms)
{
    w->draining = true;
    while (!LIST_EMPTY(&w->acceptors))
        acceptor_close(LIST_FIRST(&w->acceptors));
    w->drain_timer.due = on_drain_over;
    wheel_set(&w->wheel, &w->drain_timer, deadline_ms);
}

static void adopt(struct worker *w, struct command *c)
{
    int fd = c->fd;
    c->fd = -1;
    atomic_fetch_sub_explicit(&w->incoming, 1, memory_order_relaxed);
    if (!flow_open(w, c->listener, c->snapshot, c->listener_index, fd, &c->peer))
        LOG_LIMITED(LOG_LEVEL_ERROR, "flow_not_opened", KV_UINT("worker", w->index));
}

static void obey(struct worker *w, struct command *c)
{
    switch (c->kind) {
    case COMMAND_APPLY:
        apply(w, c);
        break;
    case COMMAND_WAKE:
        handle_list(&w->waiting);
        break;
    case COMMAND_CLOSE_SERVER:
        close_flows(w, c->server);
        break;
    case COMMAND_DRAIN:
        drain(w, c->deadline_ms);
        break;
    case COMMAND_CONNECTION:
        adopt(w, c);
        break;
    case COMMAND_STOP:
        w->stopping = true;
        break;
    }
}

/* After the round, since the poller's targets may not be freed inside of it. */
static void obey_all(struct worker *w)
{
    struct command *c;
    if (!w->commands.due)
        return;
    w->commands.due = false;
    while ((c = command_take(&w->commands)) != NULL) {
        obey(w, c);
        command_free(c);
    }
}

static void free_closed(struct worker *w)
{
    struct flow *f;
    while ((f = TAILQ_FIRST(&w->closed)) != NULL) {
        TAILQ_REMOVE(&w->closed, f, link);
        flow_free(f);
    }
}

static void after_wait(void *arg)
{
    struct worker *w = arg;
    w->now_ms = clock_monotonic_ms();
}

static void turn(struct worker *w)
{
    if (w->gathers && pace_turn(&w->pace, w->now_ms) && TAILQ_EMPTY(&w->ready))
        pace_rest(&w->pace);
    int timeout_ms = TAILQ_EMPTY(&w->ready) ? wheel_wait_ms(&w->wheel, w->now_ms) : 0;
    /* Flows that ran out of budget in the turn before are run after the poll, so that fresh events
     * don't wait long for them.
     */
    poller_wait(&w->poller, timeout_ms, after_wait, w);
    handle_list(&w->ready);
    wheel_advance(&w->wheel, w->now_ms);
    obey_all(w);
    free_closed(w);
}

static void *run(void *arg)
{
    struct worker *w = arg;
    while (!w->stopping)
        turn(w);
    while (!LIST_EMPTY(&w->acceptors))
        acceptor_close(LIST_FIRST(&w->acceptors));
    close_flows(w, NULL);
    free_closed(w);
    return NULL;
}

static bool start_thread(struct worker *w)
{
    sigset_t all;
    sigset_t before;
    char name[16];
    sigfillset(&all); /* signals are the control thread's */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    bool ok = pthread_create(&w->thread, NULL, run, w) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (ok) {
        snprintf(name, sizeof(name), "worker-%u", w->index);
        pthread_setname_np(w->thread, name);
    }
    return ok;
}

void worker_loop_free(struct worker *w)
{
    if (w == NULL)
        return;
    command_queue_fini(&w->commands);
    pipe_pool_fini(&w->pipes);
    poller_fini(&w->poller);
    BIO_meth_free(w->bio_method);
    record_env_free(w->records);
    free(w->relay.buffer);
    free(w);
}

struct worker *worker_loop_start(struct worker_set *set, unsigned index)
{
    struct worker *w = calloc(1, sizeof(*w));
    if (w == NULL)
        return NULL;
    w->set = set;
    w->index = index;
    w->now_ms = clock_monotonic_ms();
    wheel_init(&w->wheel, w->now_ms);
    LIST_INIT(&w->acceptors);
    LIST_INIT(&w->flows);
    TAILQ_INIT(&w->ready);
    TAILQ_INIT(&w->waiting);
    TAILQ_INIT(&w->closed);
    w->relay.pipes = &w->pipes;
    w->relay.buffer = malloc(RELAY_BUFFER);
    w->bio_method = stream_tls_method_new();
    w->records = record_env_new();
    bool polls = poller_init(&w->poller);
    if (!command_queue_init(&w->commands) || !polls || w->relay.buffer == NULL ||
        w->bio_method == NULL || w->records == NULL ||
        !poller_add(&w->poller, w->commands.event_fd, EPOLLIN, &w->commands.target) ||
        !start_thread(w)) {
        worker_loop_free(w);
        return NULL;
    }
    return w;
}

void worker_loop_stop(struct worker *w)
{
    struct command *c;
    do /* without memory for it, wait until others have given some back */
        c = command_new(COMMAND_STOP);
    while (c == NULL);
    command_post(&w->commands, c);
    pthread_join(w->thread, NULL);
}
