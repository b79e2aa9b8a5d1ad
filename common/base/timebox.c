/*
 * Two clocks: the wall's, which costs no system call, says when it is worth asking the thread's.
 */
#include "common/base/timebox.h"

#include "common/base/clock.h"

void timebox_open_at(struct timebox *t, uint64_t wall_ns, uint64_t cpu_ns, uint64_t budget_us)
{
    *t = (struct timebox){.cpu_end_ns = cpu_ns + budget_us * 1000,
                          .look_ns = wall_ns + budget_us * 1000};
}

void timebox_open(struct timebox *t, uint64_t budget_us)
{
    timebox_open_at(t, clock_monotonic_ns(), clock_thread_cpu_ns(), budget_us);
}

bool timebox_look(struct timebox *t)
{
    t->spent_us = 0;
    uint64_t wall_ns = clock_monotonic_ns();
    if (t->over || wall_ns < t->look_ns)
        return t->over;
    uint64_t cpu_ns = clock_thread_cpu_ns();
    if (cpu_ns >= t->cpu_end_ns)
        t->over = true;
    else
        t->look_ns = wall_ns + (t->cpu_end_ns - cpu_ns);
    return t->over;
}
