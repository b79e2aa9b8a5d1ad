/*
 * process - what the measured processes, and this one, have used so far.
 *
 * Units: CPU in nanoseconds (user + system, all threads), memory in bytes (resident).
 */
#ifndef FLOTILLA_TESTS_BENCH_LOAD_PROCESS_H
#define FLOTILLA_TESTS_BENCH_LOAD_PROCESS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define MAX_PIDS 64

struct process_use {
    uint64_t cpu_ns;
    uint64_t resident;
};

struct usage {
    struct process_use each[MAX_PIDS]; /* in the order of the pids */
    struct process_use all;            /* their sum */
    uint64_t own_cpu_ns;               /* of the load generator */
};

/* Of the first MAX_PIDS; a process that is gone counts as zero. */
void usage_take(struct usage *u, const pid_t *pids, size_t count);

#endif
