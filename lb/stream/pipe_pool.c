/*
 * Borrowed and given back by relay.c alone, a pipe for as long as a direction has bulk in it.
 */
#include "lb/stream/pipe_pool.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

static void close_pipe(struct pipe_pool *p, struct pipe *pipe)
{
    close(pipe->read_fd);
    close(pipe->write_fd);
    free(pipe);
    p->open_count--;
}

/* A new descriptor gets the lowest free number, so a high one says how many are open. */
static bool is_spare(const struct pipe_pool *p, const int fds[2])
{
    int from = atomic_load_explicit(&p->spare_from, memory_order_relaxed);
    return from > 0 && (fds[0] >= from || fds[1] >= from);
}

static struct pipe *open_pipe(struct pipe_pool *p)
{
    int fds[2];
    if (p->open_count >= PIPE_POOL_MAX)
        return NULL;
    struct pipe *pipe = calloc(1, sizeof(*pipe));
    if (pipe == NULL)
        return NULL;
    if (pipe2(fds, O_NONBLOCK | O_CLOEXEC) != 0) {
        free(pipe);
        return NULL;
    }
    pipe->read_fd = fds[0];
    pipe->write_fd = fds[1];
    p->open_count++;
    if (is_spare(p, fds)) {
        close_pipe(p, pipe);
        return NULL;
    }
    /* Refused to a user who has many large pipes: then it keeps the default of 64 kB. */
    (void)fcntl(pipe->write_fd, F_SETPIPE_SZ, PIPE_SIZE);
    return pipe;
}

struct pipe *pipe_pool_take(struct pipe_pool *p)
{
    struct pipe *pipe = SLIST_FIRST(&p->idle);
    if (pipe == NULL)
        return open_pipe(p);
    SLIST_REMOVE_HEAD(&p->idle, link);
    p->idle_count--;
    return pipe;
}

void pipe_pool_give(struct pipe_pool *p, struct pipe *pipe)
{
    if (pipe == NULL)
        return;
    if (pipe->bytes > 0 || p->idle_count >= PIPE_POOL_IDLE) {
        close_pipe(p, pipe);
        return;
    }
    SLIST_INSERT_HEAD(&p->idle, pipe, link);
    p->idle_count++;
}

void pipe_pool_fini(struct pipe_pool *p)
{
    struct pipe *pipe;
    while ((pipe = SLIST_FIRST(&p->idle)) != NULL) {
        SLIST_REMOVE_HEAD(&p->idle, link);
        p->idle_count--;
        close_pipe(p, pipe);
    }
}
