/*
 * read and send around hiredis' parser.
 */
#include "common/redis/redis_socket.h"

#include <errno.h>
#include <event2/event.h>
#include <hiredis/hiredis.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/timebox.h"

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
        ssize_t n = read(s->fd, chunk, sizeof(chunk));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return REDIS_SOCKET_DRAINED;
        if (n <= 0) {
            *why = n == 0 ? "closed by Redis" : strerror(errno);
            return REDIS_SOCKET_CLOSED;
        }
        total += (size_t)n;
        if (redisReaderFeed(s->reader, chunk, (size_t)n) != REDIS_OK) {
            *why = "out of memory";
            return REDIS_SOCKET_BROKEN;
        }
        result = take_replies(s, box, take, arg, why);
        if (result != REDIS_SOCKET_DRAINED)
            s->ready_to_read = (size_t)n == sizeof(chunk) && s->fd >= 0;
        if (result != REDIS_SOCKET_DRAINED || (size_t)n < sizeof(chunk))
            return result;
    }
    return REDIS_SOCKET_DRAINED;
}

ssize_t redis_socket_write(struct redis_socket *s, const char *bytes, size_t len)
{
    size_t done = 0;
    while (done < len) {
        ssize_t n = send(s->fd, bytes + done, len - done, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK) {
            s->ready_to_read = true;
            return -1;
        }
        if (n < 0) {
            s->write_blocked = true;
            event_add(s->writable, NULL);
            break;
        }
        done += (size_t)n;
    }
    return (ssize_t)done;
}
