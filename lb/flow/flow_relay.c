/*
 * A flow's states once it relays: both directions are pumped when a stream got ready, and what is
 * left to decide is how it ends. An orderly end is passed on by the relay; a reset by this file,
 * once the other peer has what came before it; and a peer that takes nothing of what waits for it
 * is reset in time, so that it doesn't hold sockets, memory and a pipe for ever. This costs nothing
 * while bytes move.
 */
#include "lb/flow/flow_relay.h"

#include "common/log/log.h"
#include "lb/backend/backend.h"
#include "lb/backend/server.h"
#include "lb/flow/flow_rules.h"
#include "lb/worker/snapshot.h"
#include "lb/worker/worker.h"

static enum relay_verdict pump(struct flow *f, struct relay *r, struct stream *from,
                               struct stream *to, metric_counter *worker_bytes,
                               metric_counter *server_bytes)
{
    struct worker *w = f->worker;
    enum relay_verdict verdict = relay_pump(r, from, to, &w->relay);
    if (w->relay.moved > 0) {
        f->progress_ms = w->now_ms;
        metric_add(worker_bytes, w->relay.moved);
        metric_add_shared(server_bytes, w->relay.moved);
        if (w->relay.spliced > 0)
            metric_add(&w->counters.spliced, w->relay.spliced);
    }
    return verdict;
}

static struct flow_ends ends_of(const struct flow *f)
{
    return (struct flow_ends){
        .client_ended = f->client.stream.ended,
        .server_ended = f->server.stream.ended,
        .client_hangup = f->client.stream.hangup,
        .server_hangup = f->server.stream.hangup,
        .client_broken = f->client.stream.broken,
        .server_broken = f->server.stream.broken,
        .client_aborted = f->client.stream.aborted,
        .server_aborted = f->server.stream.aborted,
        .up_finished = f->up.finished,
        .down_finished = f->down.finished,
    };
}

/* After a pump that took something from the client. */
static void note_burst(struct flow *f)
{
    struct worker *w = f->worker;
    uint8_t first = w->relay.spliced > 0 ? 0 : w->relay.buffer[0];
    pace_note_burst(&w->pace, &f->pace, first, w->now_ms);
}

/* ---- stalls ---- */

static uint64_t stall_limit(const struct flow *f)
{
    const struct backend_config *config = backend_config(f->settings->backend);
    return flow_stall_limit(f->state == FLOW_RELAYING, config->stall_timeout_ms,
                            config->half_close_timeout_ms);
}

/* Beginning with the first byte that waits; the timer finds out whether it still does. */
static void note_blocked(struct flow *f, struct stall *s, const struct stream *to)
{
    uint64_t limit_ms = stall_limit(f);
    if (stall_is_watched(s) || limit_ms == 0)
        return;
    stall_watch(s, to->fd, f->worker->now_ms);
    flow_set_timer_by(f, f->worker->now_ms + limit_ms / STALL_STEPS + 1);
}

static void note_busy(struct flow *f, enum relay_verdict up, enum relay_verdict down)
{
    if (up == RELAY_MORE || down == RELAY_MORE)
        flow_place(f, FLOW_ON_READY);
    if (up == RELAY_BLOCKED)
        note_blocked(f, &f->up_stall, &f->server.stream);
    if (down == RELAY_BLOCKED)
        note_blocked(f, &f->down_stall, &f->client.stream);
}

/* All of it was handed to the kernel, and the reset that is to follow would take it back. */
static bool awaits_reset(const struct relay *r, const struct stream *from, const struct stream *to)
{
    return r->finished && from->aborted && !to->broken && stall_unacknowledged(to->fd) > 0;
}

static bool has_stalled(struct flow *f, struct stall *s, const struct relay *r,
                        const struct stream *from, struct stream *to, const char *side)
{
    bool waits = relay_holds(r, to) || awaits_reset(r, from, to);
    if (!stall_check(s, to->fd, waits, f->worker->now_ms, stall_limit(f)))
        return false;
    metric_add(&f->worker->counters.stall_timeouts, 1);
    LOG_LIMITED(LOG_LEVEL_WARN, "flow_stalled", KV_STR("listener", f->settings->config->name),
                KV_STR("server", f->chosen->name), KV_STR("side", side),
                KV_STR("state", flow_state_name(f->state)));
    stream_abort(to);
    return true;
}

/* When the timer is due. True: a peer takes nothing, and the flow ends for it. */
static bool peer_has_stalled(struct flow *f)
{
    struct stream *client = &f->client.stream;
    struct stream *server = &f->server.stream;
    return has_stalled(f, &f->down_stall, &f->down, server, client, "client") ||
           has_stalled(f, &f->up_stall, &f->up, client, server, "server");
}

/* 0: nothing is watched. */
static uint64_t next_stall_check(const struct flow *f)
{
    if (!stall_is_watched(&f->up_stall) && !stall_is_watched(&f->down_stall))
        return 0;
    return f->worker->now_ms + stall_limit(f) / STALL_STEPS + 1;
}

/* ---- relaying ---- */

/* A server that ended doesn't count this flow any more, though the client's last bytes are still on
 * their way. */
static void uncount(struct flow *f)
{
    const struct stream *s = &f->server.stream;
    if (f->uncounted || !(s->ended || s->broken || s->hangup))
        return;
    server_leave(f->chosen);
    f->uncounted = true;
}

/* Both directions, as far as they go; then how the flow looks. */
static enum flow_phase relay_both(struct flow *f)
{
    struct worker_counters *counters = &f->worker->counters;
    struct server_counters *server = &f->chosen->counters;
    f->worker->relay.closing = f->down.finished;
    enum relay_verdict up = pump(f, &f->up, &f->client.stream, &f->server.stream,
                                 &counters->bytes_in, &server->bytes_in);
    if (f->worker->relay.moved > 0)
        note_burst(f);
    f->worker->relay.closing = f->up.finished;
    enum relay_verdict down = pump(f, &f->down, &f->server.stream, &f->client.stream,
                                   &counters->bytes_out, &server->bytes_out);
    if (relay_is_busy(up) || relay_is_busy(down))
        note_busy(f, up, down);
    struct flow_ends ends = ends_of(f);
    enum flow_phase phase = flow_phase_of(&ends);
    if (phase != FLOW_PHASE_OPEN)
        uncount(f);
    return phase;
}

static bool is_idle_for_long(const struct flow *f, uint64_t idle_ms)
{
    return idle_ms != 0 && f->worker->now_ms >= f->progress_ms + idle_ms;
}

/* True: the flow ends. */
static bool relaying_expired(struct flow *f)
{
    uint64_t idle_ms = f->settings->config->idle_timeout_ms;
    if (is_idle_for_long(f, idle_ms)) {
        metric_add(&f->worker->counters.idle_timeouts, 1);
        return true;
    }
    if (peer_has_stalled(f))
        return true;
    flow_set_timer(f, idle_ms == 0 ? 0 : f->progress_ms + idle_ms);
    flow_set_timer_by(f, next_stall_check(f));
    return false;
}

enum flow_state flow_run_relaying(struct flow *f)
{
    if (f->expired && relaying_expired(f))
        return FLOW_CLOSED;
    switch (relay_both(f)) {
    case FLOW_PHASE_OVER:
        return FLOW_CLOSED;
    case FLOW_PHASE_HALF_CLOSED:
    case FLOW_PHASE_RESET_SERVER:
    case FLOW_PHASE_RESET_CLIENT:
        return FLOW_HALF_CLOSED;
    case FLOW_PHASE_OPEN:
        break;
    }
    return FLOW_RELAYING;
}

/* ---- ending ---- */

/* What was watched before has its time from here on. */
void flow_enter_half_closed(struct flow *f)
{
    uint64_t now_ms = f->worker->now_ms;
    if (stall_is_watched(&f->up_stall))
        stall_watch(&f->up_stall, f->server.stream.fd, now_ms);
    if (stall_is_watched(&f->down_stall))
        stall_watch(&f->down_stall, f->client.stream.fd, now_ms);
    flow_set_timer_by(f, next_stall_check(f));
}

/* One side has reset, and all that it said before is in the other one's socket. True: it has
 * arrived, and closing resets that side too. */
static bool pass_on_reset(struct flow *f, struct stream *to, struct stall *s)
{
    uint64_t now_ms = f->worker->now_ms;
    if (stall_unacknowledged(to->fd) == 0) {
        stream_abort(to);
        return true;
    }
    if (!stall_is_watched(s))
        stall_watch(s, to->fd, now_ms);
    flow_set_timer_by(f, flow_reset_poll(f->since_ms, now_ms));
    return false;
}

static bool half_close_is_over(struct flow *f)
{
    struct flow_ends ends = ends_of(f);
    if (stall_limit(f) != 0 && (stall_is_watched(&f->up_stall) || stall_is_watched(&f->down_stall)))
        return false; /* something waits to be taken: that has a limit of its own */
    uint64_t deadline_ms =
        flow_half_close_deadline(&ends, f->since_ms, f->progress_ms,
                                 backend_config(f->settings->backend)->half_close_timeout_ms);
    if (deadline_ms == 0 || f->worker->now_ms < deadline_ms) {
        flow_set_timer_by(f, deadline_ms);
        return false;
    }
    metric_add(&f->worker->counters.half_close_timeouts, 1);
    return true;
}

enum flow_state flow_run_half_closed(struct flow *f)
{
    if (f->expired && peer_has_stalled(f))
        return FLOW_CLOSED;
    switch (relay_both(f)) {
    case FLOW_PHASE_OVER:
        return FLOW_CLOSED;
    case FLOW_PHASE_RESET_SERVER:
        if (pass_on_reset(f, &f->server.stream, &f->up_stall))
            return FLOW_CLOSED;
        break;
    case FLOW_PHASE_RESET_CLIENT:
        if (pass_on_reset(f, &f->client.stream, &f->down_stall))
            return FLOW_CLOSED;
        break;
    case FLOW_PHASE_HALF_CLOSED:
    case FLOW_PHASE_OPEN:
        break;
    }
    flow_set_timer_by(f, next_stall_check(f));
    return half_close_is_over(f) ? FLOW_CLOSED : FLOW_HALF_CLOSED;
}
