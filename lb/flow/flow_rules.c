/*
 * Pure functions; see the header.
 */
#include "lb/flow/flow_rules.h"

enum flow_next flow_after_failure(const struct flow_tries *t)
{
    if (t->client_reset || t->both_ended || t->servers > t->retries)
        return FLOW_NEXT_CLOSE;
    if (t->sent)
        return t->replays < FLOW_REPLAYS_MAX ? FLOW_NEXT_RETRY : FLOW_NEXT_CLOSE;
    /* The client sent nothing before it closed (a port scan, a check of our port): it is closed
     * without a retry.
     */
    return t->client_ended ? FLOW_NEXT_CLOSE : FLOW_NEXT_RETRY;
}

bool flow_may_leave_silent(const struct flow_tries *t)
{
    return t->sent && t->replays < FLOW_REPLAYS_MAX && t->servers <= t->retries;
}

enum flow_phase flow_phase_of(const struct flow_ends *e)
{
    if (e->client_broken && e->server_broken)
        return FLOW_PHASE_OVER;
    if (e->client_aborted && e->up_finished)
        return FLOW_PHASE_RESET_SERVER;
    if (e->server_aborted && e->down_finished)
        return FLOW_PHASE_RESET_CLIENT;
    if (e->up_finished && e->down_finished)
        return FLOW_PHASE_OVER;
    return e->client_ended || e->server_ended || e->client_hangup || e->server_hangup ||
                   e->client_broken || e->server_broken
               ? FLOW_PHASE_HALF_CLOSED
               : FLOW_PHASE_OPEN;
}

uint64_t flow_stall_limit(bool open, uint64_t stall_timeout_ms, uint64_t half_close_timeout_ms)
{
    if (open || half_close_timeout_ms == 0)
        return stall_timeout_ms;
    return stall_timeout_ms == 0 || half_close_timeout_ms < stall_timeout_ms ? half_close_timeout_ms
                                                                             : stall_timeout_ms;
}

uint64_t flow_half_close_deadline(const struct flow_ends *e, uint64_t since_ms,
                                  uint64_t progress_ms, uint64_t timeout_ms)
{
    if (e->client_broken || e->server_broken)
        return since_ms + FLOW_LINGER_MS;
    return timeout_ms == 0 ? 0 : progress_ms + timeout_ms;
}

uint64_t flow_reset_poll(uint64_t since_ms, uint64_t now_ms)
{
    uint64_t quarter_ms = (now_ms - since_ms) / 4;
    return now_ms + (quarter_ms < FLOW_RESET_POLL_MS ? FLOW_RESET_POLL_MS : quarter_ms);
}

uint64_t flow_queue_deadline(uint64_t now_ms, uint64_t give_up_ms)
{
    uint64_t again_ms = now_ms + FLOW_QUEUE_POLL_MS;
    return again_ms < give_up_ms ? again_ms : give_up_ms;
}
