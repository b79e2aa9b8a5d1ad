#include "broker/base/tally.h"

#include <stdlib.h>
#include <sys/queue.h>

#include "common/base/hash_table.h"

enum { REMEMBERED_MAX = 65536, FORGETS_AT_ONCE = 2 };

struct entry {
    struct hash_link link;
    uint64_t key;
    uint64_t due_us; /* when the next one would come at an even pace */
    uint32_t count;
    TAILQ_ENTRY(entry) waits; /* of those of which none is there */
};

struct tally {
    struct hash_table table;
    TAILQ_HEAD(remembered, entry) remembered; /* none is there; by when the last one went */
    size_t remembered_count;
};

struct tally *tally_new(void)
{
    struct tally *t = calloc(1, sizeof(*t));
    if (t == NULL || !hash_table_init(&t->table)) {
        free(t);
        return NULL;
    }
    TAILQ_INIT(&t->remembered);
    return t;
}

static void free_link(void *arg, struct hash_link *link)
{
    (void)arg;
    free(HASH_OWNER(link, struct entry, link));
}

void tally_free(struct tally *t)
{
    if (t == NULL)
        return;
    hash_table_each(&t->table, free_link, NULL);
    hash_table_fini(&t->table);
    free(t);
}

static struct entry *find(const struct tally *t, uint64_t key)
{
    struct hash_link *link = hash_table_chain(&t->table, (uint32_t)key);
    for (; link != NULL; link = link->next) {
        struct entry *e = HASH_OWNER(link, struct entry, link);
        if (e->key == key)
            return e;
    }
    return NULL;
}

static void drop(struct tally *t, struct entry *e)
{
    TAILQ_REMOVE(&t->remembered, e, waits);
    t->remembered_count--;
    hash_table_remove(&t->table, &e->link);
    free(e);
}

static void remember(struct tally *t, struct entry *e)
{
    TAILQ_INSERT_TAIL(&t->remembered, e, waits);
    t->remembered_count++;
}

static void forget_some(struct tally *t, uint64_t now_ms)
{
    for (int i = 0; i < FORGETS_AT_ONCE; i++) {
        struct entry *oldest = TAILQ_FIRST(&t->remembered);
        bool full = t->remembered_count > REMEMBERED_MAX;
        if (oldest == NULL || (!full && oldest->due_us > now_ms * 1000))
            return;
        drop(t, oldest);
    }
}

static struct entry *find_or_add(struct tally *t, uint64_t key)
{
    struct entry *e = find(t, key);
    if (e != NULL)
        return e;
    e = calloc(1, sizeof(*e));
    if (e == NULL)
        return NULL;
    e->key = key;
    hash_table_add(&t->table, &e->link, (uint32_t)key);
    remember(t, e);
    return e;
}

/* Whether it comes too soon; else the next one's time moves on. */
static bool is_too_fast(struct entry *e, uint32_t per_second, uint64_t now_ms)
{
    enum { SECOND_US = 1000000 };
    uint64_t now_us = now_ms * 1000;
    uint64_t due_us = e->due_us > now_us ? e->due_us : now_us;
    uint64_t step_us = SECOND_US / per_second;
    if (due_us + step_us > now_us + SECOND_US && due_us > now_us)
        return true;
    e->due_us = due_us + step_us;
    return false;
}

enum tally_verdict tally_come(struct tally *t, uint64_t key, const struct tally_bounds *bounds,
                              uint32_t leaving, uint64_t now_ms)
{
    forget_some(t, now_ms);
    struct entry *e = find_or_add(t, key);
    if (e == NULL)
        return TALLY_NO_MEMORY;
    if (bounds->at_once > 0 && e->count >= (uint64_t)bounds->at_once + leaving)
        return TALLY_TOO_MANY;
    if (bounds->per_second > 0 && is_too_fast(e, bounds->per_second, now_ms))
        return TALLY_TOO_FAST;
    if (e->count++ == 0) {
        TAILQ_REMOVE(&t->remembered, e, waits);
        t->remembered_count--;
    }
    return TALLY_TAKEN;
}

void tally_go(struct tally *t, uint64_t key, uint64_t now_ms)
{
    struct entry *e = find(t, key);
    if (e == NULL || e->count == 0)
        return;
    if (--e->count == 0)
        remember(t, e);
    forget_some(t, now_ms);
}

uint32_t tally_count(const struct tally *t, uint64_t key)
{
    const struct entry *e = find(t, key);
    return e != NULL ? e->count : 0;
}

size_t tally_size(const struct tally *t)
{
    return t->table.count;
}
