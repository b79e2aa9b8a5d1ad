/*
 * stall - notices a peer that takes nothing of what waits for it.
 *
 * Watching begins when a direction's destination takes no more, and ends when nothing waits. What
 * counts as progress is what the peer's kernel has acknowledged (TCP_INFO), not what went into our
 * send buffer: that may be megabytes, and shows nothing of a slow peer for minutes. So nothing is
 * counted while bytes move; one getsockopt when watching begins and one each check is all it costs.
 * Units:     milliseconds of CLOCK_MONOTONIC; both fields are cut to 32 bits, as only differences
 *            matter.
 */
#ifndef FLOTILLA_LB_STREAM_STALL_H
#define FLOTILLA_LB_STREAM_STALL_H

#include <stdbool.h>
#include <stdint.h>

struct stall {
    uint32_t since_ms; /* when the peer last took something; 0: not watched */
    uint32_t acked;    /* what it had acknowledged by then */
};

#define STALL_STEPS 8u /* checks within the limit: how exact it is */

static inline bool stall_is_watched(const struct stall *s)
{
    return s->since_ms != 0;
}

/* Begins, or begins anew. */
void stall_watch(struct stall *s, int fd, uint64_t now_ms);

/* True: something has waited for `limit_ms` (0: without limit) and the peer took none of it. */
bool stall_check(struct stall *s, int fd, bool waits, uint64_t now_ms, uint64_t limit_ms);

/* The same without a socket: `acked` is what the peer has acknowledged. */
bool stall_judge(struct stall *s, uint32_t acked, bool waits, uint64_t now_ms, uint64_t limit_ms);

/* Bytes that the socket's peer hasn't acknowledged yet. */
unsigned stall_unacknowledged(int fd);

#endif
