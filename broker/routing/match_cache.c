/*
 * The router's memory of recent matches: a set-associative table of copies of what the topic tree
 * answered.
 */
#include "broker/routing/match_cache.h"

#include <stdlib.h>
#include <string.h>

#include "broker/base/account.h"
#include "common/base/hash.h"

enum { CACHE_SLOTS = 32768, CACHE_WAYS = 4, CACHE_BYTES_MAX = 64 << 20 };

struct match_cache {
    struct match_entry *slots[CACHE_SLOTS];
    uint32_t generation;
    uint64_t changes; /* entries that came or went, or became stale */
    uint32_t turn;    /* which of a set's valid entries makes place next */
    size_t bytes;
    uint64_t hash_key;
};

static uint32_t topic_hash(const struct match_cache *c, struct mqtt_slice topic)
{
    return (uint32_t)hash_bytes(c->hash_key, topic.data, topic.len);
}

static struct match_entry **set_of(struct match_cache *c, uint32_t hash)
{
    return &c->slots[(hash % (CACHE_SLOTS / CACHE_WAYS)) * CACHE_WAYS];
}

static const uint8_t *entry_topic(const struct match_entry *e)
{
    return (const uint8_t *)&match_entry_groups(e)[e->group_count];
}

static bool entry_is(const struct match_cache *c, const struct match_entry *e, uint32_t hash,
                     struct mqtt_slice topic)
{
    return e != NULL && e->hash == hash && e->generation == c->generation &&
           e->topic_len == topic.len && memcmp(entry_topic(e), topic.data, topic.len) == 0;
}

static size_t entry_size(size_t matches, size_t overlap_words, size_t topic_len)
{
    return sizeof(struct match_entry) + matches * sizeof(struct topic_match) +
           ((topic_len + 3) / 4 + overlap_words) * sizeof(uint32_t);
}

static void drop(struct match_cache *c, struct match_entry **slot)
{
    struct match_entry *e = *slot;
    if (e == NULL)
        return;
    c->bytes -= entry_size((size_t)e->count + e->node_count + e->group_count, e->overlap_words,
                           e->topic_len);
    account_free(ACCOUNT_CACHE, *slot);
    *slot = NULL;
    c->changes++;
}

static void drop_all(struct match_cache *c)
{
    for (size_t i = 0; i < CACHE_SLOTS; i++)
        drop(c, &c->slots[i]);
}

void match_cache_trim(struct match_cache *c)
{
    enum { WORTH_BYTES = 1 << 20 };
    if (c->bytes > WORTH_BYTES)
        drop_all(c);
}

struct match_cache *match_cache_new(uint64_t hash_key)
{
    struct match_cache *c = calloc(1, sizeof(*c));
    if (c != NULL)
        c->hash_key = hash_key;
    return c;
}

void match_cache_free(struct match_cache *c)
{
    if (c == NULL)
        return;
    drop_all(c);
    free(c);
}

const struct match_entry *match_cache_get(struct match_cache *c, struct mqtt_slice topic)
{
    uint32_t hash = topic_hash(c, topic);
    struct match_entry **set = set_of(c, hash);
    for (int i = 0; i < CACHE_WAYS; i++)
        if (entry_is(c, set[i], hash, topic))
            return set[i];
    return NULL;
}

uint64_t match_cache_changes(const struct match_cache *c)
{
    return c->changes;
}

static struct match_entry **choose_slot(struct match_cache *c, struct match_entry **set)
{
    for (int i = 0; i < CACHE_WAYS; i++)
        if (set[i] == NULL || set[i]->generation != c->generation)
            return &set[i];
    return &set[c->turn++ % CACHE_WAYS];
}

static void fill(struct match_entry *e, const struct topic_matches *m, const uint32_t *of_kind)
{
    e->count = of_kind[SUBSCRIBER_SESSION];
    e->node_count = of_kind[SUBSCRIBER_NODE];
    e->group_count = of_kind[SUBSCRIBER_GROUP];
    uint32_t at[] = {[SUBSCRIBER_SESSION] = 0,
                     [SUBSCRIBER_NODE] = e->count,
                     [SUBSCRIBER_GROUP] = e->count + e->node_count};
    for (uint32_t i = 0; i < m->count; i++)
        e->items[at[m->items[i].subscriber->kind]++] = m->items[i];
}

const struct match_entry *match_cache_put(struct match_cache *c, struct mqtt_slice topic,
                                          const struct topic_matches *m)
{
    size_t size = entry_size(m->count, m->overlap_words, topic.len);
    if (c->bytes + size > CACHE_BYTES_MAX)
        drop_all(c);
    uint32_t of_kind[SUBSCRIBER_GROUP + 1] = {0};
    for (uint32_t i = 0; i < m->count; i++)
        of_kind[m->items[i].subscriber->kind]++;

    struct match_entry *e = account_alloc(ACCOUNT_CACHE, size);
    if (e == NULL)
        return NULL;
    e->hash = topic_hash(c, topic);
    e->generation = c->generation;
    e->topic_len = topic.len;
    e->overlap_words = m->overlap_words;
    fill(e, m, of_kind);
    uint32_t *behind = (uint32_t *)&e->items[m->count];
    memcpy(behind, topic.data, topic.len);
    if (m->overlap_words > 0)
        memcpy(behind + (topic.len + 3) / 4, m->overlaps, m->overlap_words * sizeof(*behind));

    struct match_entry **slot = choose_slot(c, set_of(c, e->hash));
    drop(c, slot);
    *slot = e;
    c->bytes += size;
    c->changes++;
    return e;
}

void match_cache_forget(struct match_cache *c, struct mqtt_slice filter, bool wildcard)
{
    if (wildcard) {
        c->changes++;
        if (++c->generation == 0)
            drop_all(c); /* after a wrap, old entries could look valid again */
        return;
    }
    uint32_t hash = topic_hash(c, filter);
    struct match_entry **set = set_of(c, hash);
    for (int i = 0; i < CACHE_WAYS; i++)
        if (entry_is(c, set[i], hash, filter))
            drop(c, &set[i]);
}
