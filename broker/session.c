/*
 * Sessions by client id: a chained hash table whose links are inside the sessions.
 */
#include "broker/session.h"

#include <stdlib.h>
#include <string.h>

#include "broker/hash.h"

struct session_table {
    struct session **buckets;
    uint32_t mask;
    size_t count;
    uint64_t hash_key;
};

struct session_table *session_table_new(uint64_t hash_key)
{
    struct session_table *t = calloc(1, sizeof(*t));
    if (t == NULL)
        return NULL;
    t->hash_key = hash_key;
    t->mask = 255;
    t->buckets = calloc((size_t)t->mask + 1, sizeof(*t->buckets));
    if (t->buckets == NULL) {
        free(t);
        return NULL;
    }
    return t;
}

void session_table_free(struct session_table *t)
{
    if (t == NULL)
        return;
    for (uint32_t i = 0; i <= t->mask; i++)
        while (t->buckets[i] != NULL)
            session_table_remove(t, t->buckets[i]);
    free(t->buckets);
    free(t);
}

static uint32_t hash_of(const struct session_table *t, struct mqtt_slice id)
{
    return (uint32_t)hash_bytes(t->hash_key, id.data, id.len);
}

static void grow(struct session_table *t)
{
    uint32_t mask = t->mask * 2 + 1;
    struct session **buckets = calloc((size_t)mask + 1, sizeof(*buckets));
    if (buckets == NULL)
        return; /* chains get longer, nothing else */
    for (uint32_t i = 0; i <= t->mask; i++) {
        struct session *s = t->buckets[i];
        while (s != NULL) {
            struct session *next = s->next;
            s->next = buckets[s->hash & mask];
            buckets[s->hash & mask] = s;
            s = next;
        }
    }
    free(t->buckets);
    t->buckets = buckets;
    t->mask = mask;
}

struct session *session_table_find(const struct session_table *t, struct mqtt_slice id)
{
    uint32_t hash = hash_of(t, id);
    for (struct session *s = t->buckets[hash & t->mask]; s != NULL; s = s->next)
        if (s->hash == hash && s->id_len == id.len && memcmp(s->id, id.data, id.len) == 0)
            return s;
    return NULL;
}

struct session *session_table_add(struct session_table *t, struct mqtt_slice id, bool durable)
{
    struct session *s = calloc(1, sizeof(*s) + id.len + 1);
    if (s == NULL)
        return NULL;
    s->hash = hash_of(t, id);
    s->refs = 1;
    s->id_len = (uint16_t)id.len;
    s->durable = durable;
    s->listed = true;
    memcpy(s->id, id.data, id.len);
    if (t->count > t->mask)
        grow(t);
    s->next = t->buckets[s->hash & t->mask];
    t->buckets[s->hash & t->mask] = s;
    t->count++;
    return s;
}

void session_table_remove(struct session_table *t, struct session *s)
{
    if (!s->listed)
        return;
    struct session **link = &t->buckets[s->hash & t->mask];
    while (*link != s)
        link = &(*link)->next;
    *link = s->next;
    s->listed = false;
    t->count--;
    session_unref(s);
}

void session_table_each(struct session_table *t, void (*each)(void *arg, struct session *s),
                        void *arg)
{
    for (uint32_t i = 0; i <= t->mask; i++) {
        struct session *s = t->buckets[i];
        while (s != NULL) {
            struct session *next = s->next;
            each(arg, s);
            s = next;
        }
    }
}

size_t session_table_count(const struct session_table *t)
{
    return t->count;
}

void session_unref(struct session *s)
{
    if (s == NULL || --s->refs > 0)
        return;
    free(s->subscriber.items);
    free(s);
}
