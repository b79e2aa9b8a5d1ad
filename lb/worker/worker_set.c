/*
 * The kernel spreads connections over the workers' sockets by a hash, which is fair on average only.
 * A worker that has clearly more than the others passes on what it accepts next; what it serves
 * already stays.
 */
#include "lb/worker/worker_set.h"

#include "lb/worker/worker.h"

/* With fewer flows than this, waking another thread isn't worth it. */
#define SHARE_FROM 32

static size_t flows_of(const struct worker *w)
{
    return (size_t)atomic_load_explicit(&w->counters.flows, memory_order_relaxed) +
           atomic_load_explicit(&w->incoming, memory_order_relaxed);
}

size_t worker_set_flows(const struct worker_set *set)
{
    size_t sum = 0;
    for (unsigned i = 0; i < set->count; i++)
        sum += flows_of(set->items[i]);
    return sum;
}

bool worker_set_has_room(const struct worker_set *set)
{
    size_t limit = atomic_load_explicit(&set->flow_limit, memory_order_relaxed);
    return limit == 0 || worker_set_flows(set) < limit;
}

struct worker *worker_set_taker(const struct worker_set *set, struct worker *w)
{
    size_t own = flows_of(w);
    if (set->count < 2 || own < SHARE_FROM)
        return w;
    size_t sum = 0;
    struct worker *least = w;
    for (unsigned i = 0; i < set->count; i++) {
        sum += flows_of(set->items[i]);
        if (flows_of(set->items[i]) < flows_of(least))
            least = set->items[i];
    }
    return own * set->count * 5 > sum * 6 ? least : w;
}
