/*
 * The table doubles when it has more links than buckets, and never shrinks.
 */
#include "broker/hash_table.h"

#include <stdlib.h>

enum { FIRST_BUCKETS = 256 };

bool hash_table_init(struct hash_table *t)
{
    *t = (struct hash_table){.mask = FIRST_BUCKETS - 1};
    t->buckets = calloc(FIRST_BUCKETS, sizeof(struct hash_link *));
    return t->buckets != NULL;
}

void hash_table_fini(struct hash_table *t)
{
    free(t->buckets);
    t->buckets = NULL;
}

static void put(struct hash_link **buckets, uint32_t mask, struct hash_link *link)
{
    link->next = buckets[link->hash & mask];
    buckets[link->hash & mask] = link;
}

static void grow(struct hash_table *t)
{
    uint32_t mask = t->mask * 2 + 1;
    struct hash_link **buckets = calloc((size_t)mask + 1, sizeof(struct hash_link *));
    if (buckets == NULL)
        return;
    for (uint32_t i = 0; i <= t->mask; i++) {
        struct hash_link *link = t->buckets[i];
        while (link != NULL) {
            struct hash_link *next = link->next;
            put(buckets, mask, link);
            link = next;
        }
    }
    free(t->buckets);
    t->buckets = buckets;
    t->mask = mask;
}

void hash_table_add(struct hash_table *t, struct hash_link *link, uint32_t hash)
{
    if (t->count > t->mask && t->mask < UINT32_MAX / 2)
        grow(t);
    link->hash = hash;
    put(t->buckets, t->mask, link);
    t->count++;
}

void hash_table_remove(struct hash_table *t, struct hash_link *link)
{
    struct hash_link **at = &t->buckets[link->hash & t->mask];
    while (*at != link)
        at = &(*at)->next;
    *at = link->next;
    t->count--;
}

struct hash_link *hash_table_any(const struct hash_table *t, uint32_t *at)
{
    if (t->count == 0)
        return NULL;
    while (t->buckets[*at & t->mask] == NULL)
        *at = (*at + 1) & t->mask;
    return t->buckets[*at & t->mask];
}

void hash_table_each(struct hash_table *t, void (*each)(void *arg, struct hash_link *link),
                     void *arg)
{
    for (uint32_t i = 0; i <= t->mask; i++) {
        struct hash_link *link = t->buckets[i];
        while (link != NULL) {
            struct hash_link *next = link->next;
            each(arg, link);
            link = next;
        }
    }
}
