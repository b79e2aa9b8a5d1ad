/*
 * The health state machine, without sockets, timers or logs: checker.c runs the checks and passes
 * their outcomes in; the verdict goes on to the server's atomics, which backend_choose reads.
 */
#include "lb/health/health.h"

void health_init(struct health *h)
{
    *h = (struct health){.state = SERVER_CHECKING, .fast_left = HEALTH_FAST_CHECKS};
}

static enum health_change go(struct health *h, enum server_health state)
{
    h->state = state;
    h->streak = 0;
    if (state == SERVER_UP) {
        h->was_up = true;
        return HEALTH_WENT_UP;
    }
    return HEALTH_WENT_DOWN;
}

static enum health_change record_pass(struct health *h, const struct health_rule *rule)
{
    if (h->state == SERVER_UP) {
        h->streak = 0;
        return HEALTH_UNCHANGED;
    }
    h->streak++;
    if (!h->was_up || h->streak >= rule->rise)
        return go(h, SERVER_UP);
    return HEALTH_UNCHANGED;
}

static enum health_change record_fail(struct health *h, const struct health_rule *rule)
{
    if (h->state == SERVER_DOWN) {
        h->streak = 0;
        h->fast_left -= h->fast_left > 0;
        return HEALTH_UNCHANGED;
    }
    h->streak++;
    h->fast_left -= h->state == SERVER_CHECKING && h->fast_left > 0;
    if (h->streak < rule->fall)
        return HEALTH_UNCHANGED;
    if (h->state == SERVER_UP)
        h->fast_left = HEALTH_FAST_CHECKS;
    return go(h, SERVER_DOWN);
}

enum health_change health_record(struct health *h, const struct health_rule *rule, bool passed)
{
    return passed ? record_pass(h, rule) : record_fail(h, rule);
}

enum health_change health_refused(struct health *h)
{
    if (h->state != SERVER_UP)
        return HEALTH_UNCHANGED;
    h->fast_left = HEALTH_FAST_CHECKS;
    return go(h, SERVER_DOWN);
}

static bool is_in_doubt(const struct health *h)
{
    return h->streak > 0 || (h->state != SERVER_UP && h->fast_left > 0);
}

uint64_t health_delay_ms(const struct health *h, const struct health_rule *rule, uint32_t random)
{
    uint64_t delay_ms = rule->interval_ms;
    if (is_in_doubt(h) && rule->fast_interval_ms < delay_ms)
        delay_ms = rule->fast_interval_ms;
    uint64_t span_ms = delay_ms / 5; /* from 0.9 to 1.1 */
    return delay_ms - span_ms / 2 + (span_ms == 0 ? 0 : random % (span_ms + 1));
}
