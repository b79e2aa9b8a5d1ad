/*
 * fuzz_clock - the clocks (common/base/clock.h), moved by the input alone. To be included by one file of a target: its
 * functions stand in for those of clock.c.
 *
 * Each look at a clock may take time by itself (`look_ns`), so that the boxes of a turn end in the middle of work.
 */
#ifndef FLOTILLA_TESTS_FUZZ_FUZZ_CLOCK_H
#define FLOTILLA_TESTS_FUZZ_FUZZ_CLOCK_H

#include "common/base/clock.h"

static struct {
    uint64_t ns, look_ns;
} fuzz_clock;

static inline void fuzz_clock_set(uint64_t look_ns)
{
    fuzz_clock.ns = 1000000ull * 1000000;
    fuzz_clock.look_ns = look_ns;
}

static inline void fuzz_clock_move(uint64_t ms)
{
    fuzz_clock.ns += ms * 1000000;
}

uint64_t clock_monotonic_ns(void)
{
    fuzz_clock.ns += fuzz_clock.look_ns;
    return fuzz_clock.ns;
}

uint64_t clock_thread_cpu_ns(void)
{
    return clock_monotonic_ns();
}

uint64_t clock_monotonic_us(void)
{
    return clock_monotonic_ns() / 1000;
}

uint64_t clock_monotonic_ms(void)
{
    return clock_monotonic_ns() / 1000000;
}

uint64_t clock_boottime_ms(void)
{
    return clock_monotonic_ms();
}

uint64_t clock_realtime_ms(void)
{
    return 1700000000000 + clock_monotonic_ms();
}

#endif
