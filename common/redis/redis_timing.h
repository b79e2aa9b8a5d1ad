/*
 * redis_timing - how long a server takes to answer: silence, and sampled round trips.
 *
 * Data flow: redis_link tells when it looks for replies, writes, and gets an answer; it asks how long
 *            the silence has lasted, and whether it was this process that was away. While nothing is
 *            awaited, silence doesn't count.
 * Sampling:  one round trip at a time, from a write to the answer of the last command in it.
 * Ownership: embedded in the link; holds no memory of its own. It reads no clock.
 */
#ifndef FLOTILLA_COMMON_REDIS_REDIS_TIMING_H
#define FLOTILLA_COMMON_REDIS_REDIS_TIMING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Between two looks, from which on this process has slept: owners look ten times as often at least. */
enum { REDIS_TIMING_SLEPT_MS = 500 };

/* Zeroed at first; a new connection begins with redis_timing_begin. */
struct redis_timing {
    uint64_t looked_ms;   /* when the last look for replies was */
    uint64_t progress_ms; /* the last reply, or the first write to an idle connection */
    uint64_t sample_us;   /* when the command whose round trip is measured was written */
    size_t sample_ahead;  /* answers until that one; 0: none is measured */
};

/* A look for replies. True: this process slept since the last one, or wasn't to read. */
bool redis_timing_look(struct redis_timing *t, uint64_t now_ms);

/* A connection is up: nothing is measured yet. */
void redis_timing_begin(struct redis_timing *t, uint64_t now_ms);
/* The server did something, or has its time from now on. */
static inline void redis_timing_progress(struct redis_timing *t, uint64_t now_ms)
{
    t->progress_ms = now_ms;
}
/* Reading goes on after a while in which it stood still. */
void redis_timing_resume(struct redis_timing *t, uint64_t now_ms);
/* For how long an awaited answer hasn't come. */
uint64_t redis_timing_silent_ms(struct redis_timing *t, bool is_awaited, uint64_t now_ms);

static inline bool redis_timing_is_sampling(const struct redis_timing *t)
{
    return t->sample_ahead > 0;
}
/* What is written now has its answer after so many (0: no answer, no sample). */
void redis_timing_sample(struct redis_timing *t, size_t answers, uint64_t now_us);
/* An answer came. True: it is the one whose round trip began at sample_us. */
static inline bool redis_timing_answered(struct redis_timing *t)
{
    return t->sample_ahead > 0 && --t->sample_ahead == 0;
}

#endif
