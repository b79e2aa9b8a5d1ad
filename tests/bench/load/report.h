/*
 * report - the one line of JSON that a run prints.
 */
#ifndef FLOTILLA_TESTS_BENCH_LOAD_REPORT_H
#define FLOTILLA_TESTS_BENCH_LOAD_REPORT_H

#include "tests/bench/load/histogram.h"
#include "tests/bench/load/options.h"
#include "tests/bench/load/process.h"
#include "tests/bench/load/sequence.h"

struct report {
    const char *unit;  /* what `done` counts: "message" or "connection" */
    uint64_t done;     /* in the measured time */
    double seconds;    /* measured time */
    uint64_t sent;     /* of the whole run, with warm-up and rest */
    uint64_t expected; /* deliveries that `sent` should have caused, of the whole run */
    struct tally tally;
    uint64_t failed;  /* connections that were lost */
    uint64_t resumed; /* TLS sessions taken up again, in the measured time */
    /* CPU between the first two; memory between the last two (NULL: not measured) */
    const struct usage *began, *ended, *memory_before, *memory_after;
    double memory_count;              /* what memory is shared by */
    const struct histogram *latency;  /* NULL: not measured */
    const struct usage *setup_before; /* up to `began`: setting up setup_count things */
    uint64_t setup_count;             /* 0: not measured */
};

void report_print(const struct options *o, const struct report *r);

#endif
