/*
 * process_metrics - what this process uses of the machine, under the names that Prometheus clients
 * agree on: process_cpu_seconds_total, process_resident_memory_bytes, process_open_fds,
 * process_max_fds, process_start_time_seconds; and flotilla_log_lines_dropped_total.
 *
 * Read from /proc and getrusage(2) at each rendering; nothing is kept between.
 */
#ifndef FLOTILLA_COMMON_METRICS_PROCESS_METRICS_H
#define FLOTILLA_COMMON_METRICS_PROCESS_METRICS_H

#include <stdbool.h>

struct metrics;

/* Once, at startup. False when out of memory. */
bool process_metrics_register(struct metrics *m);

#endif
