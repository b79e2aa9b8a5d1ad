/*
 * report - the one line of JSON that a run prints.
 */
#ifndef FLOTILLA_BENCH_REPORT_H
#define FLOTILLA_BENCH_REPORT_H

#include "tests/bench/load/histogram.h"
#include "tests/bench/load/options.h"
#include "tests/bench/load/process.h"

struct report {
    const char *unit;  /* what `done` counts: "message" or "connection" */
    uint64_t done;     /* in the measured time */
    double seconds;    /* measured time */
    uint64_t cpu_ns;   /* of the measured processes in that time */
    uint64_t sent;     /* of the whole run, with warm-up and rest */
    uint64_t expected; /* deliveries that `sent` should have caused, of the whole run */
    uint64_t received, duplicates, reordered, failed;
    double bytes_each; /* resident memory per connection; < 0: not measured */
    const struct histogram *latency;
};

void report_print(const struct options *o, const struct report *r);

#endif
