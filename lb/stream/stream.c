/*
 * Plain streams, and what all kinds share: flags from events, recv and send.
 */
#include "lb/stream/stream.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lb/stream/poller.h"

/* After a read that got less than it could: whether the socket has, or will ever have, more. */
static void note_short_read(struct stream *s)
{
    if (!s->hangup)
        s->socket_more = false;
    else if (!s->reset) { /* a FIN was there before the read, and nothing comes after a FIN */
        s->socket_more = false;
        s->socket_ended = true;
    }
}

ssize_t stream_socket_read(struct stream *s, void *buf, size_t len)
{
    ssize_t n;
    do
        n = recv(s->fd, buf, len, 0);
    while (n < 0 && errno == EINTR);
    if (n > 0) {
        if ((size_t)n < len)
            note_short_read(s);
        return n;
    }
    s->socket_more = false;
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        return STREAM_AGAIN;
    s->socket_ended = true;
    if (n < 0)
        s->broken = s->aborted = true;
    return 0;
}

size_t stream_socket_write(struct stream *s, const void *buf, size_t len)
{
    ssize_t n;
    do
        n = send(s->fd, buf, len, MSG_NOSIGNAL | (s->more_follows ? MSG_MORE : 0));
    while (n < 0 && errno == EINTR);
    if (n == (ssize_t)len)
        return len;
    s->writable = false;
    if (n >= 0)
        return (size_t)n;
    if (errno != EAGAIN && errno != EWOULDBLOCK)
        stream_write_failed(s, errno);
    return 0;
}

/* EPIPE comes after an orderly end: of a peer that reads no more, or of ours. Anything else is told
 * once, and if it is told to a write, reading will look like an orderly end. */
void stream_write_failed(struct stream *s, int err)
{
    s->broken = true;
    if (err != EPIPE)
        s->aborted = true;
}

void stream_socket_shutdown(struct stream *s, bool closing)
{
    if (!closing && shutdown(s->fd, SHUT_WR) != 0)
        s->broken = true;
}

static ssize_t plain_read(struct stream *s, void *buf, size_t len)
{
    ssize_t n = stream_socket_read(s, buf, len);
    s->readable = s->socket_more;
    s->ended = s->socket_ended;
    return n;
}

static bool plain_shutdown(struct stream *s, bool closing)
{
    stream_socket_shutdown(s, closing);
    return true;
}

static void plain_free_state(struct stream *s)
{
    (void)s;
}

const struct stream_ops stream_plain_ops = {
    .read = plain_read,
    .write = stream_socket_write,
    .shutdown = plain_shutdown,
    .free_state = plain_free_state,
    .is_plain = true,
};

void stream_init_plain(struct stream *s, int fd)
{
    *s = (struct stream){.ops = &stream_plain_ops, .fd = fd};
}

void stream_ready(struct stream *s, uint32_t events)
{
    if ((events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) {
        s->hangup = true;
        if ((events & (EPOLLHUP | EPOLLERR)) != 0)
            s->reset = true;
    }
    if ((events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0)
        s->readable = s->socket_more = true;
    if ((events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) != 0) {
        s->writable = true;
        if (s->wants_write) {
            s->wants_write = false;
            s->readable = true;
        }
    }
}

void stream_abort(struct stream *s)
{
    static const struct linger at_once = {.l_onoff = 1};
    if (s->fd >= 0)
        (void)setsockopt(s->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
}

void stream_close(struct stream *s, struct poller *poller)
{
    if (s->fd < 0)
        return;
    s->ops->free_state(s);
    poller_remove(poller, s->fd);
    close(s->fd);
    s->fd = -1;
}
