/*
 * Which silence is the server's, and which is this process' own.
 */
#include "common/redis/redis_timing.h"

bool redis_timing_look(struct redis_timing *t, uint64_t now_ms)
{
    uint64_t between_ms = now_ms - t->looked_ms;
    t->looked_ms = now_ms;
    return between_ms > REDIS_TIMING_SLEPT_MS;
}

void redis_timing_begin(struct redis_timing *t, uint64_t now_ms)
{
    t->progress_ms = now_ms;
    t->sample_ahead = 0;
}

void redis_timing_resume(struct redis_timing *t, uint64_t now_ms)
{
    t->progress_ms = now_ms;
    t->looked_ms = 0; /* what was said meanwhile is as old as after a sleep */
}

uint64_t redis_timing_silent_ms(struct redis_timing *t, bool is_awaited, uint64_t now_ms)
{
    if (!is_awaited)
        t->progress_ms = now_ms;
    return now_ms - t->progress_ms;
}

void redis_timing_sample(struct redis_timing *t, size_t answers, uint64_t now_us)
{
    t->sample_us = now_us;
    t->sample_ahead = answers;
}
