/*
 * timebox - a bound on the CPU time that one piece of work takes before others get their turn.
 *
 * Data flow: a module with work that has no bound of its own opens a box, does one unit after
 *            another, states what each cost (roughly, in microseconds) and stops when the box is
 *            over. What is left must be found again by the next turn.
 * Time:      the box counts CPU time of the thread (user and system): a thread that others keep
 *            from running isn't late by its own doing. CPU time never passes faster than the wall
 *            clock's, so as long as the wall clock shows that it can't be over, the kernel isn't
 *            asked; and the wall clock is asked only once the stated costs add up.
 * Promises:  at least one unit is done, for a box is asked after it. It ends late by one unit and
 *            by what the costs were understated.
 * Ownership: on the stack or embedded; holds no memory. One thread only.
 */
#ifndef FLOTILLA_COMMON_BASE_TIMEBOX_H
#define FLOTILLA_COMMON_BASE_TIMEBOX_H

#include <stdbool.h>
#include <stdint.h>

enum { TIMEBOX_LOOK_US = 16 }; /* of stated costs, between two looks at a clock */

struct timebox {
    uint64_t cpu_end_ns; /* clock_thread_cpu_ns */
    uint64_t look_ns;    /* clock_monotonic_ns: it isn't over before */
    uint32_t spent_us;   /* since the last look */
    bool over;
};

/* Begins now. Costs a system call. */
void timebox_open(struct timebox *t, uint64_t budget_us);
/* Began at these readings of clock_monotonic_ns and clock_thread_cpu_ns. No system call. */
void timebox_open_at(struct timebox *t, uint64_t wall_ns, uint64_t cpu_ns, uint64_t budget_us);
/* A part of a box that ends so much earlier, so that something is left for others. */
static inline void timebox_before(struct timebox *part, const struct timebox *whole, uint64_t us)
{
    *part = (struct timebox){.cpu_end_ns = whole->cpu_end_ns - us * 1000,
                             .look_ns = whole->look_ns - us * 1000};
}
/* Asks the clocks. */
bool timebox_look(struct timebox *t);

/* After a unit that cost about so much: true when no other one may be begun. */
static inline bool timebox_spend(struct timebox *t, uint32_t cost_us)
{
    if (t->over)
        return true;
    t->spent_us += cost_us;
    return t->spent_us >= TIMEBOX_LOOK_US && timebox_look(t);
}
/* As timebox_spend said last. */
static inline bool timebox_is_over(const struct timebox *t)
{
    return t->over;
}

#endif
