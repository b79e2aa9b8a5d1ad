/*
 * wheel - many cheap deadlines of one thread: a hashed timer wheel.
 *
 * Setting and cancelling take constant time and no memory, which matters because a flow of the load
 * balancer sets three or four deadlines before it relays, and each client of the broker one for its
 * keep alive, and nearly none of them comes true.
 *
 * Ownership: timers are embedded by their users, zero-initialised; they cancel them before they are freed.
 * Units:     deadlines are milliseconds of CLOCK_MONOTONIC; one fires at most WHEEL_TICK_MS late.
 */
#ifndef FLOTILLA_COMMON_BASE_WHEEL_H
#define FLOTILLA_COMMON_BASE_WHEEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#define WHEEL_TICK_MS 16u
#define WHEEL_SLOTS 1024u /* one round is 16 s; what is later stays in its slot for more rounds */

struct wheel_timer {
    LIST_ENTRY(wheel_timer) link; /* le_prev NULL: it isn't set */
    uint64_t at_ms;
    void (*due)(struct wheel_timer *t); /* may set, cancel and free any timer, this one too */
};

LIST_HEAD(wheel_slot, wheel_timer);

struct wheel {
    uint64_t tick; /* the last tick that was looked at */
    struct wheel_slot slots[WHEEL_SLOTS];
    uint64_t used[WHEEL_SLOTS / 64]; /* bit set: the slot may hold timers */
};

void wheel_init(struct wheel *w, uint64_t now_ms);

/* Sets, or moves, a timer. A deadline that is over already fires at the next advance. */
void wheel_set(struct wheel *w, struct wheel_timer *t, uint64_t at_ms);
void wheel_cancel(struct wheel_timer *t);
static inline bool wheel_is_set(const struct wheel_timer *t)
{
    return t->link.le_prev != NULL;
}

/* Calls `due` of each timer whose deadline is over. */
void wheel_advance(struct wheel *w, uint64_t now_ms);

/* How long a poll may sleep: -1 without timers. May be shorter than the nearest deadline. */
int wheel_wait_ms(const struct wheel *w, uint64_t now_ms);

#endif
