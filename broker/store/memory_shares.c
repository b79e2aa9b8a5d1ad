/* Groups by filter, and what durable members have of them. */
#include "broker/store/memory_shares.h"

#include <string.h>

#include "broker/base/account.h"
#include "broker/store/journal.h"
#include "common/base/hash.h"
#include "common/log/log.h"

enum { LOOK_MS = 500 };

bool memory_shares_init(struct memory_shares *s, uint64_t hash_key)
{
    *s = (struct memory_shares){.hash_key = hash_key};
    return hash_table_init(&s->groups);
}

static void free_one(void *arg, struct hash_link *l)
{
    struct memory_shares *s = arg;
    struct memory_group *g = HASH_OWNER(l, struct memory_group, by_filter);
    share_queue_fini(&g->queue);
    journal_group_gone(s->journal, g->queue.owner);
    share_partitions_fini(&g->partitions);
    hash_table_remove(&s->groups, &g->by_filter);
    account_free(ACCOUNT_QUEUES, g);
}

void memory_shares_fini(struct memory_shares *s)
{
    if (s->groups.buckets == NULL)
        return;
    hash_table_each(&s->groups, free_one, s);
    hash_table_fini(&s->groups);
}

static uint32_t hash_of(const struct memory_shares *s, struct mqtt_slice filter)
{
    return (uint32_t)hash_bytes(s->hash_key, filter.data, filter.len);
}

struct memory_group *memory_shares_find(const struct memory_shares *s, struct mqtt_slice filter)
{
    uint32_t hash = hash_of(s, filter);
    for (struct hash_link *l = hash_table_chain(&s->groups, hash); l != NULL; l = l->next) {
        struct memory_group *g = HASH_OWNER(l, struct memory_group, by_filter);
        if (l->hash == hash && g->filter_len == filter.len &&
            memcmp(g->filter, filter.data, filter.len) == 0)
            return g;
    }
    return NULL;
}

static struct memory_group *add(struct memory_shares *s, struct mqtt_slice filter, uint64_t number)
{
    struct memory_group *g = account_zalloc(ACCOUNT_QUEUES, sizeof(*g) + filter.len);
    if (g == NULL)
        return NULL;
    share_queue_init(&g->queue);
    g->queue.open = s->hashed ? g->partitions.open : NULL;
    g->queue.journal = s->journal;
    g->queue.owner = number;
    g->filter_len = filter.len;
    memcpy(g->filter, filter.data, filter.len);
    hash_table_add(&s->groups, &g->by_filter, hash_of(s, filter));
    journal_group(s->journal, number, filter);
    return g;
}

struct memory_group *memory_shares_get(struct memory_shares *s, struct mqtt_slice filter)
{
    struct memory_group *g = memory_shares_find(s, filter);
    return g != NULL ? g : add(s, filter, journal_number(s->journal));
}

struct memory_group *memory_shares_restore(struct memory_shares *s, struct mqtt_slice filter,
                                           uint64_t number)
{
    struct memory_group *g = memory_shares_find(s, filter);
    return g != NULL ? g : add(s, filter, number);
}

void memory_shares_joined(struct memory_shares *s, struct mqtt_slice filter, const void *member)
{
    struct memory_group *g =
        s->hashed ? memory_shares_get(s, filter) : memory_shares_find(s, filter);
    if (g == NULL)
        return;
    if (s->hashed && !share_partitions_join(&g->partitions, member))
        LOG_ERROR("no_memory", KV_BYTES("filter", filter.data, filter.len));
    s->memberless -= g->memberless;
    g->memberless = false;
}

void memory_shares_left(struct memory_shares *s, struct mqtt_slice filter, const void *member)
{
    struct memory_group *g = s->hashed ? memory_shares_find(s, filter) : NULL;
    if (g != NULL)
        share_partitions_leave(&g->partitions, member);
}

static uint64_t client_of(const struct memory_shares *s, const struct memory_taker *t)
{
    return hash_bytes(s->hash_key, t->client_id.data, t->client_id.len);
}

struct looks_for {
    const struct memory_group *group;
    const struct memory_taker *taker;
    uint64_t client; /* where there is something that somebody may not read */
    bool hashed;
};

static struct looks_for looks_for(const struct memory_shares *s, const struct memory_group *g,
                                  const struct memory_taker *taker)
{
    return (struct looks_for){.group = g,
                              .taker = taker,
                              .client = g->queue.denied > 0 ? client_of(s, taker) : 0,
                              .hashed = s->hashed};
}

/* What another member may not read is out of its partition's order, and anybody's. */
static bool is_for_it(const void *arg, const struct share_entry *e)
{
    const struct looks_for *l = arg;
    if (e->denied != NULL)
        return !share_entry_is_denied(e, l->client);
    return !l->hashed ||
           share_partitions_has(&l->group->partitions, l->taker->member, e->partition);
}

static bool is_denied(const void *arg, const struct share_entry *e)
{
    const struct looks_for *l = arg;
    return share_entry_is_denied(e, l->client);
}

static __attribute__((noinline)) struct share_entry *
take_fit(struct memory_shares *s, struct memory_group *g, const struct memory_taker *taker)
{
    struct looks_for l = looks_for(s, g, taker);
    return share_queue_take_fit(&g->queue, is_for_it, &l);
}

struct share_entry *memory_shares_take(struct memory_shares *s, struct memory_group *g,
                                       const struct memory_taker *taker)
{
    if (s->hashed)
        share_partitions_claim(&g->partitions, taker->member);
    else if (g->queue.denied == 0)
        return share_queue_take(&g->queue);
    return take_fit(s, g, taker);
}

bool memory_shares_deny(const struct memory_shares *s, struct share_entry *e,
                        const struct memory_taker *taker)
{
    return share_entry_deny(e, client_of(s, taker));
}

static __attribute__((noinline)) enum store_more more_that_fits(const struct memory_shares *s,
                                                                const struct memory_group *g,
                                                                const struct memory_taker *taker)
{
    struct looks_for l = looks_for(s, g, taker);
    if (share_queue_has_fit(&g->queue, is_for_it, &l))
        return STORE_MORE;
    bool others = g->queue.denied > 0 && share_queue_has_fit(&g->queue, is_denied, &l);
    return others ? STORE_MORE_OTHERS : STORE_MORE_NONE;
}

enum store_more memory_shares_more(const struct memory_shares *s, const struct memory_group *g,
                                   const struct memory_taker *taker)
{
    if (s->hashed || g->queue.denied > 0)
        return more_that_fits(s, g, taker);
    return g->queue.waiting_count > 0 ? STORE_MORE : STORE_MORE_NONE;
}

static void note_memberless(struct memory_shares *s, struct memory_group *g)
{
    s->memberless += !g->memberless;
    g->memberless = true;
}

void memory_shares_ended(struct memory_shares *s, struct mqtt_slice filter)
{
    struct memory_group *g = memory_shares_find(s, filter);
    if (g != NULL)
        g->has_away = false;
    if (g != NULL && g->keep_ms > 0)
        note_memberless(s, g);
    else if (g != NULL)
        free_one(s, &g->by_filter);
}

bool memory_shares_declare(struct memory_shares *s, struct mqtt_slice filter, uint64_t keep_ms)
{
    struct memory_group *g = memory_shares_get(s, filter);
    if (g == NULL)
        return false;
    g->keep_ms = keep_ms;
    if (!g->has_away)
        note_memberless(s, g);
    return true;
}

struct look {
    uint64_t now_ms;
    uint32_t dropped;
};

static void drop_old(void *arg, struct hash_link *l)
{
    struct look *look = arg;
    struct memory_group *g = HASH_OWNER(l, struct memory_group, by_filter);
    if (g->memberless && g->keep_ms < look->now_ms)
        look->dropped += share_queue_drop_old(&g->queue, look->now_ms - g->keep_ms);
}

uint32_t memory_shares_tick(struct memory_shares *s, uint64_t now_ms)
{
    struct look look = {.now_ms = now_ms};
    if (s->memberless == 0 || now_ms < s->look_ms)
        return 0;
    s->look_ms = now_ms + LOOK_MS;
    hash_table_each(&s->groups, drop_old, &look);
    return look.dropped;
}

/* ---- what durable members have --------------------------------------------------------------- */

static bool goes_back(const struct memory_entry *e, enum memory_return what)
{
    if (!e->sent)
        return true;
    return e->qos == 1 && what != RETURN_UNSENT;
}

void memory_shares_return(struct memory_queue *q, enum memory_return what,
                          const struct memory_group *group, memory_back_fn *back, void *arg)
{
    for (uint64_t at = q->first; at < q->after && q->ring != NULL; at++) {
        struct memory_entry *e = memory_queue_at(q, at);
        struct share_entry *shared = e->message != NULL ? e->shared : NULL;
        if (shared == NULL || (group != NULL && shared->queue != &group->queue))
            continue;
        bool returns = goes_back(e, what);
        if (!returns && what != RETURN_SESSION)
            continue;
        struct share_queue *to = shared->queue;
        e->shared = NULL;
        if (!returns)
            share_entry_finish(shared);
        else if (share_entry_put_back(shared) && back != NULL)
            back(arg, (struct memory_group *)((char *)to - offsetof(struct memory_group, queue)));
        if (what != RETURN_SESSION)
            memory_queue_remove(q, at);
    }
}
