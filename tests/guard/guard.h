/*
 * guard - the shape of a speed guard's workload.
 *
 * Each guard_<name>.c is one program: guard_main.c calls guard_prepare, then guard_measured, then
 * guard_finish. guard.sh runs it under callgrind, which counts instructions only inside
 * guard_measured, and compares with baseline.txt.
 * Repeatable: a workload depends on nothing but its code. The clocks stand still (still_clock.c),
 *             there is no randomness, and addresses don't matter.
 *             Whatever happens only the first time (allocations, pools) belongs into guard_prepare.
 */
#ifndef FLOTILLA_TESTS_GUARD_GUARD_H
#define FLOTILLA_TESTS_GUARD_GUARD_H

#include <stdbool.h>
#include <stdlib.h>

void guard_prepare(void);
void guard_measured(void);
void guard_finish(void);

/* A workload that doesn't do what it should measures nothing. */
static inline void guard_must(bool condition)
{
    if (!condition)
        abort();
}

#endif
