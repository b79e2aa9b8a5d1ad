/*
 * Waits double with each failure in a row.
 */
#include "common/base/backoff.h"

enum { DOUBLINGS_MAX = 16, UNFIT_FAILURES = 4 };

void backoff_was_up(struct backoff *b, uint64_t up_ms)
{
    b->failures = up_ms >= BACKOFF_STEADY_MS ? 0 : 1; /* 1: it doesn't spin */
}

void backoff_unfit(struct backoff *b)
{
    b->failures += UNFIT_FAILURES;
}

static uint64_t jittered_ms(const struct backoff *b, uint64_t random)
{
    unsigned doublings = b->failures > DOUBLINGS_MAX ? DOUBLINGS_MAX : b->failures;
    uint64_t ms = b->min_ms << doublings;
    if (ms > b->max_ms)
        ms = b->max_ms;
    return ms / 2 + random % (ms / 2 + 1);
}

uint64_t backoff_fail(struct backoff *b, bool always, uint64_t random)
{
    b->wait_ms = always || b->failures > 0 ? jittered_ms(b, random) : 0;
    b->failures++;
    return b->wait_ms;
}
