/*
 * A sorted set of packet ids, at most 65,535.
 */
#include "broker/message/packet_ids.h"

#include <string.h>

#include "broker/base/account.h"

enum { CAPACITY_FIRST = 8 };

void packet_ids_fini(struct packet_ids *p)
{
    account_free(ACCOUNT_WINDOWS, p->list);
    p->list = NULL;
}

/* Where the id is, or belongs. */
static uint32_t position(const struct packet_id_list *l, uint16_t id)
{
    uint32_t low = 0;
    uint32_t high = l->count;
    if (high > 0 && l->items[high - 1] < id)
        return high;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (l->items[middle] < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool is_at(const struct packet_id_list *l, uint32_t at, uint16_t id)
{
    return at < l->count && l->items[at] == id;
}

bool packet_ids_has(const struct packet_ids *p, uint16_t id)
{
    return p->list != NULL && is_at(p->list, position(p->list, id), id);
}

/* There is a list, and it has room for one more. */
static bool reserve(struct packet_ids *p)
{
    struct packet_id_list *l = p->list;
    if (l != NULL && l->count < l->capacity)
        return true;
    uint32_t capacity = l != NULL ? l->capacity * 2 : CAPACITY_FIRST;
    struct packet_id_list *grown =
        account_realloc(ACCOUNT_WINDOWS, l, sizeof(*l) + capacity * sizeof(l->items[0]));
    if (grown == NULL)
        return false;
    if (l == NULL)
        grown->count = 0;
    grown->capacity = capacity;
    p->list = grown;
    return true;
}

bool packet_ids_add(struct packet_ids *p, uint16_t id)
{
    uint32_t at = p->list != NULL ? position(p->list, id) : 0;
    if (p->list != NULL && is_at(p->list, at, id))
        return true;
    if (!reserve(p))
        return false;
    struct packet_id_list *l = p->list;
    memmove(&l->items[at + 1], &l->items[at], (l->count - at) * sizeof(l->items[0]));
    l->items[at] = id;
    l->count++;
    return true;
}

bool packet_ids_remove(struct packet_ids *p, uint16_t id)
{
    struct packet_id_list *l = p->list;
    uint32_t at = l != NULL ? position(l, id) : 0;
    if (l == NULL || !is_at(l, at, id))
        return false;
    l->count--;
    memmove(&l->items[at], &l->items[at + 1], (l->count - at) * sizeof(l->items[0]));
    return true;
}
