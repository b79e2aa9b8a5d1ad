/*
 * For tests: a checker whose checks connect to a socket of this process; when the next one is due is
 * read off its timer.
 */
#ifndef FLOTILLA_TESTS_UNIT_LB_HEALTH_CHECKER_FIXTURE_H
#define FLOTILLA_TESTS_UNIT_LB_HEALTH_CHECKER_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/log/log.h"
#include "lb/health/checker.h"

#define HOUR_MS 3600000u
#define FAST_MS 60000u
#define WAIT_MS 5000u

static struct event_base *base;
static struct server *server;
static struct checker checker;
static struct check_config config;
static int listener; /* -1: nobody listens on the server's port */
static unsigned up_calls;

static inline void on_up(void *arg)
{
    assert_ptr_equal(arg, &up_calls);
    up_calls++;
}

static inline void listen_on(struct sockaddr_storage *addr, socklen_t *len)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    *len = sizeof(a);
    listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&a, sizeof(a)), 0);
    assert_int_equal(listen(listener, 64), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&a, len), 0);
    memset(addr, 0, sizeof(*addr));
    memcpy(addr, &a, sizeof(a));
}

static inline void stop_listening(void)
{
    close(listener);
    listener = -1;
}

static inline int checker_setup(void **state)
{
    struct sockaddr_storage addr;
    socklen_t len;
    (void)state;
    up_calls = 0;
    base = event_base_new();
    listen_on(&addr, &len);
    server = server_new("b", "s", &addr, len, 1, SERVER_FROM_LIST, -1);
    config = (struct check_config){.type = LB_CHECK_TCP,
                                   .interval_ms = HOUR_MS,
                                   .fast_interval_ms = FAST_MS,
                                   .timeout_ms = 2000,
                                   .rise = 2,
                                   .fall = 2};
    checker = (struct checker){0};
    return checker_init(&checker, base, server, on_up, &up_calls) ? 0 : -1;
}

static inline int checker_teardown(void **state)
{
    (void)state;
    checker_fini(&checker);
    server_unref(server);
    if (listener >= 0)
        close(listener);
    event_base_free(base);
    return 0;
}

static inline void turn(void)
{
    event_base_loop(base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
}

static inline uint64_t checks(void)
{
    return checker.passes + checker.failures + checker.impossible;
}

/* One check, begun now. */
static inline void check(void)
{
    uint64_t before = checks();
    uint64_t deadline_ms = clock_monotonic_ms() + WAIT_MS;
    checker_resume(&checker);
    while (checks() == before && clock_monotonic_ms() < deadline_ms)
        turn();
    assert_int_equal(checks(), before + 1);
}

static inline void configure(void)
{
    checker_configure(&checker, &config, false, 0);
}

static inline void come_up(void)
{
    configure();
    check();
    assert_int_equal(server_state(server), SERVER_STATE_UP);
}

static inline bool is_scheduled(void)
{
    return event_pending(checker.timer, EV_TIMEOUT, NULL);
}

/* How long until the next check, to the second. */
static inline long due_in_s(void)
{
    struct timeval due;
    struct timeval now;
    assert_true(event_pending(checker.timer, EV_TIMEOUT, &due));
    evutil_gettimeofday(&now, NULL);
    return due.tv_sec > now.tv_sec ? (long)(due.tv_sec - now.tv_sec) : 0;
}

static inline void assert_due_about(uint64_t ms)
{
    assert_in_range(due_in_s(), ms / 1000 * 9 / 10 - 2, ms / 1000 * 11 / 10 + 1);
}

#endif
