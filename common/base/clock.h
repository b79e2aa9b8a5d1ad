/*
 * clock - the clocks the project reads, in milliseconds where the name says nothing else.
 *
 * clock_monotonic_ms: timeouts and rates inside one process; stands still while the host sleeps.
 * clock_monotonic_us, clock_monotonic_ns: the same clock, for spans shorter than that.
 * clock_boottime_ms:  leases (CLOCK_BOOTTIME); goes on while the host sleeps, so that a process
 *                     woken from a suspend knows that its lease ran out.
 * clock_realtime_ms:  wall clock since 1970 (UTC), for what people and other hosts read. May jump.
 * clock_thread_cpu_ns: CPU time of the thread that asks, user and system.
 *
 * Errors: none. These clocks exist on every Linux that runs the project.
 */
#ifndef FLOTILLA_COMMON_BASE_CLOCK_H
#define FLOTILLA_COMMON_BASE_CLOCK_H

#include <stdint.h>

uint64_t clock_monotonic_ms(void);
uint64_t clock_monotonic_us(void);
uint64_t clock_monotonic_ns(void);
uint64_t clock_boottime_ms(void);
uint64_t clock_realtime_ms(void);
uint64_t clock_thread_cpu_ns(void);

#endif
