/* The clocks of common/base/clock.h stand still in a workload: linked in place of the library's, so that
 * no time box ends on a busy machine, and nothing is done because of the time of day. */
#include "common/base/clock.h"

enum { NOW_MS = 1000000000 };

uint64_t clock_monotonic_ms(void)
{
    return NOW_MS;
}

uint64_t clock_monotonic_us(void)
{
    return (uint64_t)NOW_MS * 1000;
}

uint64_t clock_monotonic_ns(void)
{
    return (uint64_t)NOW_MS * 1000000;
}

uint64_t clock_boottime_ms(void)
{
    return NOW_MS;
}

uint64_t clock_realtime_ms(void)
{
    return NOW_MS;
}

uint64_t clock_thread_cpu_ns(void)
{
    return 0;
}
