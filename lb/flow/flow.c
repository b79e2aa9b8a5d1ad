/*
 * What the parts of a flow's life share: its timer, its place on the worker's lists, and leaving its
 * server. Nothing here changes its state: that is flow_life.c's.
 */
#include "lb/flow/flow.h"

#include "lb/backend/server.h"
#include "lb/stream/stream_record.h"
#include "lb/worker/worker.h"

static const char *const state_names[FLOW_STATES] = {
    [FLOW_ACCEPTED] = "accepted",       [FLOW_QUEUEING] = "queueing",
    [FLOW_HANDSHAKING] = "handshaking", [FLOW_CHOOSING] = "choosing",
    [FLOW_CONNECTING] = "connecting",   [FLOW_SECURING] = "securing",
    [FLOW_TRYING] = "trying",           [FLOW_RELAYING] = "relaying",
    [FLOW_HALF_CLOSED] = "half-closed", [FLOW_CLOSED] = "closed",
};

const char *flow_state_name(enum flow_state state)
{
    return state_names[state];
}

void flow_set_timer(struct flow *f, uint64_t at_ms)
{
    if (at_ms == 0)
        wheel_cancel(&f->timer);
    else
        wheel_set(&f->worker->wheel, &f->timer, at_ms);
}

void flow_set_timer_by(struct flow *f, uint64_t at_ms)
{
    if (at_ms != 0 && (!wheel_is_set(&f->timer) || at_ms < f->timer.at_ms))
        wheel_set(&f->worker->wheel, &f->timer, at_ms);
}

static struct flow_list *list_at(struct worker *w, enum flow_place place)
{
    switch (place) {
    case FLOW_ON_READY:
        return &w->ready;
    case FLOW_ON_WAITING:
        return &w->waiting;
    case FLOW_ON_CLOSED:
        return &w->closed;
    case FLOW_NOWHERE:
        break;
    }
    return NULL;
}

void flow_place(struct flow *f, enum flow_place place)
{
    struct worker *w = f->worker;
    if (f->place == place)
        return;
    if (f->place != FLOW_NOWHERE)
        TAILQ_REMOVE(list_at(w, f->place), f, link);
    if (place != FLOW_NOWHERE)
        TAILQ_INSERT_TAIL(list_at(w, place), f, link);
    metric_move(&w->counters.queued, (place == FLOW_ON_WAITING) - (f->place == FLOW_ON_WAITING));
    f->place = place;
}

void flow_leave_server(struct flow *f)
{
    stream_close(&f->server.stream, &f->worker->poller);
    stream_init_plain(&f->server.stream, -1);
    if (f->chosen != NULL && f->uncounted)
        server_unref(f->chosen);
    else if (f->chosen != NULL)
        server_release(f->chosen);
    f->chosen = NULL;
    f->uncounted = false;
}

metric_gauge *flow_records_gauge(struct flow *f)
{
    struct worker_counters *counters = &f->worker->counters;
    return f->client.stream.ops == &stream_record_ops ? &counters->own_records
                                                      : &counters->openssl_records;
}
