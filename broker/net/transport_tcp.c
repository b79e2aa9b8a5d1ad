/*
 * A client's bytes over a TCP socket: registered with libevent once, edge-triggered in both
 * directions, so that neither reading nor writing costs an epoll_ctl.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/event.h>
#include <event2/event_struct.h>

#include "broker/base/account.h"

#include "broker/net/transport.h"

struct transport_tcp {
    struct transport base; /* first member */
    struct event event;    /* embedded: one allocation per connection */
    evutil_socket_t fd;
};

static struct transport_tcp *tcp_of(struct transport *t)
{
    return (struct transport_tcp *)t;
}

static void on_ready(evutil_socket_t fd, short what, void *arg)
{
    struct transport *t = arg;
    (void)fd;
    unsigned ready = 0;
    if (what & EV_READ)
        ready |= TRANSPORT_READABLE;
    if (what & EV_WRITE)
        ready |= TRANSPORT_WRITABLE;
    if (what & EV_CLOSED)
        ready |= TRANSPORT_READABLE | TRANSPORT_EOF;
    t->ready(t->arg, ready);
}

static bool tcp_start(struct transport *t)
{
    return event_add(&tcp_of(t)->event, NULL) == 0;
}

static ssize_t tcp_read(struct transport *t, void *buf, size_t len)
{
    ssize_t n;
    do
        n = recv(tcp_of(t)->fd, buf, len, 0);
    while (n < 0 && errno == EINTR);
    return n;
}

static ssize_t tcp_writev(struct transport *t, const struct iovec *iov, int count)
{
    int fd = tcp_of(t)->fd;
    ssize_t n;
    do {
        if (count == 1) {
            n = send(fd, iov[0].iov_base, iov[0].iov_len, MSG_NOSIGNAL);
        } else {
            struct msghdr message = {.msg_iov = (struct iovec *)iov, .msg_iovlen = (size_t)count};
            n = sendmsg(fd, &message, MSG_NOSIGNAL);
        }
    } while (n < 0 && errno == EINTR);
    return n;
}

/* Takes what the peer sent already off the socket: closing with unread bytes would reset the
 * connection and might destroy our last answer on its way. */
static void tcp_finish(struct transport *t, bool going_away)
{
    char sink[4096];
    (void)going_away;
    shutdown(tcp_of(t)->fd, SHUT_WR);
    for (int i = 0; i < 16 && tcp_read(t, sink, sizeof(sink)) > 0; i++)
        ;
}

static void tcp_free(struct transport *t)
{
    struct transport_tcp *tcp = tcp_of(t);
    if (event_initialized(&tcp->event))
        event_del(&tcp->event); /* out of epoll before it is closed */
    close(tcp->fd);
    account_free(ACCOUNT_CLIENTS, tcp);
}

static uint32_t tcp_silent_ms(struct transport *t)
{
    struct tcp_info info = {0};
    socklen_t len = sizeof(info);
    if (getsockopt(tcp_of(t)->fd, IPPROTO_TCP, TCP_INFO, &info, &len) != 0)
        return 0;
    return info.tcpi_last_data_recv;
}

static const struct transport_ops tcp_ops = {
    .start = tcp_start,
    .read = tcp_read,
    .writev = tcp_writev,
    .finish = tcp_finish,
    .free = tcp_free,
    .silent_ms = tcp_silent_ms,
};

struct transport *transport_tcp_new(struct event_base *base, int fd, const struct peer *peer)
{
    struct transport_tcp *tcp = account_zalloc(ACCOUNT_CLIENTS, sizeof(*tcp));
    if (tcp == NULL) {
        close(fd);
        return NULL;
    }
    tcp->base.ops = &tcp_ops;
    tcp->base.peer = *peer;
    tcp->fd = fd;
    event_assign(&tcp->event, base, fd, EV_READ | EV_WRITE | EV_CLOSED | EV_ET | EV_PERSIST,
                 on_ready, tcp);
    return &tcp->base;
}
