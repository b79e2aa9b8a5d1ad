/*
 * A slot is a tick of 16 ms modulo the wheel's size. The bitmap finds the next slot in use without
 * walking the empty ones, so that an idle thread sleeps.
 */
#include "common/base/wheel.h"

void wheel_init(struct wheel *w, uint64_t now_ms)
{
    *w = (struct wheel){.tick = now_ms / WHEEL_TICK_MS};
}

void wheel_set(struct wheel *w, struct wheel_timer *t, uint64_t at_ms)
{
    wheel_cancel(t);
    /* Rounded up: never early. What is over already goes to the next tick that is looked at. */
    uint64_t tick = (at_ms + WHEEL_TICK_MS - 1) / WHEEL_TICK_MS;
    if (tick <= w->tick)
        tick = w->tick + 1;
    unsigned slot = tick % WHEEL_SLOTS;
    t->at_ms = at_ms;
    LIST_INSERT_HEAD(&w->slots[slot], t, link);
    w->used[slot / 64] |= UINT64_C(1) << (slot % 64);
}

void wheel_cancel(struct wheel_timer *t)
{
    if (!wheel_is_set(t))
        return;
    LIST_REMOVE(t, link);
    t->link.le_prev = NULL;
}

/* Ticks from `tick` to the next slot in use after it, WHEEL_SLOTS for its own; 0 when none is. */
static unsigned ticks_to_next_used(const struct wheel *w)
{
    unsigned start = (unsigned)((w->tick + 1) % WHEEL_SLOTS);
    for (unsigned passed = 0; passed < WHEEL_SLOTS;) {
        unsigned slot = (start + passed) % WHEEL_SLOTS;
        uint64_t word = w->used[slot / 64] >> (slot % 64);
        if (word != 0)
            return passed + (unsigned)__builtin_ctzll(word) + 1;
        passed += 64 - slot % 64;
    }
    /* The first word was looked at from `start` on only; its beginning is the last slots. */
    uint64_t word = w->used[start / 64] & ((UINT64_C(1) << (start % 64)) - 1);
    if (word == 0)
        return 0;
    return WHEEL_SLOTS - start % 64 + (unsigned)__builtin_ctzll(word) + 1;
}

static void advance_slot(struct wheel *w, unsigned slot, uint64_t now_ms)
{
    /* Taken out whole first: what `due` sets into this slot is for a later round. */
    struct wheel_slot taken = w->slots[slot];
    struct wheel_timer *t = LIST_FIRST(&taken);
    if (t != NULL)
        t->link.le_prev = &LIST_FIRST(&taken);
    LIST_INIT(&w->slots[slot]);
    w->used[slot / 64] &= ~(UINT64_C(1) << (slot % 64));
    while ((t = LIST_FIRST(&taken)) != NULL) {
        wheel_cancel(t);
        if (t->at_ms <= now_ms)
            t->due(t);
        else
            wheel_set(w, t, t->at_ms);
    }
}

void wheel_advance(struct wheel *w, uint64_t now_ms)
{
    uint64_t now_tick = now_ms / WHEEL_TICK_MS;
    unsigned step;
    while ((step = ticks_to_next_used(w)) != 0 && w->tick + step <= now_tick) {
        w->tick += step;
        advance_slot(w, (unsigned)(w->tick % WHEEL_SLOTS), now_ms);
    }
    if (w->tick < now_tick)
        w->tick = now_tick;
}

int wheel_wait_ms(const struct wheel *w, uint64_t now_ms)
{
    unsigned step = ticks_to_next_used(w);
    if (step == 0)
        return -1;
    uint64_t at_ms = (w->tick + step) * WHEEL_TICK_MS;
    return at_ms <= now_ms ? 0 : (int)(at_ms - now_ms);
}
