/*
 * One event loop for signals, ticks, checks, discovery and HTTP. What each event means lives
 * elsewhere (reload.c, pool.c, admin.c); this file wires them and knows how the process ends.
 */
#include "lb/service.h"

#include <ares.h>
#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/log/log.h"
#include "common/tls/tls_tickets.h"
#include "lb/admin/admin.h"
#include "lb/admin/control.h"
#include "lb/reload.h"
#include "lb/stream/stream_record.h"
#include "lb/stream/tls_selfcheck.h"
#include "lb/tls/records/tls_provider.h"

#define TICK_MS 200
#define TICKS_PER_SAMPLE 5u
#define DRAIN_GRACE_MS 1000u

/* Workers left reports on servers. */
static void on_notify(evutil_socket_t fd, short what, void *arg)
{
    struct control *c = arg;
    struct pool *p;
    uint64_t marks;
    (void)what;
    ssize_t n = read(fd, &marks, sizeof(marks));
    (void)n; /* EAGAIN would be a wake-up too many */
    TAILQ_FOREACH (p, &c->pools, link)
        pool_collect_reports(p);
}

static void sample_rates(struct control *c, uint64_t now_ms)
{
    struct pool *p;
    double elapsed_s = (double)(now_ms - c->sampled_at_ms) / 1000.0;
    TAILQ_FOREACH (p, &c->pools, link)
        pool_sample(p, elapsed_s);
    c->sampled_at_ms = now_ms;
}

/* The workers close what is left when the time is over; the grace is for that closing. */
static void end_when_drained(struct control *c, uint64_t now_ms)
{
    if (!c->draining)
        return;
    size_t flows = workers_flows(c->workers);
    if (flows > 0 && now_ms < c->drain_until_ms + DRAIN_GRACE_MS)
        return;
    LOG_INFO("stopped", KV_STR("cause", "drained"), KV_UINT("flows", flows));
    event_base_loopbreak(c->base);
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
    struct control *c = arg;
    struct pool *next;
    uint64_t now_ms = clock_monotonic_ms();
    (void)fd;
    (void)what;
    for (struct pool *p = TAILQ_FIRST(&c->pools); p != NULL; p = next) {
        next = TAILQ_NEXT(p, link);
        pool_tend(p, now_ms);
        if (pool_is_over(p)) {
            TAILQ_REMOVE(&c->pools, p, link);
            pool_free(p);
        }
    }
    if (++c->ticks % TICKS_PER_SAMPLE == 0)
        sample_rates(c, now_ms);
    end_when_drained(c, now_ms);
}

/* ---- signals ---- */

static void drain(struct control *c, int signo)
{
    uint64_t timeout_ms = c->snapshot->config.drain_timeout_ms;
    if (c->draining) {
        LOG_WARN("stopped", KV_STR("cause", "second signal"),
                 KV_UINT("flows", workers_flows(c->workers)));
        event_base_loopbreak(c->base);
        return;
    }
    c->draining = true; /* from here on /readyz is red; accepting ends after that */
    LOG_INFO("draining", KV_STR("signal", strsignal(signo)),
             KV_UINT("flows", workers_flows(c->workers)), KV_UINT("drain_timeout_ms", timeout_ms));
    c->drain_until_ms = clock_monotonic_ms() + timeout_ms;
    workers_drain(c->workers, timeout_ms);
}

static void on_signal(evutil_socket_t signo, short what, void *arg)
{
    struct control *c = arg;
    (void)what;
    if (signo != SIGHUP)
        drain(c, signo);
    else if (c->draining)
        LOG_WARN("config_rejected", KV_STR("err", "the process is draining"));
    else
        reload_again(c);
}

static bool watch_signals(struct control *c)
{
    static const int signals[] = {SIGHUP, SIGTERM, SIGINT};
    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
        c->signal_events[i] = evsignal_new(c->base, signals[i], on_signal, c);
        if (c->signal_events[i] == NULL || event_add(c->signal_events[i], NULL) != 0)
            return false;
    }
    return true;
}

/* ---- the whole ---- */

static bool watch_events(struct control *c)
{
    static const struct timeval tick = {.tv_usec = TICK_MS * 1000};
    c->notify_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (c->notify_fd < 0)
        return false;
    c->notify_event = event_new(c->base, c->notify_fd, EV_READ | EV_PERSIST, on_notify, c);
    c->tick_event = event_new(c->base, -1, EV_PERSIST, on_tick, c);
    return c->notify_event != NULL && c->tick_event != NULL &&
           event_add(c->notify_event, NULL) == 0 && event_add(c->tick_event, &tick) == 0 &&
           watch_signals(c);
}

static bool check_own_records(const struct control *c)
{
    char why[160] = "OpenSSL's configuration asks for FIPS, or out of memory";
    if (c->tls_provider != NULL && tls_selfcheck(stream_record_take, why, sizeof(why)))
        return true;
    LOG_WARN("tls_records_by_openssl", KV_STR("err", why));
    return false;
}

struct control *service_new(const char *config_path)
{
    struct control *c = calloc(1, sizeof(*c));
    if (c == NULL)
        return NULL;
    TAILQ_INIT(&c->pools);
    c->notify_fd = -1;
    c->config_path = config_path;
    c->started_at_ms = c->sampled_at_ms = clock_monotonic_ms();
    c->base = event_base_new();
    if (c->base == NULL || ares_library_init(ARES_LIB_INIT_ALL) != ARES_SUCCESS)
        goto fail;
    c->tls_provider = tls_provider_load();
    c->own_records = check_own_records(c);
    c->tickets = tls_tickets_new(TLS_TICKETS_PERIOD_MS);
    if (c->tickets == NULL || !watch_events(c))
        goto fail;
    c->admin = admin_new(c);
    if (c->admin == NULL)
        goto fail;
    return c;
fail:
    LOG_ERROR("start_failed", KV_STR("err", strerror(errno)));
    service_free(c);
    return NULL;
}

void service_free(struct control *c)
{
    struct pool *p;
    if (c == NULL)
        return;
    workers_free(c->workers); /* first: its threads use all the rest */
    admin_free(c->admin);
    while ((p = TAILQ_FIRST(&c->pools)) != NULL) {
        TAILQ_REMOVE(&c->pools, p, link);
        pool_free(p);
    }
    snapshot_unref(c->snapshot);
    tls_tickets_free(c->tickets);
    tls_provider_unload(c->tls_provider);
    for (size_t i = 0; i < sizeof(c->signal_events) / sizeof(c->signal_events[0]); i++)
        if (c->signal_events[i] != NULL)
            event_free(c->signal_events[i]);
    if (c->notify_event != NULL)
        event_free(c->notify_event);
    if (c->tick_event != NULL)
        event_free(c->tick_event);
    if (c->notify_fd >= 0)
        close(c->notify_fd);
    if (c->base != NULL)
        event_base_free(c->base);
    ares_library_cleanup();
    free(c);
}

void service_run(struct control *c)
{
    event_base_dispatch(c->base);
}
