/*
 * wheel - a timer wheel: many deadlines (keep alive of every client, say), one libevent timer.
 *
 * Data flow: its owner calls wheel_advance from one timer; each due entry comes out through the
 *            callback, which finds the owner's struct around the entry.
 * Ownership: entries are embedded by their owners, who cancel them before they go. A zeroed entry
 *            is one that isn't set.
 * Units:     milliseconds of clock_monotonic_ms. An entry comes out up to WHEEL_TICK_MS late, never
 *            early.
 */
#ifndef FLOTILLA_BROKER_WHEEL_H
#define FLOTILLA_BROKER_WHEEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { WHEEL_TICK_MS = 100, WHEEL_SLOTS = 512 };

struct wheel_entry {
    struct wheel_entry *prev, *next;
    uint64_t due_ms;
};

struct wheel {
    struct wheel_entry slots[WHEEL_SLOTS]; /* heads of circular lists */
    uint64_t tick;                         /* the last one advanced through */
};

void wheel_init(struct wheel *w, uint64_t now_ms);
/* Sets or moves the entry. */
void wheel_set(struct wheel *w, struct wheel_entry *e, uint64_t due_ms);
void wheel_cancel(struct wheel_entry *e);
static inline bool wheel_is_set(const struct wheel_entry *e)
{
    return e->next != NULL;
}

typedef void wheel_fn(struct wheel_entry *e, void *arg);
void wheel_advance(struct wheel *w, uint64_t now_ms, wheel_fn *due, void *arg);

#endif
