/*
 * hash_table - an intrusive hash table with chained buckets, for what the broker holds by the
 * hundred thousand: topic levels, retained topics, sessions.
 *
 * Why not uthash: its handle is 56 bytes per entry, more than most of these entries; a link here is
 * 16. Keys are the users' business: they walk a chain and compare.
 * Ownership: links are embedded in their owner's struct and taken out before it is freed.
 * Growth:    a bucket at an addition, so that none takes long, however many there are.
 * Errors:    only making the table can fail. When growing fails chains get longer, nothing else.
 */
#ifndef FLOTILLA_COMMON_BASE_HASH_TABLE_H
#define FLOTILLA_COMMON_BASE_HASH_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hash_link {
    struct hash_link *next; /* in its bucket */
    uint32_t hash;
};

struct hash_table {
    struct hash_link **buckets;
    uint32_t size; /* buckets in use */
    uint32_t mask; /* one less than the power of two that size has reached or is on its way to */
    size_t count;
};

#define HASH_OWNER(link, type, member) ((type *)(void *)((char *)(link)-offsetof(type, member)))

/* False when out of memory. */
bool hash_table_init(struct hash_table *t);
/* Frees the buckets only. */
void hash_table_fini(struct hash_table *t);

void hash_table_add(struct hash_table *t, struct hash_link *link, uint32_t hash);
void hash_table_remove(struct hash_table *t, struct hash_link *link);

static inline uint32_t hash_table_bucket(const struct hash_table *t, uint32_t hash)
{
    uint32_t number = hash & t->mask;
    return number < t->size ? number : number & (t->mask >> 1);
}

/* The chain that has all links of this hash, among others. */
static inline struct hash_link *hash_table_chain(const struct hash_table *t, uint32_t hash)
{
    return t->buckets[hash_table_bucket(t, hash)];
}

/* One of the links, NULL: there is none. `*at` is where to look: 0 at first, then as it was left; so
 * who takes out one after the other looks at each bucket once. */
struct hash_link *hash_table_any(const struct hash_table *t, uint32_t *at);
/* Calls for each link of bucket `from`, and returns the next bucket; 0: there is none. For who goes through a table that
 * changes meanwhile: a link that stays is met once, or twice if its bucket was parted. */
uint32_t hash_table_some(const struct hash_table *t, uint32_t from,
                         void (*each)(void *arg, struct hash_link *link), void *arg);
/* Calls for each link; `each` may remove, and free, the one it is called for. */
void hash_table_each(struct hash_table *t, void (*each)(void *arg, struct hash_link *link),
                     void *arg);

#endif
