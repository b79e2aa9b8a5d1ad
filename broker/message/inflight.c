/*
 * The outgoing window of one client. deliver.c adds, handle_ack.c advances.
 */
#include "broker/message/inflight.h"

#include <string.h>

#include "broker/base/account.h"

enum { CAPACITY_FIRST = 16 };

void inflight_fini(struct inflight *f)
{
    account_free(ACCOUNT_WINDOWS, f->ring);
    f->ring = NULL;
}

static uint8_t *slot(struct inflight_ring *r, uint64_t sequence)
{
    return &r->states[sequence & (r->capacity - 1)];
}

static struct inflight_ring *ring_new(uint32_t capacity)
{
    struct inflight_ring *r = account_zalloc(ACCOUNT_WINDOWS, sizeof(*r) + capacity);
    if (r == NULL)
        return NULL;
    r->next = 1;
    r->capacity = capacity;
    return r;
}

/* As `from`, in more room. */
static void take_over(struct inflight_ring *r, struct inflight_ring *from)
{
    r->base = from->base;
    r->end = from->end;
    r->next = from->next;
    r->open = from->open;
    for (uint64_t s = from->base; s < from->end; s++)
        *slot(r, s) = *slot(from, s);
    account_free(ACCOUNT_WINDOWS, from);
}

/* There is a ring, and it has room for so many. False when out of memory. */
static bool reserve(struct inflight *f, uint64_t span)
{
    struct inflight_ring *before = f->ring;
    uint32_t capacity = before != NULL ? before->capacity : CAPACITY_FIRST;
    while (capacity < span)
        capacity *= 2;
    if (before != NULL && capacity == before->capacity)
        return true;
    struct inflight_ring *r = ring_new(capacity);
    if (r == NULL)
        return false;
    if (before != NULL)
        take_over(r, before);
    f->ring = r;
    return true;
}

bool inflight_set_next(struct inflight *f, uint64_t sequence)
{
    if (inflight_next(f) == sequence)
        return true;
    if (!reserve(f, 0))
        return false;
    f->ring->next = sequence;
    return true;
}

bool inflight_takes_any(const struct inflight *f, uint64_t sequence)
{
    const struct inflight_ring *r = f->ring;
    if (r == NULL || r->base == r->end)
        return true;
    uint64_t base = sequence < r->base ? sequence : r->base;
    uint64_t end = sequence + 1 > r->end ? sequence + 1 : r->end;
    return end - base <= INFLIGHT_SPAN_MAX;
}

static __attribute__((noinline)) bool add_anywhere(struct inflight *f, uint64_t sequence,
                                                   enum inflight_state state)
{
    uint64_t base = sequence;
    uint64_t end = sequence + 1;
    bool is_empty = inflight_base(f) == inflight_end(f);
    if (!is_empty && f->ring->base < base)
        base = f->ring->base;
    if (!is_empty && f->ring->end > end)
        end = f->ring->end;
    if (end - base > INFLIGHT_SPAN_MAX || !reserve(f, end - base))
        return false;
    struct inflight_ring *r = f->ring;
    if (is_empty)
        r->base = r->end = sequence;
    while (r->base > base)
        *slot(r, --r->base) = INFLIGHT_DONE;
    while (r->end < end)
        *slot(r, r->end++) = INFLIGHT_DONE;
    inflight_set(f, sequence, state);
    return true;
}

bool inflight_add(struct inflight *f, uint64_t sequence, enum inflight_state state)
{
    struct inflight_ring *r = f->ring;
    if (r == NULL)
        return add_anywhere(f, sequence, state);
    uint64_t span = r->end + 1 - r->base;
    if (sequence != r->end || span > r->capacity || span > INFLIGHT_SPAN_MAX)
        return add_anywhere(f, sequence, state);
    *slot(r, r->end++) = (uint8_t)state; /* the next one, as nearly always */
    r->open++;
    return true;
}

uint64_t inflight_find(const struct inflight *f, uint16_t packet_id)
{
    struct inflight_ring *r = f->ring;
    if (packet_id == 0 || r == NULL || r->base == r->end)
        return 0;
    uint64_t ahead = (uint64_t)(packet_id + 65535 - inflight_packet_id(r->base)) % 65535;
    uint64_t sequence = r->base + ahead;
    if (sequence >= r->end || *slot(r, sequence) == INFLIGHT_DONE)
        return 0;
    return sequence;
}

enum inflight_state inflight_state(const struct inflight *f, uint64_t sequence)
{
    struct inflight_ring *r = f->ring;
    if (r == NULL || sequence < r->base || sequence >= r->end)
        return INFLIGHT_DONE;
    return *slot(r, sequence);
}

void inflight_set(struct inflight *f, uint64_t sequence, enum inflight_state state)
{
    struct inflight_ring *r = f->ring;
    uint8_t *at = slot(r, sequence);
    r->open += (uint32_t)(state != INFLIGHT_DONE) - (uint32_t)(*at != INFLIGHT_DONE);
    *at = (uint8_t)state;
    while (r->base < r->end && *slot(r, r->base) == INFLIGHT_DONE)
        r->base++;
}
