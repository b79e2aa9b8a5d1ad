/*
 * redis_link_states - the state machine of one Redis connection: what a link has, which state may follow
 * which (redis_link.h has the diagram), and the one function that changes the state. For redis_link.c.
 *
 * Data flow: redis_link.c sees what happened in a turn and calls redis_link_enter, or redis_link_fail when
 *            the connection or the try for one is over. The owner's `lost` is called from there.
 * Ownership: the link owns what is embedded in it; entering REDIS_LINK_CLOSED frees all of that.
 * Errors:    none. What can fail is done behind the change, and its failure is the next change.
 */
#ifndef FLOTILLA_COMMON_REDIS_REDIS_LINK_STATES_H
#define FLOTILLA_COMMON_REDIS_REDIS_LINK_STATES_H

#include "common/base/backoff.h"
#include "common/log/log.h"
#include "common/redis/redis_dial.h"
#include "common/redis/redis_link_config.h"
#include "common/redis/redis_queue.h"
#include "common/redis/redis_socket.h"
#include "common/redis/redis_timing.h"

struct event;
struct event_base;

struct redis_link {
    struct redis_link_config cfg;
    struct event_base *base;
    enum redis_link_state state; /* redis_link_enter alone changes it */
    bool held; /* no state: it is the owner's wish, which outlives connections (see the header) */
    struct redis_queue queue;
    struct redis_greeting greeting;
    struct redis_dial dial;
    struct redis_socket socket;
    struct backoff backoff;
    struct redis_timing timing;
    struct event *timer;  /* wakes the loop; what is due is decided by the clock */
    unsigned connection;  /* counts connections: tells a reply's function closed this one */
    uint64_t deadline_ms; /* of WAITING to ENTERING; being UP has no end */
    uint64_t up_since_ms;
};

/* Whether the diagram in redis_link.h has this arrow. */
bool redis_link_may_go(enum redis_link_state from, enum redis_link_state to);
/* Wakes the loop after so long; 0: at once. */
void redis_link_wake_after(struct redis_link *l, uint64_t ms);
void redis_link_enter(struct redis_link *l, enum redis_link_state state);
/* Leaves the connection, or the try, for a new one. `wait`: not at once, also when it is the first
 * trouble. Who leaves knows why: so the line is written here. */
void redis_link_lose(struct redis_link *l, enum log_level level, const char *why, bool wait);
/* The same for what went wrong: a warning. */
void redis_link_fail(struct redis_link *l, const char *why, bool wait);

#endif
