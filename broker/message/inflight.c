/*
 * The outgoing window of one client. deliver.c adds, handle_ack.c advances.
 */
#include "broker/message/inflight.h"

#include <stdlib.h>
#include <string.h>

#include "broker/base/account.h"

enum { INFLIGHT_SPAN_MAX = 65534 }; /* of sequences at once, so that packet ids stay distinct */

void inflight_fini(struct inflight *f)
{
    account_free(ACCOUNT_WINDOWS, f->states);
    memset(f, 0, sizeof(*f));
}

static uint8_t *slot(const struct inflight *f, uint64_t sequence)
{
    return &f->states[sequence & (f->capacity - 1)];
}

bool inflight_is_full(const struct inflight *f, uint32_t window)
{
    return f->open >= window || f->end - f->base >= INFLIGHT_SPAN_MAX;
}

static bool grow(struct inflight *f, uint64_t span)
{
    uint32_t capacity = f->capacity == 0 ? 16 : f->capacity;
    while (capacity < span)
        capacity *= 2;
    if (capacity == f->capacity)
        return true;
    uint8_t *states = account_zalloc(ACCOUNT_WINDOWS, capacity);
    if (states == NULL)
        return false;
    for (uint64_t s = f->base; s < f->end; s++)
        states[s & (capacity - 1)] = *slot(f, s);
    account_free(ACCOUNT_WINDOWS, f->states);
    f->states = states;
    f->capacity = capacity;
    return true;
}

bool inflight_takes(const struct inflight *f, uint64_t sequence)
{
    if (f->base == f->end)
        return true;
    uint64_t base = sequence < f->base ? sequence : f->base;
    uint64_t end = sequence + 1 > f->end ? sequence + 1 : f->end;
    return end - base <= INFLIGHT_SPAN_MAX;
}

static __attribute__((noinline)) bool add_anywhere(struct inflight *f, uint64_t sequence,
                                                   enum inflight_state state)
{
    if (f->base == f->end) {
        f->base = sequence;
        f->end = sequence;
    }
    uint64_t base = sequence < f->base ? sequence : f->base;
    uint64_t end = sequence + 1 > f->end ? sequence + 1 : f->end;
    if (!inflight_takes(f, sequence) || !grow(f, end - base))
        return false;
    while (f->base > base)
        *slot(f, --f->base) = INFLIGHT_DONE;
    while (f->end < end)
        *slot(f, f->end++) = INFLIGHT_DONE;
    inflight_set(f, sequence, state);
    return true;
}

bool inflight_add(struct inflight *f, uint64_t sequence, enum inflight_state state)
{
    uint64_t span = f->end + 1 - f->base;
    if (sequence != f->end || span > f->capacity || span > INFLIGHT_SPAN_MAX)
        return add_anywhere(f, sequence, state);
    *slot(f, f->end++) = (uint8_t)state; /* the next one, as nearly always */
    f->open++;
    return true;
}

uint64_t inflight_find(const struct inflight *f, uint16_t packet_id)
{
    if (packet_id == 0 || f->base == f->end)
        return 0;
    uint64_t ahead = (uint64_t)(packet_id + 65535 - inflight_packet_id(f->base)) % 65535;
    uint64_t sequence = f->base + ahead;
    if (sequence >= f->end || *slot(f, sequence) == INFLIGHT_DONE)
        return 0;
    return sequence;
}

enum inflight_state inflight_state(const struct inflight *f, uint64_t sequence)
{
    if (sequence < f->base || sequence >= f->end)
        return INFLIGHT_DONE;
    return *slot(f, sequence);
}

void inflight_set(struct inflight *f, uint64_t sequence, enum inflight_state state)
{
    uint8_t *at = slot(f, sequence);
    f->open += (uint32_t)(state != INFLIGHT_DONE) - (uint32_t)(*at != INFLIGHT_DONE);
    *at = (uint8_t)state;
    while (f->base < f->end && *slot(f, f->base) == INFLIGHT_DONE)
        f->base++;
}
