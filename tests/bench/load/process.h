/*
 * process - what the measured processes have used, read from /proc.
 *
 * Units: CPU in nanoseconds (user + system, all threads, from schedstat), memory in bytes
 * (resident).
 */
#ifndef FLOTILLA_BENCH_PROCESS_H
#define FLOTILLA_BENCH_PROCESS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct process_use {
    uint64_t cpu_ns;
    uint64_t resident;
};

/* Sums over the processes and, for CPU, their threads. A process that is gone counts as zero. */
struct process_use process_measure(const pid_t *pids, size_t count);

#endif
