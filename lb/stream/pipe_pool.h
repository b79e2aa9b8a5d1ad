/*
 * pipe_pool - the pipes through which one worker splices bulk data.
 *
 * Data flow: a relay that turned out to be bulk borrows a pipe, and gives it back as soon as it is
 *            empty and its source has nothing more. Idle flows own none.
 * Ownership: a borrowed pipe belongs to the borrower until pipe_pool_give.
 * Limits:    PIPE_POOL_MAX pipes at once, and no spare descriptors (then take returns NULL and the
 *            relay copies); PIPE_POOL_IDLE are kept open for the next bulk.
 */
#ifndef FLOTILLA_LB_STREAM_PIPE_POOL_H
#define FLOTILLA_LB_STREAM_PIPE_POOL_H

#include <stdatomic.h>
#include <stddef.h>
#include <sys/queue.h>

#define PIPE_POOL_MAX 256
#define PIPE_POOL_IDLE 16
/* One slot of a pipe is 4 kB of its size, and takes one fragment of a socket's queue, however
 * small: these are enough for RELAY_SPLICE bytes in packets of Ethernet's size. */
#define PIPE_SIZE (128 * 1024)

struct pipe {
    int read_fd, write_fd;
    size_t bytes;           /* in the pipe now */
    SLIST_ENTRY(pipe) link; /* in the pool's list of idle ones */
};

struct pipe_pool {
    SLIST_HEAD(, pipe) idle;
    unsigned idle_count;
    unsigned open_count;    /* idle and borrowed */
    _Atomic int spare_from; /* descriptors from this one on are for others; 0: none are */
};

struct pipe *pipe_pool_take(struct pipe_pool *p);
/* A pipe that still holds bytes is closed. `pipe` NULL is harmless. */
void pipe_pool_give(struct pipe_pool *p, struct pipe *pipe);
/* Closes the idle ones; all must have been given back. */
void pipe_pool_fini(struct pipe_pool *p);

#endif
