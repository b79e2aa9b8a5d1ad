/*
 * Sessions by client id: a chained hash table whose links are inside the sessions.
 */
#include "broker/routing/session.h"

#include <stdlib.h>
#include <string.h>

#include "broker/base/account.h"
#include "common/base/hash.h"

struct session_table {
    struct hash_table by_id;
    uint64_t hash_key;
};

struct session_table *session_table_new(uint64_t hash_key)
{
    struct session_table *t = calloc(1, sizeof(*t));
    if (t == NULL)
        return NULL;
    t->hash_key = hash_key;
    if (!hash_table_init(&t->by_id)) {
        free(t);
        return NULL;
    }
    return t;
}

static void remove_one(void *arg, struct session *s)
{
    session_table_remove(arg, s);
}

void session_table_free(struct session_table *t)
{
    if (t == NULL)
        return;
    session_table_each(t, remove_one, t);
    hash_table_fini(&t->by_id);
    free(t);
}

static uint32_t hash_of(const struct session_table *t, struct mqtt_slice id)
{
    return (uint32_t)hash_bytes(t->hash_key, id.data, id.len);
}

struct session *session_table_find(const struct session_table *t, struct mqtt_slice id)
{
    uint32_t hash = hash_of(t, id);
    for (struct hash_link *l = hash_table_chain(&t->by_id, hash); l != NULL; l = l->next) {
        struct session *s = HASH_OWNER(l, struct session, by_id);
        if (l->hash == hash && s->id_len == id.len && memcmp(s->id, id.data, id.len) == 0)
            return s;
    }
    return NULL;
}

struct session *session_table_add(struct session_table *t, struct mqtt_slice id, bool durable)
{
    struct session *s = account_zalloc(ACCOUNT_SESSIONS, sizeof(*s) + id.len + 1);
    if (s == NULL)
        return NULL;
    s->refs = 1;
    s->id_len = (uint16_t)id.len;
    s->durable = durable;
    s->listed = true;
    memcpy(s->id, id.data, id.len);
    hash_table_add(&t->by_id, &s->by_id, hash_of(t, id));
    return s;
}

void session_table_remove(struct session_table *t, struct session *s)
{
    if (!s->listed)
        return;
    hash_table_remove(&t->by_id, &s->by_id);
    s->listed = false;
    session_unref(s);
}

struct each_session {
    void (*each)(void *arg, struct session *s);
    void *arg;
};

static void each_link(void *arg, struct hash_link *link)
{
    const struct each_session *e = arg;
    e->each(e->arg, HASH_OWNER(link, struct session, by_id));
}

void session_table_each(struct session_table *t, void (*each)(void *arg, struct session *s),
                        void *arg)
{
    struct each_session e = {.each = each, .arg = arg};
    hash_table_each(&t->by_id, each_link, &e);
}

uint32_t session_table_some(const struct session_table *t, uint32_t from,
                            void (*each)(void *arg, struct session *s), void *arg)
{
    struct each_session e = {.each = each, .arg = arg};
    return hash_table_some(&t->by_id, from, each_link, &e);
}

struct session *session_table_any(const struct session_table *t, uint32_t *at)
{
    struct hash_link *link = hash_table_any(&t->by_id, at);
    return link != NULL ? HASH_OWNER(link, struct session, by_id) : NULL;
}

size_t session_table_count(const struct session_table *t)
{
    return t->by_id.count;
}

void session_unref(struct session *s)
{
    if (s == NULL || --s->refs > 0)
        return;
    account_free(ACCOUNT_SESSIONS, s->subscriber.items);
    account_free(ACCOUNT_SESSIONS, s);
}
