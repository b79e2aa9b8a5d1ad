/*
 * The set that backend_choose picks from. One short critical section per new flow: it looks at
 * every server once (a hundred brokers are a few microseconds), asks the policy, and counts the
 * flow on the server before another worker can choose. Flows that end need no lock.
 */
#include "lb/backend/server_set.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include "lb/backend/balance.h"
#include "lb/backend/server.h"

struct slot {
    struct server *server;
    int64_t credit;
};

struct server_set {
    _Atomic unsigned refs;
    pthread_mutex_t lock;
    struct slot *slots;
    struct balance_candidate *candidates; /* scratch of server_set_choose, as many as slots */
    size_t count, capacity;
    struct balance_state state;
};

struct server_set *server_set_new(void)
{
    struct server_set *set = calloc(1, sizeof(*set));
    if (set == NULL)
        return NULL;
    atomic_init(&set->refs, 1);
    pthread_mutex_init(&set->lock, NULL);
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    set->state.random = balance_hash(&now, sizeof(now)) | 1u;
    return set;
}

struct server_set *server_set_ref(struct server_set *set)
{
    atomic_fetch_add_explicit(&set->refs, 1, memory_order_relaxed);
    return set;
}

void server_set_unref(struct server_set *set)
{
    if (set == NULL || atomic_fetch_sub_explicit(&set->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (size_t i = 0; i < set->count; i++)
        server_unref(set->slots[i].server);
    pthread_mutex_destroy(&set->lock);
    free(set->slots);
    free(set->candidates);
    free(set);
}

static bool grow(struct server_set *set)
{
    size_t capacity = set->capacity == 0 ? 8 : set->capacity * 2;
    struct slot *slots = realloc(set->slots, capacity * sizeof(*slots));
    if (slots == NULL)
        return false;
    set->slots = slots;
    struct balance_candidate *candidates = realloc(set->candidates, capacity * sizeof(*candidates));
    if (candidates == NULL)
        return false;
    set->candidates = candidates;
    set->capacity = capacity;
    return true;
}

bool server_set_add(struct server_set *set, struct server *s)
{
    pthread_mutex_lock(&set->lock);
    bool room = set->count < set->capacity || grow(set);
    if (room)
        set->slots[set->count++] = (struct slot){.server = server_ref(s)};
    pthread_mutex_unlock(&set->lock);
    return room;
}

void server_set_remove(struct server_set *set, struct server *s)
{
    pthread_mutex_lock(&set->lock);
    atomic_store(&s->removed, true);
    size_t i = 0;
    while (i < set->count && set->slots[i].server != s)
        i++;
    bool found = i < set->count;
    if (found) {
        set->count--;
        for (size_t j = i; j < set->count; j++)
            set->slots[j] = set->slots[j + 1];
        if (set->state.last > 0 && set->state.last >= i)
            set->state.last--;
    }
    pthread_mutex_unlock(&set->lock);
    if (found)
        server_unref(s);
}

static bool is_excluded(const struct choose_request *r, const struct server *s)
{
    for (size_t i = 0; i < r->exclude_count; i++)
        if (r->exclude[i] == s)
            return true;
    return false;
}

static void fill_candidates(struct server_set *set, uint64_t slow_start_ms,
                            const struct choose_request *r)
{
    for (size_t i = 0; i < set->count; i++) {
        const struct server *s = set->slots[i].server;
        uint32_t weight = 0;
        if (server_takes_flows(s) && !is_excluded(r, s))
            weight = balance_effective_weight(atomic_load(&s->weight), atomic_load(&s->up_since_ms),
                                              r->now_ms, slow_start_ms);
        set->candidates[i] = (struct balance_candidate){.connections = atomic_load(&s->connections),
                                                        .weight = weight,
                                                        .key = s->key,
                                                        .credit = &set->slots[i].credit};
    }
}

struct server *server_set_choose(struct server_set *set, const struct balance_policy *policy,
                                 uint64_t slow_start_ms, const struct choose_request *r)
{
    struct server *s = NULL;
    pthread_mutex_lock(&set->lock);
    fill_candidates(set, slow_start_ms, r);
    size_t i = set->count == 0 ? BALANCE_NONE
                               : policy->pick(set->candidates, set->count, &set->state, r->hash);
    if (i != BALANCE_NONE) {
        s = server_ref(set->slots[i].server);
        atomic_fetch_add(&s->connections, 1);
    }
    pthread_mutex_unlock(&set->lock);
    return s;
}

bool server_set_is_available(struct server_set *set)
{
    bool available = false;
    pthread_mutex_lock(&set->lock);
    for (size_t i = 0; i < set->count && !available; i++)
        available = server_takes_flows(set->slots[i].server);
    pthread_mutex_unlock(&set->lock);
    return available;
}
