/*
 * relay - one direction of a flow: moves bytes from one stream to the other.
 *
 * Data flow: flow.c pumps both directions when a stream got ready. A burst goes through the
 *            worker's shared buffer straight to the other side; what that side doesn't take is kept
 *            here and reading stops. A direction that turns out to be bulk, plain on both sides, is
 *            spliced through a borrowed pipe. An idle direction owns neither memory nor pipe.
 * Pieces:    larger ones save system calls but cost more in all. What is handed to TCP at once must
 *            fit one packet of the device (64 kB less headers with segmentation offload, and on
 *            loopback): of a send of 64 kB the last few bytes would travel as a packet of their own
 *            and wake the peer a second time, which doubled the cost. And a copy's piece stays in
 *            the first-level cache from the read to the write.
 * Ends:      the source's end is passed on once everything before it was delivered; that a source was
 *            reset is left to the flow to pass on (`finished`, and the source is `aborted`). What comes for
 *            a broken destination is read and dropped, so that closing resets nobody; but no more
 *            than RELAY_DROP_MAX, after which the source counts as broken too.
 * Limits:    what a slow destination makes a direction hold is at most RELAY_BUFFER bytes on the
 *            heap or RELAY_SPLICE in a pipe. A pump moves about RELAY_BUDGET bytes, then it is
 *            others' turn.
 */
#ifndef FLOTILLA_LB_STREAM_RELAY_H
#define FLOTILLA_LB_STREAM_RELAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pipe;
struct pipe_pool;
struct stream;

#define RELAY_BUFFER ((size_t)48 * 1024) /* a read of the copying path */
#define RELAY_SPLICE ((size_t)32 * 1024) /* a move into a pipe */
#define RELAY_BUDGET ((size_t)256 * 1024)
#define RELAY_DROP_MAX ((size_t)1024 * 1024)
#define RELAY_BULK_READ ((size_t)16 * 1024) /* two such reads in a row make a direction bulk */

struct relay {
    uint8_t *held;     /* owned; what the destination hasn't taken yet is held + off .. + len */
    uint32_t off, len; /* len counts from held's start */
    struct pipe *pipe; /* borrowed while bulk data moves */
    uint32_t burst;    /* bytes since the pipe was borrowed, at most UINT32_MAX */
    uint32_t dropped;  /* bytes that came for a broken destination */
    uint8_t bulk;      /* large reads in a row */
    bool finished;     /* the source's end was passed on */
};

/* What a worker's relays share. */
struct relay_env {
    uint8_t *buffer; /* RELAY_BUFFER bytes */
    struct pipe_pool *pipes;
    bool closing;   /* in: the other direction is finished, so that this one's end is the flow's */
    size_t moved;   /* out: bytes the last pump took from the source */
    size_t spliced; /* out: those of them that went through a pipe */
};

enum relay_verdict {
    RELAY_WAITING,  /* nothing to do until one of the streams gets ready */
    RELAY_FINISHED, /* the end was passed on; nothing will ever follow */
    RELAY_MORE,     /* out of budget: pump again in the next turn */
    RELAY_BLOCKED,  /* the destination doesn't take what is held for it */
};

/* There is something to do, or to watch, beyond waiting for events. */
static inline bool relay_is_busy(enum relay_verdict verdict)
{
    return verdict >= RELAY_MORE;
}

enum relay_verdict relay_pump(struct relay *r, struct stream *from, struct stream *to,
                              struct relay_env *env);

/* Hands on bytes that someone else has read, before any pump (r holds nothing yet). */
void relay_feed(struct relay *r, struct stream *to, const uint8_t *data, size_t len);

/* Takes over a heap buffer of which `off` .. `len` is still to be delivered. */
void relay_adopt(struct relay *r, uint8_t *buf, size_t off, size_t len);

/* The destination hasn't taken all that was read for it. */
bool relay_holds(const struct relay *r, const struct stream *to);

void relay_fini(struct relay *r, struct pipe_pool *pipes);

#endif
