/*
 * Which state may follow which, and what belongs to being in one: deadlines, wake-ups, the log's lines.
 * What a turn does in a state is redis_link.c's.
 */
#include "common/redis/redis_link_states.h"

#include <assert.h>
#include <event2/event.h>
#include <event2/util.h>

#include "common/base/clock.h"

void redis_link_wake_after(struct redis_link *l, uint64_t ms)
{
    struct timeval tv = {.tv_sec = (time_t)(ms / 1000), .tv_usec = (suseconds_t)(ms % 1000 * 1000)};
    evtimer_add(l->timer, &tv);
}

#define BIT(state) (1U << (state))
enum { LEFT = BIT(REDIS_LINK_WAITING) | BIT(REDIS_LINK_CLOSED) };

static const unsigned next_states[] = {
    [REDIS_LINK_WAITING] = BIT(REDIS_LINK_RESOLVING) | BIT(REDIS_LINK_CLOSED),
    [REDIS_LINK_RESOLVING] = BIT(REDIS_LINK_CONNECTING) | LEFT,
    [REDIS_LINK_CONNECTING] = BIT(REDIS_LINK_SECURING) | BIT(REDIS_LINK_GREETING) | LEFT,
    [REDIS_LINK_SECURING] = BIT(REDIS_LINK_GREETING) | LEFT,
    [REDIS_LINK_GREETING] = BIT(REDIS_LINK_ENTERING) | LEFT,
    [REDIS_LINK_ENTERING] = BIT(REDIS_LINK_ENTERING) | BIT(REDIS_LINK_UP) | LEFT,
    [REDIS_LINK_UP] = LEFT,
    [REDIS_LINK_CLOSED] = 0,
};
_Static_assert(sizeof(next_states) / sizeof(next_states[0]) == REDIS_LINK_STATES, "a row each");

bool redis_link_may_go(enum redis_link_state from, enum redis_link_state to)
{
    return (next_states[from] & BIT(to)) != 0;
}

static void close_connection(struct redis_link *l)
{
    redis_dial_cancel(&l->dial);
    redis_socket_close(&l->socket);
    l->connection++;
    l->queue.may_skip = false;
    redis_greeting_end(&l->greeting);
}

static void enter_waiting(struct redis_link *l)
{
    close_connection(l);
    l->deadline_ms = clock_monotonic_ms() + l->backoff.wait_ms;
    redis_link_wake_after(l, l->backoff.wait_ms);
    redis_queue_rewind(&l->queue);
}

static void enter_up(struct redis_link *l)
{
    l->queue.may_skip = l->greeting.info.may_skip_replies;
    LOG_INFO("redis_link_up", KV_STR("link", l->cfg.name),
             KV_STR("version", l->greeting.info.version), KV_UINT("replayed", l->queue.count));
    redis_greeting_end(&l->greeting);
    l->up_since_ms = clock_monotonic_ms();
    redis_timing_begin(&l->timing, l->up_since_ms);
    if (l->held)
        redis_socket_listen(&l->socket, false);
    redis_link_wake_after(l, l->cfg.command_timeout_ms);
}

static void release(struct redis_link *l)
{
    close_connection(l);
    redis_queue_reset(&l->queue);
    redis_queue_fini(&l->queue);
    redis_dial_fini(&l->dial);
    if (l->timer != NULL)
        event_free(l->timer);
}

static void set_deadline(struct redis_link *l, uint64_t ms)
{
    l->deadline_ms = clock_monotonic_ms() + ms;
    redis_link_wake_after(l, ms + 1);
}

void redis_link_enter(struct redis_link *l, enum redis_link_state state)
{
    assert(redis_link_may_go(l->state, state));
    l->state = state;
    switch (state) {
    case REDIS_LINK_WAITING:
        enter_waiting(l);
        break;
    case REDIS_LINK_RESOLVING: /* the deadline stays for the next three */
        set_deadline(l, l->cfg.connect_timeout_ms);
        break;
    case REDIS_LINK_CONNECTING:
    case REDIS_LINK_SECURING:
    case REDIS_LINK_GREETING:
        break;
    case REDIS_LINK_ENTERING:
        set_deadline(l, l->cfg.command_timeout_ms);
        break;
    case REDIS_LINK_UP:
        enter_up(l);
        break;
    case REDIS_LINK_CLOSED:
        release(l);
        break;
    }
}

void redis_link_lose(struct redis_link *l, enum log_level level, const char *why, bool wait)
{
    bool was_up = l->state == REDIS_LINK_UP;
    uint64_t random;
    char reason[160]; /* `why` may go with the connection */
    evutil_snprintf(reason, sizeof(reason), "%s", why);
    evutil_secure_rng_get_bytes(&random, sizeof(random));
    if (was_up)
        backoff_was_up(&l->backoff, clock_monotonic_ms() - l->up_since_ms);
    backoff_fail(&l->backoff, wait, random);
    LOG_LIMITED(level, "redis_link_down", KV_STR("link", l->cfg.name), KV_STR("err", reason),
                KV_UINT("retry_in_ms", l->backoff.wait_ms));
    redis_link_enter(l, REDIS_LINK_WAITING);
    if (was_up && l->cfg.lost != NULL)
        l->cfg.lost(l->cfg.arg, l, reason);
}

void redis_link_fail(struct redis_link *l, const char *why, bool wait)
{
    redis_link_lose(l, LOG_LEVEL_WARN, why, wait);
}
