/* Open addressing, at most half full; removing moves back what was pushed on. The first id needs no
 * table: most messages have one receiver. */
#include "broker/base/id_set.h"

#include <string.h>

#include "broker/base/account.h"
#include "common/base/hash.h"

enum { FIRST_SIZE = 8 };

static size_t place_of(const struct id_set *s, uint64_t id)
{
    uint64_t once = hash_mix(id ^ s->key, 0x9e3779b97f4a7c15u);
    return (size_t)hash_mix(once ^ s->key, 0xd6e8feb86659fd93u) & (s->size - 1);
}

static uint64_t stored(uint64_t id)
{
    return id != 0 ? id : 1;
}

/* Where the id is, or the empty slot for it. There is one. */
static size_t find(struct id_set *s, uint64_t id)
{
    size_t at = place_of(s, id);
    for (s->probes++; s->ids[at] != 0 && s->ids[at] != id; s->probes++)
        at = (at + 1) & (s->size - 1);
    return at;
}

bool id_set_has(struct id_set *s, uint64_t id)
{
    if (s->size == 0) {
        s->probes++;
        return s->count > 0 && s->only == stored(id);
    }
    return s->count > 0 && s->ids[find(s, stored(id))] != 0;
}

static bool grow(struct id_set *s)
{
    struct id_set bigger = {.size = s->size == 0 ? FIRST_SIZE : s->size * 2, .key = s->key};
    bigger.ids = account_zalloc(ACCOUNT_REQUESTS, bigger.size * sizeof(*bigger.ids));
    if (bigger.ids == NULL)
        return false;
    for (size_t i = 0; i < s->size; i++)
        if (s->ids[i] != 0)
            bigger.ids[find(&bigger, s->ids[i])] = s->ids[i];
    if (s->size == 0 && s->count > 0)
        bigger.ids[find(&bigger, s->only)] = s->only;
    account_free(ACCOUNT_REQUESTS, s->ids);
    s->ids = bigger.ids;
    s->size = bigger.size;
    return true;
}

bool id_set_add(struct id_set *s, uint64_t id)
{
    if (s->size == 0 && (s->count == 0 || s->only == stored(id))) {
        s->only = stored(id);
        s->count = 1;
        return true;
    }
    if (s->count * 2 >= s->size && !grow(s))
        return false;
    size_t at = find(s, stored(id));
    if (s->ids[at] == 0)
        s->count++;
    s->ids[at] = stored(id);
    return true;
}

void id_set_remove(struct id_set *s, uint64_t id)
{
    if (!id_set_has(s, id))
        return;
    if (s->size == 0) {
        s->count = 0;
        return;
    }
    size_t mask = s->size - 1;
    size_t hole = find(s, stored(id));
    s->ids[hole] = 0;
    s->count--;
    for (size_t at = (hole + 1) & mask; s->ids[at] != 0; at = (at + 1) & mask) {
        size_t home = place_of(s, s->ids[at]);
        if (((at - home) & mask) < ((at - hole) & mask))
            continue; /* it would get before its home */
        s->ids[hole] = s->ids[at];
        s->ids[at] = 0;
        hole = at;
    }
}

void id_set_clear(struct id_set *s)
{
    if (s->size > 0 && s->count > 0)
        memset(s->ids, 0, s->size * sizeof(*s->ids));
    s->count = 0;
}

void id_set_fini(struct id_set *s)
{
    if (s->ids != NULL)
        account_free(ACCOUNT_REQUESTS, s->ids);
    s->ids = NULL;
    s->count = s->size = 0;
}
