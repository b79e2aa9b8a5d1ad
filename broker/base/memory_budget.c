/*
 * See the header.
 */
#include "broker/base/memory_budget.h"

#define STRANGERS_FIRST ((uint64_t)1 << 62)

const char *const memory_level_names[] = {"calm", "tight", "full"};

void memory_budget_init(struct memory_budget *b, uint64_t limit)
{
    uint64_t parts = limit == 0 ? UINT64_MAX : limit;
    *b = (struct memory_budget){.limit = limit,
                                .tight = parts / 5 * 4,
                                .target = parts / 10 * 9,
                                .crowded = parts / 4 * 3,
                                .packed = parts / 8 * 7};
}

bool memory_budget_note(struct memory_budget *b, uint64_t used)
{
    enum memory_level before = b->level;
    if (b->limit == 0)
        return false;
    if (used >= b->limit || (before == MEMORY_FULL && used >= b->target))
        b->level = MEMORY_FULL;
    else
        b->level = used >= b->tight ? MEMORY_TIGHT : MEMORY_CALM;
    return b->level != before;
}

bool memory_budget_takes_queued(const struct memory_budget *b, uint64_t lasting, uint64_t queue)
{
    if (lasting < b->crowded)
        return true;
    return lasting < b->packed && queue < b->limit / 64;
}

bool memory_budget_takes_lasting(const struct memory_budget *b, uint64_t lasting)
{
    return lasting < b->crowded;
}

uint64_t memory_holding_rank(const struct memory_holding *h)
{
    uint64_t held = 2 * (uint64_t)h->begun + h->rest;
    if (h->stranger)
        return held >= SHED_FLOOR_STRANGER ? STRANGERS_FIRST + held : 0;
    return held >= SHED_FLOOR ? held : 0;
}
