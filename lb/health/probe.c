/*
 * The socket half of a health check. One connect, one send (a request is far smaller than an empty
 * socket buffer), reads until the judge in probe_talk.c has seen enough, and a goodbye for MQTT.
 * When to check, and what an outcome means for the server, is checker.c's.
 */
#include "lb/health/probe.h"

#include <errno.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "lb/health/own_trouble.h"

#define REQUEST_MAX 1536
#define ANSWER_MAX 1024
#define LATE_US 200000u

/*
 *   CONNECTING --writable--> ASKING (request sent) --judged--> done
 *        |                      |
 *        +---- error, timeout --+--> done
 */
enum probe_state { PROBE_CONNECTING, PROBE_ASKING, PROBE_DONE };

struct probe {
    enum probe_state state;
    enum lb_check_type type;
    bool has_login;
    int fd;          /* -1: there was none to be had; start_errno says why */
    int start_errno; /* of a socket or connect that failed at once */
    uint64_t timeout_ms;
    struct event *io, *timer;
    uint64_t started_us;
    probe_done_fn *fn;
    void *arg;
    size_t request_len, answer_len;
    uint8_t request[REQUEST_MAX];
    uint8_t answer[ANSWER_MAX];
};

static void probe_free(struct probe *p)
{
    if (p == NULL)
        return;
    if (p->io != NULL)
        event_free(p->io);
    if (p->timer != NULL)
        event_free(p->timer);
    if (p->fd >= 0)
        close(p->fd);
    free(p);
}

void probe_cancel(struct probe *p)
{
    probe_free(p);
}

static void finish(struct probe *p, enum probe_verdict verdict, const char *error)
{
    struct probe_result result = {.verdict = verdict,
                                  .took_us = clock_monotonic_us() - p->started_us};
    snprintf(result.error, sizeof(result.error), "%s", error);
    probe_done_fn *fn = p->fn;
    void *arg = p->arg;
    p->state = PROBE_DONE;
    probe_free(p);
    fn(&result, arg);
}

static void finish_errno(struct probe *p, const char *what, int err)
{
    char error[96];
    snprintf(error, sizeof(error), "%s: %s", what, strerror(err));
    finish(p, is_own_trouble(err) ? PROBE_IMPOSSIBLE : PROBE_FAIL, error);
}

static void say_goodbye(const struct probe *p)
{
    static const uint8_t disconnect[] = {0xe0, 0x00};
    if (p->type == LB_CHECK_MQTT) {
        ssize_t n = send(p->fd, disconnect, sizeof(disconnect), MSG_NOSIGNAL);
        (void)n; /* a server that is gone by now shows at the next check */
    }
}

static void on_connected(struct probe *p)
{
    int err = p->start_errno;
    socklen_t len = sizeof(err);
    if (err == 0 && getsockopt(p->fd, SOL_SOCKET, SO_ERROR, &err, &len) != 0)
        err = errno;
    if (err != 0) {
        finish_errno(p, p->fd < 0 ? "socket" : "connect", err);
        return;
    }
    if (p->request_len > 0) {
        ssize_t n = send(p->fd, p->request, p->request_len, MSG_NOSIGNAL);
        if (n != (ssize_t)p->request_len) {
            finish_errno(p, "send", n < 0 ? errno : ENOBUFS);
            return;
        }
    }
    if (p->type == LB_CHECK_TCP) {
        finish(p, PROBE_PASS, "");
        return;
    }
    p->state = PROBE_ASKING;
    event_del(p->io);
    if (event_assign(p->io, event_get_base(p->io), p->fd, EV_READ | EV_PERSIST,
                     event_get_callback(p->io), p) != 0 ||
        event_add(p->io, NULL) != 0)
        finish(p, PROBE_IMPOSSIBLE, "out of memory");
}

static void on_answer(struct probe *p)
{
    ssize_t n = recv(p->fd, p->answer + p->answer_len, sizeof(p->answer) - p->answer_len, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n < 0) {
        finish_errno(p, "receive", errno);
        return;
    }
    if (n == 0) {
        finish(p, PROBE_FAIL,
               p->answer_len == 0 ? "closed without an answer" : "closed amid its answer");
        return;
    }
    p->answer_len += (size_t)n;
    char error[96] = "";
    enum probe_verdict verdict =
        probe_judge(p->type, p->has_login, p->answer, p->answer_len, error, sizeof(error));
    if (verdict == PROBE_WAIT) {
        if (p->answer_len == sizeof(p->answer))
            finish(p, PROBE_FAIL, "answer too long");
        return;
    }
    if (verdict == PROBE_PASS)
        say_goodbye(p);
    finish(p, verdict, error);
}

static void on_io(evutil_socket_t fd, short what, void *arg)
{
    struct probe *p = arg;
    (void)fd;
    (void)what;
    switch (p->state) {
    case PROBE_CONNECTING:
        on_connected(p); /* may free it: nothing follows */
        return;
    case PROBE_ASKING:
        on_answer(p); /* likewise */
        return;
    case PROBE_DONE:
        return;
    }
}

static void on_timeout(evutil_socket_t fd, short what, void *arg)
{
    struct probe *p = arg;
    (void)fd;
    (void)what;
    /* A timer that comes far too late tells of this process (stopped, or starved), not of the
     * server, whose answer may be waiting. */
    if (clock_monotonic_us() - p->started_us > 2000 * p->timeout_ms + LATE_US)
        finish(p, PROBE_IMPOSSIBLE, "the load balancer itself stood still");
    else
        finish(p, PROBE_FAIL,
               p->state == PROBE_CONNECTING ? "connect timed out" : "no answer in time");
}

/* What fails at once (on loopback also a refusal) is told from the loop all the same. */
static void begin_connect(struct probe *p, const struct probe_spec *spec)
{
    p->fd = socket(spec->addr.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (p->fd < 0 || (connect(p->fd, (const struct sockaddr *)&spec->addr, spec->addrlen) != 0 &&
                      errno != EINPROGRESS))
        p->start_errno = errno;
}

struct probe *probe_start(struct event_base *base, const struct probe_spec *spec, probe_done_fn *fn,
                          void *arg)
{
    struct probe *p = calloc(1, sizeof(*p));
    if (p == NULL)
        return NULL;
    *p = (struct probe){.type = spec->type,
                        .has_login = spec->username != NULL,
                        .timeout_ms = spec->timeout_ms,
                        .fd = -1,
                        .fn = fn,
                        .arg = arg};
    p->started_us = clock_monotonic_us();
    struct timeval timeout = {.tv_sec = (time_t)(spec->timeout_ms / 1000),
                              .tv_usec = (suseconds_t)(spec->timeout_ms % 1000 * 1000)};
    if (!probe_request(spec, p->request, sizeof(p->request), &p->request_len))
        goto fail;
    begin_connect(p, spec);
    p->io = event_new(base, p->fd, EV_WRITE | EV_PERSIST, on_io, p);
    p->timer = event_new(base, -1, 0, on_timeout, p);
    if (p->io == NULL || p->timer == NULL || (p->fd >= 0 && event_add(p->io, NULL) != 0) ||
        event_add(p->timer, &timeout) != 0)
        goto fail;
    if (p->start_errno != 0)
        event_active(p->io, EV_WRITE, 0);
    return p;
fail:
    probe_free(p);
    return NULL;
}
