/*
 * The hot path. Nothing here allocates or touches the poller while both sides keep up: a burst
 * costs one read of the source and one write to the destination.
 */
#include "lb/stream/relay.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "lb/stream/pipe_pool.h"
#include "lb/stream/stream.h"

static void drop_held(struct relay *r)
{
    free(r->held);
    r->held = NULL;
    r->off = r->len = 0;
}

static void give_pipe(struct relay *r, struct pipe_pool *pipes)
{
    pipe_pool_give(pipes, r->pipe);
    r->pipe = NULL;
}

/* Writes out what is held. True: nothing is held any more. */
static bool flush_held(struct relay *r, struct stream *to)
{
    while (r->off < r->len && to->writable && !to->broken)
        r->off += (uint32_t)stream_write(to, r->held + r->off, r->len - r->off);
    if (r->off < r->len && !to->broken)
        return false;
    drop_held(r);
    return true;
}

/* Empties the pipe into the destination. True: it is empty. */
static bool flush_pipe(struct relay *r, struct stream *to, struct pipe_pool *pipes)
{
    while (r->pipe->bytes > 0 && !to->broken) {
        ssize_t n = splice(r->pipe->read_fd, NULL, to->fd, NULL, r->pipe->bytes,
                           SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
        if (n > 0) {
            r->pipe->bytes -= (size_t)n;
        } else if (n < 0 && errno == EAGAIN) {
            to->writable = false;
            return false;
        } else if (n == 0 || errno != EINTR) {
            stream_write_failed(to, n == 0 ? EPIPE : errno);
        }
    }
    if (r->pipe->bytes > 0)
        give_pipe(r, pipes); /* the destination is broken: the bytes go with the pipe */
    return true;
}

static bool flush(struct relay *r, struct stream *to, struct pipe_pool *pipes)
{
    if (!stream_flush(to) || (r->held != NULL && !flush_held(r, to)))
        return false;
    return r->pipe == NULL || flush_pipe(r, to, pipes);
}

static void hold(struct relay *r, struct stream *to, const uint8_t *data, size_t len)
{
    r->held = malloc(len);
    if (r->held == NULL) {
        to->broken = true; /* a gap would be worse than an end */
        return;
    }
    memcpy(r->held, data, len);
    r->off = 0;
    r->len = (uint32_t)len;
}

void relay_feed(struct relay *r, struct stream *to, const uint8_t *data, size_t len)
{
    if (to->broken)
        return;
    size_t n = stream_write(to, data, len);
    if (n < len && !to->broken)
        hold(r, to, data + n, len - n);
}

void relay_adopt(struct relay *r, uint8_t *buf, size_t off, size_t len)
{
    r->held = buf;
    r->off = (uint32_t)off;
    r->len = (uint32_t)len;
    if (off == len)
        drop_held(r);
}

/* One read through the shared buffer; the number of bytes, 0 when there was nothing or the end. */
static size_t copy_once(struct relay *r, struct stream *from, struct stream *to,
                        struct relay_env *env)
{
    ssize_t n = stream_read(from, env->buffer, RELAY_BUFFER);
    if (n <= 0)
        return 0;
    if ((size_t)n < RELAY_BULK_READ)
        r->bulk = 0;
    else if (r->bulk < UINT8_MAX)
        r->bulk++;
    to->more_follows = from->ended; /* last bytes and end in one packet */
    relay_feed(r, to, env->buffer, (size_t)n);
    to->more_follows = false;
    return (size_t)n;
}

/* One read into the (empty) pipe. Here a short read proves nothing, since a pipe can be full of
 * small pieces; only EAGAIN does. */
static size_t splice_once(struct relay *r, struct stream *from, struct relay_env *env)
{
    ssize_t n;
    do
        n = splice(from->fd, NULL, r->pipe->write_fd, NULL, RELAY_SPLICE,
                   SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
    while (n < 0 && errno == EINTR);
    if (n <= 0) {
        from->readable = false;
        if (n < 0 && errno == EAGAIN)
            return 0;
        from->ended = from->socket_ended = true;
        if (n < 0)
            from->broken = from->aborted = true;
        return 0;
    }
    r->pipe->bytes = (size_t)n;
    r->burst = r->burst > UINT32_MAX - (uint32_t)n ? UINT32_MAX : r->burst + (uint32_t)n;
    env->spliced += (size_t)n;
    return (size_t)n;
}

static bool wants_pipe(const struct relay *r, const struct stream *from, const struct stream *to)
{
    return r->bulk >= 2 && from->ops->is_plain && to->ops->is_plain && !to->broken;
}

static size_t move_once(struct relay *r, struct stream *from, struct stream *to,
                        struct relay_env *env)
{
    if (r->pipe == NULL && wants_pipe(r, from, to)) {
        r->pipe = pipe_pool_take(env->pipes);
        r->burst = 0;
    }
    return r->pipe != NULL ? splice_once(r, from, env) : copy_once(r, from, to, env);
}

/* The source has no more for now: the pipe goes back, and a small burst ends bulk mode. */
static void rest(struct relay *r, struct pipe_pool *pipes)
{
    if (r->pipe == NULL)
        return;
    if (r->burst < RELAY_BULK_READ)
        r->bulk = 0;
    give_pipe(r, pipes);
}

static enum relay_verdict finish(struct relay *r, const struct stream *from, struct stream *to,
                                 bool closing)
{
    if (!r->finished && !from->aborted && !stream_shutdown(to, closing))
        return RELAY_BLOCKED;
    r->finished = true;
    return RELAY_FINISHED;
}

/* Bytes for a destination that is broken: enough of them, and the source is given up as well. */
static void drop(struct relay *r, struct stream *from, size_t n)
{
    r->dropped += (uint32_t)n;
    if (r->dropped > RELAY_DROP_MAX)
        from->ended = from->broken = true;
}

enum relay_verdict relay_pump(struct relay *r, struct stream *from, struct stream *to,
                              struct relay_env *env)
{
    env->moved = env->spliced = 0;
    for (;;) {
        if (!flush(r, to, env->pipes))
            return RELAY_BLOCKED;
        if (from->ended) {
            rest(r, env->pipes);
            return finish(r, from, to, env->closing);
        }
        if (!from->readable) {
            rest(r, env->pipes);
            return RELAY_WAITING;
        }
        if (env->moved >= RELAY_BUDGET)
            return RELAY_MORE;
        size_t n = move_once(r, from, to, env);
        env->moved += n;
        if (to->broken)
            drop(r, from, n);
        if (n == 0 && from->readable && !from->ended)
            return RELAY_MORE;
    }
}

bool relay_holds(const struct relay *r, const struct stream *to)
{
    return !to->broken &&
           (r->held != NULL || to->unsent || (r->pipe != NULL && r->pipe->bytes > 0));
}

void relay_fini(struct relay *r, struct pipe_pool *pipes)
{
    drop_held(r);
    give_pipe(r, pipes);
}
