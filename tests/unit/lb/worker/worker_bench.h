/*
 * worker_bench - for tests: workers without threads, which the test turns itself, with one listener on
 * loopback and a backend of its own. Time is what the test says.
 */
#ifndef FLOTILLA_TESTS_UNIT_LB_WORKER_WORKER_BENCH_H
#define FLOTILLA_TESTS_UNIT_LB_WORKER_WORKER_BENCH_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lb/backend/server.h"
#include "lb/backend/server_set.h"
#include "lb/flow/flow.h"
#include "lb/flow/flow_life.h"
#include "lb/worker/listener.h"
#include "lb/worker/snapshot.h"
#include "lb/worker/worker.h"
#include "lb/worker/worker_set.h"

#define BENCH_NOW_MS 100000u
#define BENCH_WORKERS 2

struct bench {
    struct worker workers[BENCH_WORKERS];
    struct worker_set *set; /* of the first one; the test may let it see both */
    struct server_set *servers;
    struct snapshot *snapshot;
    struct listener *listener;
    int listen_fd; /* until an acceptor takes it */
};

static struct bench bench;

static inline struct server_set *bench_servers(const char *backend, void *arg)
{
    (void)backend;
    (void)arg;
    return bench.servers;
}

/* Listener "l" and backend "b"; both get further lines. */
static inline struct snapshot *bench_load(const char *listener, const char *backend)
{
    char text[1024];
    struct lb_config config;
    struct config_error err = {0};
    int n = snprintf(text, sizeof(text),
                     "listeners:\n  - name: l\n    bind: 127.0.0.1:0\n    backend: b\n%s"
                     "backends:\n  b:\n    servers: [ { name: x, address: \"127.0.0.1:9\" } ]\n%s",
                     listener, backend);
    if (!config_parse("test", text, (size_t)n, &lb_config_schema, &config, &err))
        fail_msg("%s", err.text);
    struct snapshot *s = snapshot_build(&config, "test", 1, bench_servers, NULL, NULL, &err);
    if (s == NULL)
        fail_msg("%s", err.text);
    return s;
}

static inline void bench_start_worker(unsigned index)
{
    struct worker *w = &bench.workers[index];
    w->set = bench.set;
    w->index = index;
    w->now_ms = BENCH_NOW_MS;
    wheel_init(&w->wheel, BENCH_NOW_MS);
    LIST_INIT(&w->acceptors);
    LIST_INIT(&w->flows);
    TAILQ_INIT(&w->ready);
    TAILQ_INIT(&w->waiting);
    TAILQ_INIT(&w->closed);
    w->relay.pipes = &w->pipes;
    w->relay.buffer = malloc(RELAY_BUFFER);
    assert_non_null(w->relay.buffer);
    assert_true(poller_init(&w->poller) && command_queue_init(&w->commands));
}

static inline void bench_start(const char *listener, const char *backend)
{
    char err[128];
    memset(&bench, 0, sizeof(bench));
    bench.set = calloc(1, sizeof(*bench.set) + BENCH_WORKERS * sizeof(bench.set->items[0]));
    assert_non_null(bench.set);
    bench.set->count = 1;
    for (unsigned i = 0; i < BENCH_WORKERS; i++) {
        bench.set->items[i] = &bench.workers[i];
        bench_start_worker(i);
    }
    bench.servers = server_set_new();
    bench.snapshot = bench_load(listener, backend);
    const struct snapshot_listener *l = &bench.snapshot->listeners[0];
    bench.listener =
        listener_open(&l->addr, l->addrlen, 128, &bench.listen_fd, 1, err, sizeof(err));
    assert_non_null(bench.listener);
}

static inline void bench_free_closed(struct worker *w)
{
    struct flow *f;
    while ((f = TAILQ_FIRST(&w->closed)) != NULL) {
        TAILQ_REMOVE(&w->closed, f, link);
        flow_free(f);
    }
}

/* Every acceptor must be closed, every server of the test removed and released. */
static inline void bench_end(void)
{
    for (unsigned i = 0; i < BENCH_WORKERS; i++) {
        struct worker *w = &bench.workers[i];
        while (!LIST_EMPTY(&w->flows))
            flow_close(LIST_FIRST(&w->flows));
        bench_free_closed(w);
        command_queue_fini(&w->commands);
        pipe_pool_fini(&w->pipes);
        poller_fini(&w->poller);
        free(w->relay.buffer);
    }
    if (bench.listen_fd >= 0)
        close(bench.listen_fd);
    assert_int_equal(atomic_load(&bench.listener->flows), 0);
    assert_int_equal(atomic_load(&bench.listener->refs), 1);
    assert_int_equal(atomic_load(&bench.snapshot->refs), 1);
    listener_unref(bench.listener);
    snapshot_unref(bench.snapshot);
    server_set_unref(bench.servers);
    free(bench.set);
}

static inline void bench_nothing(void *arg)
{
    (void)arg;
}

/* One round of the poller, which waits for an event if it is to, and the deadlines; `later_ms` after
 * the bench was started. Closed flows stay until the end, so that the test can look at them. */
static inline void bench_turn_waiting(struct worker *w, uint64_t later_ms, int wait_ms)
{
    w->now_ms = BENCH_NOW_MS + later_ms;
    poller_wait(&w->poller, wait_ms, bench_nothing, NULL);
    wheel_advance(&w->wheel, w->now_ms);
}

static inline void bench_turn(struct worker *w, uint64_t later_ms)
{
    bench_turn_waiting(w, later_ms, 0);
}

/* A server of the backend that is up; *listen_fd takes its connections. */
static inline struct server *bench_add_server(int *listen_fd)
{
    struct sockaddr_storage addr = {0};
    socklen_t len = sizeof(struct sockaddr_in);
    *(struct sockaddr_in *)&addr =
        (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    *listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(*listen_fd, (struct sockaddr *)&addr, len), 0);
    assert_int_equal(listen(*listen_fd, 16), 0);
    assert_int_equal(getsockname(*listen_fd, (struct sockaddr *)&addr, &len), 0);
    struct server *s = server_new("b", "s", &addr, len, 1, SERVER_FROM_LIST, -1);
    assert_non_null(s);
    atomic_store(&s->health, SERVER_UP);
    assert_true(server_set_add(bench.servers, s));
    return s;
}

static inline int bench_dial(void)
{
    struct sockaddr_storage to = bench.listener->bound;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, bench.listener->addrlen), 0);
    return fd;
}

#endif
