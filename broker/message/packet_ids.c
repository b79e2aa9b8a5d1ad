/*
 * A sorted set of packet ids, at most 65,535.
 */
#include "broker/message/packet_ids.h"

#include <stdlib.h>
#include <string.h>

#include "broker/base/account.h"

void packet_ids_fini(struct packet_ids *p)
{
    account_free(ACCOUNT_WINDOWS, p->items);
    memset(p, 0, sizeof(*p));
}

/* Where the id is, or belongs. */
static uint32_t position(const struct packet_ids *p, uint16_t id)
{
    uint32_t low = 0;
    uint32_t high = p->count;
    if (high > 0 && p->items[high - 1] < id)
        return high;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (p->items[middle] < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

bool packet_ids_has(const struct packet_ids *p, uint16_t id)
{
    uint32_t at = position(p, id);
    return at < p->count && p->items[at] == id;
}

bool packet_ids_add(struct packet_ids *p, uint16_t id)
{
    uint32_t at = position(p, id);
    if (at < p->count && p->items[at] == id)
        return true;
    if (p->count == p->capacity) {
        uint32_t more = p->capacity == 0 ? 8 : p->capacity * 2;
        uint16_t *grown = account_realloc(ACCOUNT_WINDOWS, p->items, more * sizeof(*grown));
        if (grown == NULL)
            return false;
        p->items = grown;
        p->capacity = more;
    }
    memmove(&p->items[at + 1], &p->items[at], (p->count - at) * sizeof(*p->items));
    p->items[at] = id;
    p->count++;
    return true;
}

bool packet_ids_remove(struct packet_ids *p, uint16_t id)
{
    uint32_t at = position(p, id);
    if (at >= p->count || p->items[at] != id)
        return false;
    p->count--;
    memmove(&p->items[at], &p->items[at + 1], (p->count - at) * sizeof(*p->items));
    return true;
}
