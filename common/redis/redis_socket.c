/*
 * read and send around hiredis' parser, through a tls_channel or without.
 */
#include "common/redis/redis_socket.h"

#include <errno.h>
#include <event2/event.h>
#include <hiredis/hiredis.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "common/base/timebox.h"
#include "common/tls/tls_channel.h"
#include "common/tls/tls_client.h"

enum { READ_CHUNK = 65536, READ_BOUND = 1 << 20, KEEP_PARSED = 1 << 20 };
enum { REPLY_US = TIMEBOX_LOOK_US / 4 };

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct redis_socket *s = arg;
    (void)fd;
    (void)what;
    s->ready_to_read = true;
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
    struct redis_socket *s = arg;
    (void)fd;
    (void)what;
    s->write_blocked = false;
    if (s->tls != NULL)
        tls_channel_flush(
            s->tls); /* what it kept goes before anything else, or nobody would send it */
}

bool redis_socket_open(struct redis_socket *s, struct event_base *base, int fd)
{
    s->fd = fd;
    s->readable = event_new(base, fd, EV_READ | EV_PERSIST, on_readable, s);
    s->writable = event_new(base, fd, EV_WRITE, on_writable, s);
    s->reader = redisReaderCreate();
    if (s->readable == NULL || s->writable == NULL || s->reader == NULL ||
        event_add(s->writable, NULL) != 0)
        return false;
    s->reader->maxbuf = KEEP_PARSED;
    s->write_blocked = true;
    return true;
}

void redis_socket_close(struct redis_socket *s)
{
    if (s->tls != NULL && s->fd >= 0)
        tls_channel_close(s->tls);
    tls_channel_free(s->tls);
    s->tls = NULL;
    if (s->readable != NULL)
        event_free(s->readable);
    if (s->writable != NULL)
        event_free(s->writable);
    s->readable = s->writable = NULL;
    if (s->fd >= 0)
        close(s->fd);
    s->fd = -1;
    if (s->reader != NULL)
        redisReaderFree(s->reader);
    s->reader = NULL;
    s->ready_to_read = s->write_blocked = s->unfinished = false;
}

/* ---- TLS ---- */

static ssize_t receive(void *arg, void *buf, size_t len)
{
    const struct redis_socket *s = arg;
    ssize_t n;
    do
        n = read(s->fd, buf, len);
    while (n < 0 && errno == EINTR);
    return n;
}

/* What doesn't go out now, the channel keeps. */
static ssize_t send_some(void *arg, const void *buf, size_t len)
{
    struct redis_socket *s = arg;
    ssize_t n;
    do
        n = send(s->fd, buf, len, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    if (n < (ssize_t)len && (n >= 0 || errno == EAGAIN || errno == EWOULDBLOCK)) {
        int saved = errno;
        s->write_blocked = true;
        event_add(s->writable, NULL);
        errno = saved;
    }
    return n;
}

bool redis_socket_secure(struct redis_socket *s, const struct tls_client *client, const char *host)
{
    s->tls = tls_client_channel(
        client, host, &(struct tls_carrier){.receive = receive, .send = send_some, .arg = s});
    s->ready_to_read = true; /* it is the client who begins */
    return s->tls != NULL;
}

enum redis_socket_handshake redis_socket_shake_hands(struct redis_socket *s, char *why, size_t size)
{
    bool more;
    if (s->tls == NULL)
        return REDIS_SOCKET_SECURED;
    s->ready_to_read = false; /* libevent is level-triggered: it comes again */
    tls_channel_flush(s->tls);
    switch (tls_channel_handshake(s->tls, &more)) {
    case TLS_CHANNEL_DONE:
        s->ready_to_read = true; /* something may have come with it */
        return REDIS_SOCKET_SECURED;
    case TLS_CHANNEL_WAIT:
        return REDIS_SOCKET_WAITS;
    case TLS_CHANNEL_FAILED:
        break;
    }
    tls_channel_failure(s->tls, why, size);
    return REDIS_SOCKET_REFUSED;
}

/* ---- either ---- */

/* *more: the socket may be empty, and there is more all the same. */
static ssize_t read_bytes(struct redis_socket *s, void *buf, size_t len, bool *more)
{
    *more = false;
    return s->tls != NULL ? tls_channel_read(s->tls, buf, len, more) : receive(s, buf, len);
}

static ssize_t send_bytes(struct redis_socket *s, const char *bytes, size_t len)
{
    struct iovec all = {.iov_base = (void *)bytes, .iov_len = len};
    return s->tls != NULL ? tls_channel_writev(s->tls, &all, 1) : send_some(s, bytes, len);
}

static const char *read_error(struct redis_socket *s)
{
    if (s->tls == NULL)
        return strerror(errno);
    return tls_channel_failure(s->tls, s->tls_error, sizeof(s->tls_error));
}

int redis_socket_error(const struct redis_socket *s)
{
    int err = 0;
    socklen_t len = sizeof(err);
    return getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &err, &len) != 0 ? errno : err;
}

bool redis_socket_listen(struct redis_socket *s, bool listen)
{
    return (listen ? event_add(s->readable, NULL) : event_del(s->readable)) == 0;
}

bool redis_socket_is_closed_by_peer(const struct redis_socket *s)
{
    struct pollfd p = {.fd = s->fd, .events = POLLRDHUP};
    return poll(&p, 1, 0) == 1 && (p.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

struct redisReply *redis_socket_keep(struct redis_socket *s)
{
    struct redisReply *reply = s->current;
    s->current = NULL;
    return reply;
}

/* Hands out the replies that are complete, one at least. */
static enum redis_socket_read take_replies(struct redis_socket *s, struct timebox *box,
                                           redis_socket_take_fn *take, void *arg, const char **why)
{
    for (bool over = false;; over = box != NULL && timebox_spend(box, REPLY_US)) {
        void *reply = NULL;
        if (over || s->paused) {
            s->unfinished = true;
            return REDIS_SOCKET_LEFT;
        }
        if (redisReaderGetReply(s->reader, &reply) != REDIS_OK) {
            *why = s->reader->errstr;
            return REDIS_SOCKET_BROKEN;
        }
        if (reply == NULL)
            return REDIS_SOCKET_DRAINED;
        s->current = reply;
        bool goes_on = take(arg, reply);
        freeReplyObject(s->current);
        s->current = NULL;
        if (!goes_on)
            return REDIS_SOCKET_STOPPED;
    }
}

enum redis_socket_read redis_socket_read(struct redis_socket *s, struct timebox *box,
                                         redis_socket_take_fn *take, void *arg, const char **why)
{
    char chunk[READ_CHUNK];
    enum redis_socket_read result = REDIS_SOCKET_DRAINED;
    if (s->unfinished) {
        s->unfinished = false;
        result = take_replies(s, box, take, arg, why);
    }
    if (result != REDIS_SOCKET_DRAINED || !s->ready_to_read)
        return result;
    s->ready_to_read = false;
    for (size_t total = 0; total < READ_BOUND;) {
        bool more;
        ssize_t n = read_bytes(s, chunk, sizeof(chunk), &more);
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return REDIS_SOCKET_DRAINED;
        if (n <= 0) {
            *why = n == 0 ? "closed by Redis" : read_error(s);
            return REDIS_SOCKET_CLOSED;
        }
        total += (size_t)n;
        if (redisReaderFeed(s->reader, chunk, (size_t)n) != REDIS_OK) {
            *why = "out of memory";
            return REDIS_SOCKET_BROKEN;
        }
        result = take_replies(s, box, take, arg, why);
        bool again = more || (size_t)n == sizeof(chunk);
        if (result != REDIS_SOCKET_DRAINED)
            s->ready_to_read = again && s->fd >= 0;
        if (result != REDIS_SOCKET_DRAINED || !again)
            return result;
    }
    /* libevent tells of what is in the socket, and not of what OpenSSL has taken from there already. */
    s->ready_to_read = s->tls != NULL;
    return s->tls != NULL ? REDIS_SOCKET_LEFT : REDIS_SOCKET_DRAINED;
}

ssize_t redis_socket_write(struct redis_socket *s, const char *bytes, size_t len)
{
    size_t done = 0;
    while (done < len) {
        ssize_t n = send_bytes(s, bytes + done, len - done);
        if (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK) {
            s->ready_to_read = true;
            return -1;
        }
        if (n < 0)
            break; /* send_some has noted it */
        done += (size_t)n;
    }
    return (ssize_t)done;
}
