#include "tests/bench/load/histogram.h"

#include <math.h>

static unsigned bucket_of(uint64_t ns)
{
    if (ns < (1u << HISTOGRAM_SUB_BITS))
        return (unsigned)ns;
    unsigned exponent = 63u - (unsigned)__builtin_clzll(ns);
    unsigned step =
        (unsigned)(ns >> (exponent - HISTOGRAM_SUB_BITS)) & ((1u << HISTOGRAM_SUB_BITS) - 1);
    return ((exponent - HISTOGRAM_SUB_BITS + 1) << HISTOGRAM_SUB_BITS) + step;
}

static uint64_t bucket_upper(unsigned bucket)
{
    unsigned row = bucket >> HISTOGRAM_SUB_BITS;
    uint64_t step = bucket & ((1u << HISTOGRAM_SUB_BITS) - 1);
    if (row == 0)
        return step;
    return ((step + (1u << HISTOGRAM_SUB_BITS) + 1) << (row - 1)) - 1;
}

void histogram_record(struct histogram *h, uint64_t ns)
{
    h->counts[bucket_of(ns)]++;
    h->total++;
    if (ns > h->max)
        h->max = ns;
}

void histogram_add(struct histogram *to, const struct histogram *other)
{
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
        to->counts[i] += other->counts[i];
    to->total += other->total;
    to->max = other->max > to->max ? other->max : to->max;
}

uint64_t histogram_quantile(const struct histogram *h, double fraction)
{
    uint64_t wanted = (uint64_t)ceil(fraction * (double)h->total);
    if (wanted == 0)
        wanted = 1;
    uint64_t seen = 0;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        seen += h->counts[i];
        if (seen >= wanted) {
            uint64_t upper = bucket_upper(i);
            return upper < h->max ? upper : h->max;
        }
    }
    return h->max;
}
