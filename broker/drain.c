/*
 * Signals, and the orderly end of the broker.
 */
#include "broker/drain.h"

#include <signal.h>
#include <stdlib.h>

#include <event2/event.h>

#include "broker/base/broker_config.h"
#include "broker/client/client.h"
#include "broker/client/leave.h"
#include "broker/connection/client_life.h"
#include "broker/net/listener.h"
#include "broker/store/store.h"
#include "common/base/clock.h"
#include "common/log/log.h"

enum {
    STEP_MS = 20,
    LOOK_US = 2,       /* at a client, and more if it is closed */
    WILL_GRACE_S = 30, /* for the drained client to come back elsewhere */
    STORE_PART = 5,    /* the last fifth of the timeout belongs to the store */
    STORE_AT_LEAST_MS = 500,
    STORE_MARGIN_MS = 50, /* between the store's own deadline and ours */
};

struct drain {
    struct broker *broker;
    struct event *terminate, *interrupt, *step;
    uint64_t started_ms, clients_until_ms;
    uint64_t stop_ms; /* 0 until the store was told to end */
};

static void stop(struct drain *d)
{
    if (d->broker->state == BROKER_STOPPED)
        return;
    LOG_INFO("stopped", KV_UINT("took_ms", clock_monotonic_ms() - d->started_ms));
    d->broker->state = BROKER_STOPPED;
}

static void on_store_done(void *arg, enum store_status status)
{
    (void)status;
    stop(arg);
}

static void end_store(struct drain *d, uint64_t now)
{
    uint64_t end = d->started_ms + d->broker->config->drain_timeout_ms;
    uint64_t least = now + STORE_AT_LEAST_MS;
    d->stop_ms = end > least ? end : least;
    store_shutdown(d->broker->store, d->stop_ms - STORE_MARGIN_MS, on_store_done, d);
}

/* Clients are drained (what they sent is still answered); at the end of the time those that still
 * wait for the store are closed. False: more than a turn's share; the rest is for the next. */
static bool close_some(struct broker *b, uint32_t count, bool at_once)
{
    struct timebox box;
    timebox_open(&box, turn_clock_budget_us(TURN_DRAIN));
    for (struct client *c = b->clients, *next; c != NULL && count > 0; c = next) {
        next = c->next;
        if (timebox_spend(&box, LOOK_US)) {
            turn_clock_cut(&b->clock, TURN_DRAIN);
            return false;
        }
        if (c->state > CLIENT_ONLINE && !at_once) /* it is on its way */
            continue;
        c->hold.will_grace_s = WILL_GRACE_S;
        if (at_once)
            client_close(c, END_SHUTDOWN);
        else
            client_leave(c, END_SHUTDOWN);
        count--;
    }
    return true;
}

/* As many clients as keep the pace: those left, over the steps left. Then the store, which may take
 * as long as there is time. */
static void on_step(evutil_socket_t fd, short what, void *arg)
{
    struct drain *d = arg;
    struct broker *b = d->broker;
    (void)fd;
    (void)what;
    uint64_t now = clock_monotonic_ms();
    if (d->stop_ms > 0) {
        if (now < d->stop_ms)
            return;
        LOG_WARN("store_abandoned", KV_STR("hint", "it didn't end in time; what it acknowledged is "
                                                   "safe, what it didn't will be sent again"));
        stop(d);
        return;
    }
    uint64_t steps = now < d->clients_until_ms ? (d->clients_until_ms - now) / STEP_MS + 1 : 1;
    if (!close_some(b, (uint32_t)((b->client_count + steps - 1) / steps), steps == 1))
        event_active(d->step, 0, 0);
    if (b->client_count == 0)
        end_store(d, now);
}

static void on_terminate(evutil_socket_t fd, short what, void *arg)
{
    static const struct timeval period = {.tv_usec = STEP_MS * 1000};
    struct drain *d = arg;
    struct broker *b = d->broker;
    (void)fd;
    (void)what;
    if (b->state != BROKER_SERVING)
        return;
    b->state = BROKER_DRAINING;
    d->started_ms = clock_monotonic_ms();
    uint64_t timeout = b->config->drain_timeout_ms;
    d->clients_until_ms = d->started_ms + timeout - timeout / STORE_PART;
    LOG_INFO("draining", KV_UINT("clients", b->client_count), KV_UINT("drain_timeout_ms", timeout));
    for (size_t i = 0; i < b->listener_count; i++)
        listener_stop(b->listeners[i]);
    event_add(d->step, &period);
}

struct drain *drain_new(struct broker *b)
{
    struct drain *d = calloc(1, sizeof(*d));
    if (d == NULL)
        return NULL;
    d->broker = b;
    d->terminate = evsignal_new(b->base, SIGTERM, on_terminate, d);
    d->interrupt = evsignal_new(b->base, SIGINT, on_terminate, d);
    d->step = event_new(b->base, -1, EV_PERSIST, on_step, d);
    if (d->terminate == NULL || d->interrupt == NULL || d->step == NULL ||
        event_add(d->terminate, NULL) != 0 || event_add(d->interrupt, NULL) != 0) {
        drain_free(d);
        return NULL;
    }
    return d;
}

void drain_free(struct drain *d)
{
    if (d == NULL)
        return;
    struct event *events[] = {d->terminate, d->interrupt, d->step};
    for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++)
        if (events[i] != NULL)
            event_free(events[i]);
    free(d);
}
