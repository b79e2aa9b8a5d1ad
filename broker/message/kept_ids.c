/* Copied from a match when a message is queued, and handed out when it is delivered. */
#include "broker/message/kept_ids.h"

#include <string.h>

_Static_assert(sizeof(uint32_t *) <= sizeof(((struct kept_ids *)0)->words), "a pointer fits");

bool kept_ids_take(struct kept_ids *k, struct mqtt_ids ids, enum account_kind kind)
{
    *k = (struct kept_ids){.count = ids.count};
    if (ids.count == 1)
        k->words[0] = ids.items[0];
    if (ids.count <= 1)
        return true;
    uint32_t *several = account_alloc(kind, kept_ids_bytes(k));
    if (several == NULL) {
        k->count = 0;
        return false;
    }
    memcpy(several, ids.items, kept_ids_bytes(k));
    memcpy(k->words, &several, sizeof(several));
    return true;
}

struct mqtt_ids kept_ids_all(const struct kept_ids *k)
{
    const uint32_t *items = k->words;
    if (k->count > 1)
        memcpy(&items, k->words, sizeof(items));
    return (struct mqtt_ids){.items = items, .count = k->count};
}

void kept_ids_drop(struct kept_ids *k, enum account_kind kind)
{
    uint32_t *several = NULL;
    if (k->count > 1)
        memcpy(&several, k->words, sizeof(several));
    account_free(kind, several);
    k->count = 0;
}
