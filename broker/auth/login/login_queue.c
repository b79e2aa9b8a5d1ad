/* login.c pushes what must be hashed and pops what a thread is free for. */
#include "broker/auth/login/login_queue.h"

#include <stdlib.h>

#include "broker/base/id_set.h"
#include "common/base/hash.h"
#include "common/base/hash_table.h"

TAILQ_HEAD(place_list, login_place);

struct login_group {
    TAILQ_ENTRY(login_group) link; /* in its rank, in turn */
    struct hash_link by_origin;
    struct login_origin origin;
    struct place_list places; /* oldest first */
    size_t count;
    bool newest_is_next;
};

TAILQ_HEAD(group_list, login_group);

struct rank {
    struct group_list groups;
    size_t count; /* logins */
    int credit;
};

struct login_queue {
    struct rank ranks[LOGIN_RANKS];
    struct hash_table groups;
    size_t count;
};

static const int shares[LOGIN_RANKS] = {8, 4, 2, 1};

static size_t rank_of(const struct login_origin *o)
{
    return (size_t)o->name_failed * 2 + o->source_failed;
}

static uint32_t origin_hash(const struct login_origin *o)
{
    return (uint32_t)hash_mix(o->source ^ 0x9e3779b97f4a7c15u, o->name | 1);
}

struct login_queue *login_queue_new(void)
{
    struct login_queue *q = calloc(1, sizeof(*q));
    if (q == NULL || !hash_table_init(&q->groups)) {
        free(q);
        return NULL;
    }
    for (size_t i = 0; i < LOGIN_RANKS; i++)
        TAILQ_INIT(&q->ranks[i].groups);
    return q;
}

void login_queue_free(struct login_queue *q)
{
    if (q == NULL)
        return;
    hash_table_fini(&q->groups);
    free(q);
}

/* ---- groups ---------------------------------------------------------------------------------- */

static struct login_group *find_group(const struct login_queue *q, const struct login_origin *o)
{
    struct hash_link *link = hash_table_chain(&q->groups, origin_hash(o));
    for (; link != NULL; link = link->next) {
        struct login_group *g = HASH_OWNER(link, struct login_group, by_origin);
        if (g->origin.source == o->source && g->origin.name == o->name)
            return g;
    }
    return NULL;
}

static void enter_rank(struct login_queue *q, struct login_group *g)
{
    struct rank *r = &q->ranks[rank_of(&g->origin)];
    TAILQ_INSERT_TAIL(&r->groups, g, link);
    r->count += g->count;
}

static void leave_rank(struct login_queue *q, struct login_group *g)
{
    struct rank *r = &q->ranks[rank_of(&g->origin)];
    TAILQ_REMOVE(&r->groups, g, link);
    r->count -= g->count;
}

static struct login_group *add_group(struct login_queue *q, const struct login_origin *o)
{
    struct login_group *g = calloc(1, sizeof(*g));
    if (g == NULL)
        return NULL;
    g->origin = *o;
    g->newest_is_next = true;
    TAILQ_INIT(&g->places);
    hash_table_add(&q->groups, &g->by_origin, origin_hash(o));
    enter_rank(q, g);
    return g;
}

/* What is known of them may have grown while they wait. */
static void rank_anew(struct login_queue *q, struct login_group *g, bool source_failed,
                      bool name_failed)
{
    if ((g->origin.source_failed || !source_failed) && (g->origin.name_failed || !name_failed))
        return;
    leave_rank(q, g);
    g->origin.source_failed |= source_failed;
    g->origin.name_failed |= name_failed;
    enter_rank(q, g);
}

void login_queue_failed(struct login_queue *q, struct id_set *sources, uint64_t name)
{
    for (size_t i = 0; i < LOGIN_RANKS - 1; i++) { /* those in the last one can't be moved */
        struct login_group *next;
        for (struct login_group *g = TAILQ_FIRST(&q->ranks[i].groups); g != NULL; g = next) {
            next = TAILQ_NEXT(g, link);
            rank_anew(q, g, g->origin.source != 0 && id_set_has(sources, g->origin.source),
                      g->origin.name == name);
        }
    }
}

/* ---- logins ---------------------------------------------------------------------------------- */

bool login_queue_push(struct login_queue *q, struct login_place *place,
                      const struct login_origin *origin)
{
    struct login_group *g = find_group(q, origin);
    if (g != NULL)
        rank_anew(q, g, origin->source_failed, origin->name_failed);
    else
        g = add_group(q, origin);
    if (g == NULL)
        return false;
    TAILQ_INSERT_TAIL(&g->places, place, link);
    place->group = g;
    g->count++;
    q->ranks[rank_of(&g->origin)].count++;
    q->count++;
    return true;
}

void login_queue_remove(struct login_queue *q, struct login_place *place)
{
    struct login_group *g = place->group;
    if (g == NULL)
        return;
    TAILQ_REMOVE(&g->places, place, link);
    place->group = NULL;
    g->count--;
    q->ranks[rank_of(&g->origin)].count--;
    q->count--;
    if (g->count > 0)
        return;
    leave_rank(q, g);
    hash_table_remove(&q->groups, &g->by_origin);
    free(g);
}

/* Each rank that has logins earns its share at each pop; who has most pays for all. */
static struct rank *next_rank(struct login_queue *q)
{
    struct rank *best = NULL;
    int paid = 0;
    for (size_t i = 0; i < LOGIN_RANKS; i++) {
        struct rank *r = &q->ranks[i];
        if (r->count == 0) {
            r->credit = 0;
            continue;
        }
        r->credit += shares[i];
        paid += shares[i];
        if (best == NULL || r->credit > best->credit)
            best = r;
    }
    if (best != NULL)
        best->credit -= paid;
    return best;
}

static struct login_place *next_place(struct login_group *g)
{
    if (rank_of(&g->origin) == 0)
        return TAILQ_FIRST(&g->places);
    bool newest = g->newest_is_next;
    g->newest_is_next = !newest;
    return newest ? TAILQ_LAST(&g->places, place_list) : TAILQ_FIRST(&g->places);
}

struct login_place *login_queue_pop(struct login_queue *q)
{
    struct rank *r = next_rank(q);
    if (r == NULL)
        return NULL;
    struct login_group *g = TAILQ_FIRST(&r->groups);
    TAILQ_REMOVE(&r->groups, g, link); /* behind the others of its rank */
    TAILQ_INSERT_TAIL(&r->groups, g, link);
    struct login_place *place = next_place(g);
    login_queue_remove(q, place);
    return place;
}

static const struct login_group *longest_group(const struct rank *r)
{
    const struct login_group *longest = NULL;
    const struct login_group *g;
    TAILQ_FOREACH (g, &r->groups, link)
        if (longest == NULL || g->count > longest->count)
            longest = g;
    return longest;
}

struct login_place *login_queue_crowded(const struct login_queue *q,
                                        const struct login_origin *newcomer)
{
    size_t own = rank_of(newcomer);
    size_t worst = LOGIN_RANKS - 1;
    while (worst > own && q->ranks[worst].count == 0)
        worst--;
    const struct login_group *longest = longest_group(&q->ranks[worst]);
    if (longest == NULL)
        return NULL;
    const struct login_group *same = find_group(q, newcomer);
    if (worst == own && longest->count <= (same != NULL ? same->count + 1 : 1))
        return NULL;
    return TAILQ_FIRST(&longest->places);
}

size_t login_queue_count(const struct login_queue *q)
{
    return q->count;
}

size_t login_queue_ahead(const struct login_queue *q, const struct login_origin *newcomer)
{
    size_t ahead = 0;
    for (size_t i = 0; i <= rank_of(newcomer); i++)
        ahead += q->ranks[i].count;
    return ahead;
}
