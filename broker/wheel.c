/*
 * Deadlines in slots of a tenth of a second. One beyond the wheel's horizon waits in the last slot
 * before it and is put again from there.
 */
#include "broker/wheel.h"

#include <stddef.h>

static void list_init(struct wheel_entry *head)
{
    head->prev = head;
    head->next = head;
}

static void list_append(struct wheel_entry *head, struct wheel_entry *e)
{
    e->prev = head->prev;
    e->next = head;
    head->prev->next = e;
    head->prev = e;
}

void wheel_init(struct wheel *w, uint64_t now_ms)
{
    for (int i = 0; i < WHEEL_SLOTS; i++)
        list_init(&w->slots[i]);
    w->tick = now_ms / WHEEL_TICK_MS;
}

void wheel_cancel(struct wheel_entry *e)
{
    if (e->next == NULL)
        return;
    e->prev->next = e->next;
    e->next->prev = e->prev;
    e->prev = NULL;
    e->next = NULL;
}

void wheel_set(struct wheel *w, struct wheel_entry *e, uint64_t due_ms)
{
    wheel_cancel(e);
    e->due_ms = due_ms;
    uint64_t tick = (due_ms + WHEEL_TICK_MS - 1) / WHEEL_TICK_MS;
    if (tick <= w->tick)
        tick = w->tick + 1;
    if (tick >= w->tick + WHEEL_SLOTS)
        tick = w->tick + WHEEL_SLOTS - 1;
    list_append(&w->slots[tick % WHEEL_SLOTS], e);
}

/* Moves a slot's entries to a list of their own, since the callback may set and cancel any. */
static void run_slot(struct wheel *w, struct wheel_entry *slot, uint64_t now_ms, wheel_fn *due,
                     void *arg)
{
    struct wheel_entry batch;
    if (slot->next == slot)
        return;
    batch = *slot;
    batch.next->prev = &batch;
    batch.prev->next = &batch;
    list_init(slot);
    while (batch.next != &batch) {
        struct wheel_entry *e = batch.next;
        wheel_cancel(e);
        if (e->due_ms <= now_ms)
            due(e, arg);
        else
            wheel_set(w, e, e->due_ms);
    }
}

void wheel_advance(struct wheel *w, uint64_t now_ms, wheel_fn *due, void *arg)
{
    uint64_t target = now_ms / WHEEL_TICK_MS;
    if (target > w->tick + WHEEL_SLOTS)
        w->tick = target - WHEEL_SLOTS; /* asleep for longer than the horizon: each slot once */
    while (w->tick < target) {
        w->tick++;
        run_slot(w, &w->slots[w->tick % WHEEL_SLOTS], now_ms, due, arg);
    }
}
