/*
 * For tests: a data plane (real workers, on loopback) in front of servers that the test plays
 * itself, one socket at a time. Every wait ends by a deadline.
 */
#ifndef FLOTILLA_TESTS_UNIT_LB_FLOW_FLOW_FIXTURE_H
#define FLOTILLA_TESTS_UNIT_LB_FLOW_FLOW_FIXTURE_H

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/tls/tls_tickets.h"
#include "lb/backend/server.h"
#include "lb/backend/server_set.h"
#include "lb/loop/workers.h"
#include "lb/tls/records/tls_provider.h"
#include "lb/worker/snapshot.h"
#include "tests/unit/temp_file.h"

#define WAIT_MS 5000
#define FAKES_MAX 4

struct fake {
    int listen_fd; /* -1: nobody listens on the port */
    struct server *server;
};

struct plane {
    struct server_set *set;
    OSSL_PROVIDER *tls_provider;
    struct tls_tickets *tickets;
    struct snapshot *snapshot;
    struct workers *workers;
    struct fake fakes[FAKES_MAX];
    unsigned fake_count;
};

/* The one of the test that runs. */
static struct plane plane;

static inline struct sockaddr_in loopback(unsigned port)
{
    return (struct sockaddr_in){.sin_family = AF_INET,
                                .sin_port = htons((uint16_t)port),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static inline void wait_readable(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    assert_int_equal(poll(&p, 1, WAIT_MS), 1);
}

static inline bool is_readable_within(int fd, int ms)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    return poll(&p, 1, ms) == 1;
}

/* A listening socket on a free port. */
static inline int listen_somewhere(struct sockaddr_in *addr)
{
    socklen_t len = sizeof(*addr);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    *addr = loopback(0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)addr, sizeof(*addr)), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)addr, &len), 0);
    assert_int_equal(listen(fd, 64), 0);
    return fd;
}

static inline struct fake *plane_add_server(struct plane *p, const char *name, bool up)
{
    struct sockaddr_storage addr = {0};
    struct fake *f = &p->fakes[p->fake_count++];
    f->listen_fd = listen_somewhere((struct sockaddr_in *)&addr);
    f->server = server_new("b", name, &addr, sizeof(struct sockaddr_in), 1, SERVER_FROM_LIST, -1);
    assert_non_null(f->server);
    atomic_store(&f->server->health, up ? SERVER_UP : SERVER_DOWN);
    assert_true(server_set_add(p->set, f->server));
    return f;
}

static inline void fake_stop_listening(struct fake *f)
{
    close(f->listen_fd);
    f->listen_fd = -1;
}

static inline struct server_set *plane_set(const char *backend, void *arg)
{
    (void)backend;
    return ((struct plane *)arg)->set;
}

static inline struct snapshot *plane_load(struct plane *p, const char *yaml)
{
    struct lb_config config;
    struct config_error err = {0};
    temp_file_write(yaml, strlen(yaml));
    if (!lb_config_load(temp_file, &config, &err))
        fail_msg("%s", err.text);
    struct snapshot *s = snapshot_build(&config, temp_file, 1, plane_set, p, p->tickets, &err);
    if (s == NULL)
        fail_msg("%s", err.text);
    return s;
}

static inline void plane_apply(struct plane *p, const char *yaml)
{
    char err[256];
    struct snapshot *next = plane_load(p, yaml);
    if (!workers_apply(p->workers, next, err, sizeof(err)))
        fail_msg("%s", err);
    snapshot_unref(p->snapshot);
    p->snapshot = next;
}

static inline void plane_init(struct plane *p)
{
    memset(p, 0, sizeof(*p));
    assert_int_equal(temp_file_make(NULL), 0);
    p->set = server_set_new();
    p->tls_provider = tls_provider_load();
    p->tickets = tls_tickets_new(TLS_TICKETS_PERIOD_MS);
    p->workers = workers_new(2);
    assert_non_null(p->workers);
}

static inline void plane_fini(struct plane *p)
{
    workers_free(p->workers);
    snapshot_unref(p->snapshot);
    for (unsigned i = 0; i < p->fake_count; i++) {
        if (p->fakes[i].listen_fd >= 0)
            close(p->fakes[i].listen_fd);
        assert_int_equal(atomic_load(&p->fakes[i].server->connections), 0);
        server_unref(p->fakes[i].server);
    }
    server_set_unref(p->set);
    tls_tickets_free(p->tickets);
    tls_provider_unload(p->tls_provider);
    temp_file_remove(NULL);
}

static inline int plane_setup(void **state)
{
    (void)state;
    plane_init(&plane);
    return 0;
}

static inline int plane_teardown(void **state)
{
    (void)state;
    plane_fini(&plane);
    return 0;
}

/* One listener "l" on a free port, backend "b"; `listener` and `backend` are further lines. */
static inline const char *plane_yaml(const char *listener, const char *backend)
{
    static char yaml[2048];
    snprintf(yaml, sizeof(yaml),
             "listeners:\n"
             "  - name: l\n"
             "    bind: 127.0.0.1:0\n"
             "    backend: b\n"
             "%s"
             "backends:\n"
             "  b:\n"
             "    servers: [ { name: x, address: \"127.0.0.1:9\" } ]\n"
             "%s",
             listener, backend);
    return yaml;
}

static inline void plane_start(const char *listener, const char *backend)
{
    plane_apply(&plane, plane_yaml(listener, backend));
}

static inline int plane_dial(struct plane *p)
{
    struct sockaddr_in addr = loopback(workers_port(p->workers, "l"));
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
    return fd;
}

static inline int fake_accept(struct fake *f)
{
    wait_readable(f->listen_fd);
    int fd = accept(f->listen_fd, NULL, NULL);
    assert_true(fd >= 0);
    return fd;
}

/* The server among all fakes that the next flow comes to; *fd is the connection. */
static inline struct fake *plane_accept(struct plane *p, int *fd)
{
    struct pollfd polls[FAKES_MAX];
    *fd = -1;
    for (unsigned i = 0; i < p->fake_count; i++)
        polls[i] = (struct pollfd){.fd = p->fakes[i].listen_fd, .events = POLLIN};
    assert_true(poll(polls, p->fake_count, WAIT_MS) > 0);
    for (unsigned i = 0; i < p->fake_count; i++) {
        if (polls[i].revents != 0) {
            *fd = fake_accept(&p->fakes[i]);
            return &p->fakes[i];
        }
    }
    fail_msg("no server got the flow");
    return NULL;
}

static inline void say(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

/* Reads exactly that text. */
static inline void hear(int fd, const char *text)
{
    char buf[256];
    size_t want = strlen(text);
    size_t got = 0;
    while (got < want) {
        wait_readable(fd);
        ssize_t n = recv(fd, buf + got, want - got, 0);
        if (n <= 0)
            fail_msg("ended after %zu of '%s'", got, text);
        got += (size_t)n;
    }
    assert_memory_equal(buf, text, want);
}

/* Said at one end, heard at the other. */
static inline void pass(int from, int to, const char *text)
{
    say(from, text);
    hear(to, text);
}

static inline void hear_end(int fd)
{
    char byte;
    wait_readable(fd);
    assert_int_equal(recv(fd, &byte, 1, 0), 0);
}

/* Reads to the reset that must come; the bytes before it. */
static inline size_t hear_reset(int fd)
{
    static uint8_t buf[65536];
    size_t got = 0;
    for (;;) {
        wait_readable(fd);
        ssize_t n = recv(fd, buf, sizeof(buf), 0);
        if (n == 0)
            fail_msg("an orderly end after %zu bytes", got);
        if (n < 0) {
            assert_int_equal(errno, ECONNRESET);
            return got;
        }
        got += (size_t)n;
    }
}

/* Sends until the flow takes no more. */
static inline size_t say_much(int fd)
{
    static const uint8_t bytes[65536];
    struct pollfd p = {.fd = fd, .events = POLLOUT};
    size_t sent = 0;
    while (poll(&p, 1, 200) == 1) {
        ssize_t n = send(fd, bytes, sizeof(bytes), MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0)
            break;
        sent += (size_t)n;
    }
    return sent;
}

/* Ended or reset. */
static inline void hear_closed(int fd)
{
    char byte;
    wait_readable(fd);
    assert_true(recv(fd, &byte, 1, 0) <= 0);
}

static inline void reset_and_close(int fd)
{
    struct linger now = {.l_onoff = 1};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    close(fd);
}

/* A flow that relays: both sides have said something. */
static inline void plane_open_flow(struct plane *p, int *client, int *server)
{
    *client = plane_dial(p);
    say(*client, "hello");
    plane_accept(p, server);
    hear(*server, "hello");
    pass(*server, *client, "welcome");
}

static inline void close_pair(int client, int server)
{
    close(client);
    close(server);
}

static inline struct worker_stats plane_stats(struct plane *p)
{
    struct worker_stats sum = {0};
    for (unsigned i = 0; i < workers_count(p->workers); i++) {
        struct worker_stats s;
        workers_stats(p->workers, i, &s);
        sum.accepted += s.accepted;
        sum.flows += s.flows;
        sum.queued += s.queued;
        sum.retries += s.retries;
        sum.queue_timeouts += s.queue_timeouts;
        sum.handshakes += s.handshakes;
        sum.handshake_fails += s.handshake_fails;
        sum.half_close_timeouts += s.half_close_timeouts;
        sum.proxy_headers_refused += s.proxy_headers_refused;
        sum.stall_timeouts += s.stall_timeouts;
        sum.bytes_out += s.bytes_out;
        sum.spliced += s.spliced;
        sum.accept_pauses += s.accept_pauses;
    }
    return sum;
}

/* Polls a condition over the plane's numbers until it holds. */
#define WAIT_UNTIL(condition)                                                                      \
    do {                                                                                           \
        uint64_t until_ = clock_monotonic_ms() + WAIT_MS;                                          \
        while (!(condition)) {                                                                     \
            if (clock_monotonic_ms() > until_)                                                     \
                fail_msg("never came true: %s", #condition);                                       \
            nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);                               \
        }                                                                                          \
    } while (0)

#endif
