/*
 * histogram - latencies in nanoseconds with a bounded relative error (1/64), in the manner of
 * HdrHistogram: 64 linear steps in each power of two.
 */
#ifndef FLOTILLA_TESTS_BENCH_LOAD_HISTOGRAM_H
#define FLOTILLA_TESTS_BENCH_LOAD_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_SUB_BITS 6
#define HISTOGRAM_BUCKETS ((64 - HISTOGRAM_SUB_BITS + 1) << HISTOGRAM_SUB_BITS)

struct histogram {
    uint64_t counts[HISTOGRAM_BUCKETS];
    uint64_t total, max;
};

void histogram_record(struct histogram *h, uint64_t ns);
void histogram_add(struct histogram *to, const struct histogram *other);
/* The smallest recorded value that at least `fraction` (0 to 1) of all don't exceed, rounded up by
 * at most 1/64; 0 when nothing was recorded. */
uint64_t histogram_quantile(const struct histogram *h, double fraction);

#endif
