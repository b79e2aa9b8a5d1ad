/*
 * backoff - how long to wait before a server is tried again.
 *
 * Data flow: its user (redis_link) says how the last try or connection ended, and gets the wait.
 * The rule:  min_ms, twice that, four times that, up to max_ms; of each 50 to 100 %, so that many
 *            users don't come back at once. The first failure after a connection that was up for a
 *            while may go without a wait.
 * Ownership: embedded in its user; holds no memory of its own. It reads no clock and makes no random
 *            numbers: both are arguments.
 */
#ifndef FLOTILLA_COMMON_BASE_BACKOFF_H
#define FLOTILLA_COMMON_BASE_BACKOFF_H

#include <stdbool.h>
#include <stdint.h>

/* What ends a connection that was up for this long is new trouble. */
enum { BACKOFF_STEADY_MS = 1000 };

struct backoff {
    uint64_t min_ms, max_ms; /* set by the owner, who zeroes the rest */
    uint64_t wait_ms;        /* as backoff_fail said last */
    unsigned failures;       /* in a row */
};

/* A connection is lost that was up for `up_ms`. Before backoff_fail. */
void backoff_was_up(struct backoff *b, uint64_t up_ms);
/* The server was found unfit, which won't change soon. Before backoff_fail. */
void backoff_unfit(struct backoff *b);
/* One more failure: the wait before the next try. `always`: the first failure waits, too. `random`:
 * any 64 bits. */
uint64_t backoff_fail(struct backoff *b, bool always, uint64_t random);

#endif
