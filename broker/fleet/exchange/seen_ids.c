/* A table for finding and a list for ageing. */
#include "broker/fleet/exchange/seen_ids.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/hash.h"

enum { FORGOTTEN_AT_ONCE = 8 };

struct seen_id {
    struct hash_link by_id;
    TAILQ_ENTRY(seen_id) age;
    uint64_t at_ms;
    uint8_t id[SEEN_ID_BYTES];
};

bool seen_ids_init(struct seen_ids *s, uint64_t hash_key, uint64_t window_ms)
{
    TAILQ_INIT(&s->oldest_first);
    s->hash_key = hash_key;
    s->window_ms = window_ms;
    return hash_table_init(&s->by_id);
}

static void drop(struct seen_ids *s, struct seen_id *k)
{
    hash_table_remove(&s->by_id, &k->by_id);
    TAILQ_REMOVE(&s->oldest_first, k, age);
    free(k);
}

void seen_ids_fini(struct seen_ids *s)
{
    while (s->by_id.count > 0)
        drop(s, TAILQ_FIRST(&s->oldest_first));
    hash_table_fini(&s->by_id);
}

static uint32_t hash_of(const struct seen_ids *s, const uint8_t id[SEEN_ID_BYTES])
{
    return (uint32_t)hash_bytes(s->hash_key, id, SEEN_ID_BYTES);
}

static struct seen_id *find(const struct seen_ids *s, const uint8_t id[SEEN_ID_BYTES])
{
    for (struct hash_link *l = hash_table_chain(&s->by_id, hash_of(s, id)); l != NULL;
         l = l->next) {
        struct seen_id *k = HASH_OWNER(l, struct seen_id, by_id);
        if (memcmp(k->id, id, SEEN_ID_BYTES) == 0)
            return k;
    }
    return NULL;
}

static bool is_over(const struct seen_ids *s, const struct seen_id *k, uint64_t now_ms)
{
    return now_ms - k->at_ms > s->window_ms;
}

static void forget_oldest(struct seen_ids *s, uint64_t now_ms)
{
    for (int i = 0; i < FORGOTTEN_AT_ONCE && s->by_id.count > 0; i++) {
        struct seen_id *k = TAILQ_FIRST(&s->oldest_first);
        if (!is_over(s, k, now_ms) && s->by_id.count < SEEN_IDS_MAX)
            return;
        drop(s, k);
    }
}

bool seen_ids_note(struct seen_ids *s, const uint8_t id[SEEN_ID_BYTES], uint64_t now_ms)
{
    forget_oldest(s, now_ms);
    struct seen_id *k = find(s, id);
    if (k != NULL && !is_over(s, k, now_ms))
        return true;
    if (k != NULL)
        drop(s, k);
    k = calloc(1, sizeof(*k));
    if (k == NULL)
        return false;
    memcpy(k->id, id, SEEN_ID_BYTES);
    k->at_ms = now_ms;
    hash_table_add(&s->by_id, &k->by_id, hash_of(s, id));
    TAILQ_INSERT_TAIL(&s->oldest_first, k, age);
    return false;
}

void seen_ids_forget(struct seen_ids *s, const uint8_t id[SEEN_ID_BYTES])
{
    struct seen_id *k = find(s, id);
    if (k != NULL)
        drop(s, k);
}
