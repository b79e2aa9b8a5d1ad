/*
 * The four policies, each a function from candidates to an index. They know neither servers nor
 * locks: server_set.c calls them with a table made under its lock, so that picking and reserving
 * are one step.
 */
#include "lb/backend/balance.h"

#include <math.h>

#define WEIGHT_UNIT 1000u

/* Whether a has fewer connections for its weight than b, without dividing. */
static bool is_less_loaded(const struct balance_candidate *a, const struct balance_candidate *b)
{
    return (uint64_t)a->connections * b->weight < (uint64_t)b->connections * a->weight;
}

static size_t pick_leastconn(const struct balance_candidate *c, size_t n,
                             struct balance_state *state, uint64_t hash)
{
    (void)hash;
    size_t best = BALANCE_NONE;
    for (size_t step = 1; step <= n; step++) {
        size_t i = (state->last + step) % n;
        if (c[i].weight == 0)
            continue;
        if (best == BALANCE_NONE || is_less_loaded(&c[i], &c[best]))
            best = i;
    }
    if (best != BALANCE_NONE)
        state->last = best;
    return best;
}

/* Smooth weighted round robin: in each round every server gains its weight, the one with the most
 * is picked and loses the sum. Picks of a heavy server are spread out instead of coming in a
 * row. */
static size_t pick_roundrobin(const struct balance_candidate *c, size_t n,
                              struct balance_state *state, uint64_t hash)
{
    (void)hash;
    size_t best = BALANCE_NONE;
    int64_t total = 0;
    for (size_t step = 1; step <= n; step++) {
        size_t i = (state->last + step) % n;
        if (c[i].weight == 0)
            continue;
        *c[i].credit += c[i].weight;
        total += c[i].weight;
        if (best == BALANCE_NONE || *c[i].credit > *c[best].credit)
            best = i;
    }
    if (best == BALANCE_NONE)
        return BALANCE_NONE;
    *c[best].credit -= total;
    state->last = best;
    return best;
}

static uint64_t next_random(struct balance_state *state) /* xorshift64 */
{
    uint64_t x = state->random;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    return state->random = x;
}

/* One candidate other than `not`, with a chance proportional to its weight. */
static size_t draw(const struct balance_candidate *c, size_t n, struct balance_state *state,
                   size_t not )
{
    uint64_t total = 0;
    for (size_t i = 0; i < n; i++)
        total += i == not ? 0 : c[i].weight;
    if (total == 0)
        return BALANCE_NONE;
    uint64_t ticket = next_random(state) % total;
    for (size_t i = 0; i < n; i++) {
        uint64_t weight = i == not ? 0 : c[i].weight;
        if (ticket < weight)
            return i;
        ticket -= weight;
    }
    return BALANCE_NONE;
}

/* Two choices: the less loaded of two that are drawn at random. Nearly as even as leastconn, and
 * several load balancers in front of one fleet don't all choose the same server. */
static size_t pick_random(const struct balance_candidate *c, size_t n, struct balance_state *state,
                          uint64_t hash)
{
    (void)hash;
    size_t first = draw(c, n, state, BALANCE_NONE);
    if (first == BALANCE_NONE)
        return BALANCE_NONE;
    size_t second = draw(c, n, state, first);
    if (second == BALANCE_NONE)
        return first;
    return is_less_loaded(&c[second], &c[first]) ? second : first;
}

static uint64_t mix(uint64_t x) /* the finalizer of splitmix64: every bit reaches every bit */
{
    x ^= x >> 30;
    x *= 0xbf58476d1ce4e5b9u;
    x ^= x >> 27;
    x *= 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

/* Weighted rendezvous hashing: each server bids for each client; the highest bid wins. A server
 * that leaves moves only its own clients, one that comes takes its share from all; no ring to keep.
 */
static size_t pick_hash(const struct balance_candidate *c, size_t n, struct balance_state *state,
                        uint64_t hash)
{
    (void)state;
    size_t best = BALANCE_NONE;
    double best_bid = 0;
    for (size_t i = 0; i < n; i++) {
        if (c[i].weight == 0)
            continue;
        /* uniform in (0, 1): 52 bits and a half, so that it is neither 0 nor 1 */
        double u = ((double)(mix(hash ^ c[i].key) >> 12) + 0.5) / 4503599627370496.0;
        double bid = (double)c[i].weight / -log(u);
        if (best == BALANCE_NONE || bid > best_bid) {
            best = i;
            best_bid = bid;
        }
    }
    return best;
}

static const struct balance_policy policies[] = {
    [LB_BALANCE_LEASTCONN] = {.pick = pick_leastconn},
    [LB_BALANCE_ROUNDROBIN] = {.pick = pick_roundrobin},
    [LB_BALANCE_RANDOM] = {.pick = pick_random},
    [LB_BALANCE_HASH] = {.pick = pick_hash, .wants_hash = true},
};

const struct balance_policy *balance_policy(enum lb_balance kind)
{
    return &policies[kind];
}

uint32_t balance_effective_weight(unsigned weight, uint64_t up_since_ms, uint64_t now_ms,
                                  uint64_t slow_start_ms)
{
    uint64_t full = (uint64_t)weight * WEIGHT_UNIT;
    uint64_t age_ms = now_ms > up_since_ms ? now_ms - up_since_ms : 0;
    if (age_ms >= slow_start_ms || full == 0)
        return (uint32_t)full;
    uint64_t least = full / 10;
    return (uint32_t)(least + (full - least) * age_ms / slow_start_ms);
}

uint64_t balance_hash(const void *data, size_t len)
{
    const unsigned char *p = data;
    uint64_t h = 0xcbf29ce484222325u; /* FNV-1a, then mixed */
    for (size_t i = 0; i < len; i++)
        h = (h ^ p[i]) * 0x100000001b3u;
    return mix(h);
}
