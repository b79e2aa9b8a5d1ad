/*
 * Linear hashing: each link that comes when there are as many as buckets splits one bucket in two, so
 * that no addition has to move more than a chain. A bucket's number is as many low bits of the hash as
 * name one that there is. The table never shrinks.
 */
#include "common/base/hash_table.h"

#include <stdlib.h>

enum { FIRST_BUCKETS = 256, MOST_BUCKETS = 1 << 30 };

bool hash_table_init(struct hash_table *t)
{
    *t = (struct hash_table){.mask = FIRST_BUCKETS - 1, .size = FIRST_BUCKETS};
    t->buckets = calloc(FIRST_BUCKETS, sizeof(struct hash_link *));
    return t->buckets != NULL;
}

void hash_table_fini(struct hash_table *t)
{
    free(t->buckets);
    t->buckets = NULL;
}

/* Room for twice as many buckets; they are given values one by one. (The allocator moves an array of
 * this size by its pages.) */
static bool widen(struct hash_table *t)
{
    struct hash_link **buckets =
        realloc(t->buckets, 2 * ((size_t)t->mask + 1) * sizeof(struct hash_link *));
    if (buckets == NULL)
        return false;
    t->buckets = buckets;
    t->mask = t->mask * 2 + 1;
    return true;
}

/* What belongs to the new bucket was in the one whose number is a bit shorter. */
static void split_one(struct hash_table *t)
{
    if (t->size > t->mask && (t->size >= MOST_BUCKETS || !widen(t)))
        return;
    struct hash_link **from = &t->buckets[t->size & (t->mask >> 1)];
    struct hash_link **to = &t->buckets[t->size];
    for (struct hash_link *link; (link = *from) != NULL;) {
        if ((link->hash & t->mask) != t->size) {
            from = &link->next;
            continue;
        }
        *from = link->next;
        *to = link;
        to = &link->next;
    }
    *to = NULL;
    t->size++;
}

void hash_table_add(struct hash_table *t, struct hash_link *link, uint32_t hash)
{
    if (t->count >= t->size)
        split_one(t);
    struct hash_link **bucket = &t->buckets[hash_table_bucket(t, hash)];
    link->hash = hash;
    link->next = *bucket;
    *bucket = link;
    t->count++;
}

void hash_table_remove(struct hash_table *t, struct hash_link *link)
{
    struct hash_link **at = &t->buckets[hash_table_bucket(t, link->hash)];
    while (*at != link)
        at = &(*at)->next;
    *at = link->next;
    t->count--;
}

struct hash_link *hash_table_any(const struct hash_table *t, uint32_t *at)
{
    if (t->count == 0)
        return NULL;
    if (*at >= t->size)
        *at = 0;
    while (t->buckets[*at] == NULL)
        *at = *at + 1 < t->size ? *at + 1 : 0;
    return t->buckets[*at];
}

static void each_of_bucket(struct hash_link *link, void (*each)(void *arg, struct hash_link *link),
                           void *arg)
{
    while (link != NULL) {
        struct hash_link *next = link->next;
        each(arg, link);
        link = next;
    }
}

uint32_t hash_table_some(const struct hash_table *t, uint32_t from,
                         void (*each)(void *arg, struct hash_link *link), void *arg)
{
    if (from < t->size)
        each_of_bucket(t->buckets[from], each, arg);
    return from < t->size - 1 ? from + 1 : 0;
}

void hash_table_each(struct hash_table *t, void (*each)(void *arg, struct hash_link *link),
                     void *arg)
{
    for (uint32_t i = 0; i < t->size; i++)
        each_of_bucket(t->buckets[i], each, arg);
}
