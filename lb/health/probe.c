/*
 * The socket half of a health check. One connect, one send (a request is far smaller than an empty
 * socket buffer), reads until the judge in probe_talk.c has seen enough, and a goodbye for MQTT.
 * When to check, and what an outcome means for the server, is checker.c's.
 */
#include "lb/health/probe.h"

#include <errno.h>
#include <event2/event.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/tls/tls_channel.h"
#include "common/tls/tls_client.h"
#include "lb/health/own_trouble.h"

#define REQUEST_MAX 1536
#define ANSWER_MAX 1024
#define LATE_US 200000u

/*
 *   CONNECTING --writable--> ASKING (request sent) --judged--> done
 *        |  |                 ^ |
 *        |  +-TLS-> SECURING -+ |
 *        |             |        |
 *        +---- error, timeout --+--> done
 */
enum probe_state { PROBE_CONNECTING, PROBE_SECURING, PROBE_ASKING, PROBE_DONE };

static const char *const late_names[] = {
    [PROBE_CONNECTING] = "connect timed out",
    [PROBE_SECURING] = "TLS handshake timed out",
    [PROBE_ASKING] = "no answer in time",
    [PROBE_DONE] = "done",
};

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
    struct tls_client *tls;      /* a reference; NULL: plain */
    struct tls_channel *channel; /* from SECURING on */
    struct sockaddr_storage addr;
    socklen_t addrlen;
    size_t header_len; /* of the request: before TLS */
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
    tls_channel_free(p->channel);
    tls_client_unref(p->tls);
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

/* ---- bytes, in TLS or not ---- */

static ssize_t receive_plain(void *arg, void *buf, size_t len)
{
    return recv(((const struct probe *)arg)->fd, buf, len, 0);
}

static ssize_t send_plain(void *arg, const void *buf, size_t len)
{
    return send(((const struct probe *)arg)->fd, buf, len, MSG_NOSIGNAL);
}

static ssize_t receive_bytes(struct probe *p, void *buf, size_t len)
{
    bool more; /* libevent is level-triggered; an answer is short */
    return p->channel != NULL ? tls_channel_read(p->channel, buf, len, &more)
                              : receive_plain(p, buf, len);
}

static ssize_t send_bytes(struct probe *p, const void *buf, size_t len)
{
    struct iovec all = {.iov_base = (void *)buf, .iov_len = len};
    return p->channel != NULL ? tls_channel_writev(p->channel, &all, 1) : send_plain(p, buf, len);
}

static void say_goodbye(struct probe *p)
{
    static const uint8_t disconnect[] = {0xe0, 0x00};
    if (p->type == LB_CHECK_MQTT) {
        ssize_t n = send_bytes(p, disconnect, sizeof(disconnect));
        (void)n; /* a server that is gone by now shows at the next check */
    }
    if (p->channel != NULL)
        tls_channel_close(p->channel);
}

/* ---- states ---- */

/* False: it is done with. */
static bool send_all(struct probe *p, const uint8_t *bytes, size_t len)
{
    if (len == 0)
        return true;
    ssize_t n = send_bytes(p, bytes, len);
    if (n != (ssize_t)len)
        finish_errno(p, "send", n < 0 ? errno : ENOBUFS);
    return n == (ssize_t)len;
}

/* Waits for what the server says. False: it is done with. */
static bool listen_now(struct probe *p, enum probe_state state)
{
    p->state = state;
    event_del(p->io);
    if (event_assign(p->io, event_get_base(p->io), p->fd, EV_READ | EV_PERSIST,
                     event_get_callback(p->io), p) == 0 &&
        event_add(p->io, NULL) == 0)
        return true;
    finish(p, PROBE_IMPOSSIBLE, "out of memory");
    return false;
}

static void ask(struct probe *p)
{
    if (!send_all(p, p->request + p->header_len, p->request_len - p->header_len))
        return;
    if (p->type == LB_CHECK_TCP) {
        if (p->channel != NULL)
            tls_channel_close(p->channel);
        finish(p, PROBE_PASS, "");
    } else if (p->state != PROBE_SECURING) {
        listen_now(p, PROBE_ASKING);
    } else {
        p->state = PROBE_ASKING;
    }
}

static void on_secured_input(struct probe *p)
{
    bool more;
    char why[80];
    char error[96];
    switch (tls_channel_handshake(p->channel, &more)) {
    case TLS_CHANNEL_DONE:
        ask(p);
        return;
    case TLS_CHANNEL_WAIT:
        return;
    case TLS_CHANNEL_FAILED:
        break;
    }
    snprintf(error, sizeof(error), "TLS: %s", tls_channel_failure(p->channel, why, sizeof(why)));
    finish(p, PROBE_FAIL, error);
}

static void begin_securing(struct probe *p)
{
    char host[INET6_ADDRSTRLEN];
    struct tls_carrier carrier = {.receive = receive_plain, .send = send_plain, .arg = p};
    if (getnameinfo((const struct sockaddr *)&p->addr, p->addrlen, host, sizeof(host), NULL, 0,
                    NI_NUMERICHOST) == 0)
        p->channel = tls_client_channel(p->tls, host, &carrier);
    if (p->channel == NULL) {
        finish(p, PROBE_IMPOSSIBLE, "out of memory");
        return;
    }
    if (listen_now(p, PROBE_SECURING))
        on_secured_input(p); /* it is this side that begins */
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
    if (p->tls == NULL)
        p->header_len = 0; /* it goes with the rest */
    if (!send_all(p, p->request, p->header_len))
        return;
    if (p->tls != NULL)
        begin_securing(p);
    else
        ask(p);
}

static void on_answer(struct probe *p)
{
    ssize_t n = receive_bytes(p, p->answer + p->answer_len, sizeof(p->answer) - p->answer_len);
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
    case PROBE_SECURING:
        on_secured_input(p); /* likewise */
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
        finish(p, PROBE_FAIL, late_names[p->state]);
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
                        .tls = tls_client_ref(spec->tls),
                        .addr = spec->addr,
                        .addrlen = spec->addrlen,
                        .header_len = probe_header_len(spec),
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
