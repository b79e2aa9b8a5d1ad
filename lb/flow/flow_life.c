/*
 * Opening, the one transition function, closing. What the states do before relaying is in
 * flow_setup.c, relaying and ending in flow_relay.c.
 */
#include "lb/flow/flow_life.h"

#include <stdlib.h>
#include <unistd.h>

#include "common/log/log.h"
#include "lb/backend/backend.h"
#include "lb/flow/attempt.h"
#include "lb/flow/flow.h"
#include "lb/flow/flow_relay.h"
#include "lb/flow/flow_secure.h"
#include "lb/flow/flow_setup.h"
#include "lb/worker/listener.h"
#include "lb/worker/snapshot.h"
#include "lb/worker/worker.h"

#define FLOW_OF(pointer, member) ((struct flow *)((char *)(pointer)-offsetof(struct flow, member)))

static void on_client_ready(struct poll_target *target, uint32_t events)
{
    struct flow *f = FLOW_OF(target, client.target);
    stream_ready(&f->client.stream, events);
    flow_handle(f);
}

static void on_server_ready(struct poll_target *target, uint32_t events)
{
    struct flow *f = FLOW_OF(target, server.target);
    stream_ready(&f->server.stream, events);
    flow_handle(f);
}

static void on_timer(struct wheel_timer *timer)
{
    struct flow *f = FLOW_OF(timer, timer);
    f->expired = true;
    flow_handle(f);
    f->expired = false;
}

bool flow_open(struct worker *w, struct listener *l, struct snapshot *snapshot, size_t index,
               int fd, const struct sockaddr_storage *peer)
{
    struct flow *f = calloc(1, sizeof(*f));
    struct attempt *attempt = attempt_new(peer);
    if (f == NULL || attempt == NULL) {
        free(f);
        attempt_free(attempt);
        listener_release(l);
        close(fd);
        return false;
    }
    f->worker = w;
    f->listener = listener_ref(l);
    f->snapshot = snapshot_ref(snapshot);
    f->settings = &snapshot->listeners[index];
    f->attempt = attempt;
    f->timer.due = on_timer;
    f->client.target.ready = on_client_ready;
    f->server.target.ready = on_server_ready;
    stream_init_plain(&f->client.stream, fd);
    stream_init_plain(&f->server.stream, -1);
    f->since_ms = w->now_ms;
    LIST_INSERT_HEAD(&w->flows, f, all);
    metric_move(&w->counters.flows, 1);
    if (!poller_add(&w->poller, fd, POLLER_STREAM, &f->client.target)) {
        flow_close(f);
        return false;
    }
    flow_handle(f);
    return true;
}

/* Everything but the memory itself. */
static void release(struct flow *f)
{
    struct worker *w = f->worker;
    flow_leave_server(f);
    if (f->secured)
        metric_move(flow_records_gauge(f), -1);
    stream_close(&f->client.stream, &w->poller);
    relay_fini(&f->up, &w->pipes);
    relay_fini(&f->down, &w->pipes);
    attempt_free(f->attempt);
    f->attempt = NULL;
    LIST_REMOVE(f, all);
    metric_move(&w->counters.flows, -1);
    listener_release(f->listener);
    listener_unref(f->listener);
    f->settings = NULL;
    snapshot_unref(f->snapshot);
}

void flow_free(struct flow *f)
{
    free(f);
}

static void enter_relaying(struct flow *f)
{
    uint64_t idle_ms = f->settings->config->idle_timeout_ms;
    f->progress_ms = f->worker->now_ms;
    pace_client_heard(&f->pace, f->worker->now_ms);
    if (idle_ms != 0)
        flow_set_timer(f, f->worker->now_ms + idle_ms);
}

/* The one place where a flow's state changes. */
static void enter(struct flow *f, enum flow_state state)
{
    LOG_DEBUG("flow_state", KV_STR("listener", f->settings->config->name),
              KV_INT("fd", f->client.stream.fd), KV_STR("from", flow_state_name(f->state)),
              KV_STR("to", flow_state_name(state)));
    wheel_cancel(&f->timer);
    flow_place(f, state == FLOW_CLOSED ? FLOW_ON_CLOSED : FLOW_NOWHERE);
    f->state = state;
    f->expired = false;
    f->since_ms = f->worker->now_ms;
    switch (state) {
    case FLOW_HANDSHAKING:
        flow_set_timer(f, f->since_ms + f->settings->config->handshake_timeout_ms);
        break;
    case FLOW_CONNECTING:
    case FLOW_SECURING:
        flow_set_timer(f, f->since_ms + backend_config(f->settings->backend)->connect_timeout_ms);
        break;
    case FLOW_TRYING:
        flow_set_timer(f, f->since_ms + FLOW_HEADER_WAIT_MS);
        break;
    case FLOW_RELAYING:
        enter_relaying(f);
        break;
    case FLOW_CLOSED:
        release(f);
        break;
    case FLOW_HALF_CLOSED:
        flow_enter_half_closed(f);
        break;
    case FLOW_ACCEPTED:
    case FLOW_QUEUEING:
    case FLOW_CHOOSING:
        break;
    }
}

void flow_close(struct flow *f)
{
    if (f->state != FLOW_CLOSED)
        enter(f, FLOW_CLOSED);
}

static enum flow_state run_closed(struct flow *f)
{
    (void)f;
    return FLOW_CLOSED;
}

static flow_run_fn *const run[FLOW_STATES] = {
    [FLOW_ACCEPTED] = flow_run_accepted,       [FLOW_QUEUEING] = flow_run_queueing,
    [FLOW_HANDSHAKING] = flow_run_handshaking, [FLOW_CHOOSING] = flow_run_choosing,
    [FLOW_CONNECTING] = flow_run_connecting,   [FLOW_SECURING] = flow_run_securing,
    [FLOW_TRYING] = flow_run_trying,           [FLOW_RELAYING] = flow_run_relaying,
    [FLOW_HALF_CLOSED] = flow_run_half_closed, [FLOW_CLOSED] = run_closed,
};

void flow_handle(struct flow *f)
{
    for (;;) {
        enum flow_state next = run[f->state](f);
        if (next == f->state)
            return;
        enter(f, next);
    }
}
