/*
 * discovery.c asks; this opens sockets, waits for them and keeps c-ares' time.
 */
#include "lb/discovery/dns_channel.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <netdb.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "lb/health/own_trouble.h"

static void note(struct dns_channel *c, int err)
{
    if (is_own_trouble(err) && c->own_errno == 0)
        c->own_errno = err;
}

/* ---- what c-ares does with sockets ---- */

static ares_socket_t open_socket(int domain, int type, int protocol, void *arg)
{
    int fd = socket(domain, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);
    if (fd < 0)
        note(arg, errno);
    return fd;
}

static int close_socket(ares_socket_t fd, void *arg)
{
    (void)arg;
    return close(fd);
}

static int connect_socket(ares_socket_t fd, const struct sockaddr *addr, ares_socklen_t len,
                          void *arg)
{
    int result = connect(fd, addr, len);
    if (result != 0) {
        int saved = errno;
        note(arg, saved);
        errno = saved;
    }
    return result;
}

static ares_ssize_t receive(ares_socket_t fd, void *buf, size_t len, int flags,
                            struct sockaddr *from, ares_socklen_t *from_len, void *arg)
{
    (void)arg;
    return recvfrom(fd, buf, len, flags, from, from_len);
}

/* A full buffer of a TCP socket (EAGAIN) is no trouble: it is sent when there is room. */
static ares_ssize_t send_all(ares_socket_t fd, const struct iovec *parts, int count, void *arg)
{
    ares_ssize_t n = writev(fd, parts, count);
    if (n < 0 && errno != EAGAIN) {
        int saved = errno;
        note(arg, saved);
        errno = saved;
    }
    return n;
}

static const struct ares_socket_functions socket_functions = {
    .asocket = open_socket,
    .aclose = close_socket,
    .aconnect = connect_socket,
    .arecvfrom = receive,
    .asendv = send_all,
};

/* ---- waiting ---- */

void dns_channel_rearm(struct dns_channel *c)
{
    struct timeval tv;
    if (c->ares == NULL || ares_timeout(c->ares, NULL, &tv) == NULL) /* nothing is asked */
        event_del(c->timer);
    else
        event_add(c->timer, &tv);
}

static void process(struct dns_channel *c, ares_socket_t readable, ares_socket_t writable)
{
    ares_process_fd(c->ares, readable, writable);
    dns_channel_rearm(c);
}

static void on_socket(evutil_socket_t fd, short what, void *arg)
{
    process(arg, what & EV_READ ? fd : ARES_SOCKET_BAD, what & EV_WRITE ? fd : ARES_SOCKET_BAD);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    process(arg, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
}

static struct dns_socket *find_socket(struct dns_channel *c, ares_socket_t fd)
{
    for (size_t i = 0; i < DNS_SOCKETS_MAX; i++)
        if (c->sockets[i].event != NULL && c->sockets[i].fd == fd)
            return &c->sockets[i];
    return NULL;
}

static struct dns_socket *free_socket(struct dns_channel *c)
{
    for (size_t i = 0; i < DNS_SOCKETS_MAX; i++)
        if (c->sockets[i].event == NULL)
            return &c->sockets[i];
    return NULL;
}

/* c-ares opens, changes or (nothing wanted) closes one of its sockets. */
static void on_socket_state(void *arg, ares_socket_t fd, int readable, int writable)
{
    struct dns_channel *c = arg;
    struct dns_socket *s = find_socket(c, fd);
    if (s != NULL) {
        event_free(s->event);
        s->event = NULL;
    }
    if (!readable && !writable)
        return;
    s = free_socket(c);
    if (s == NULL)
        return; /* more name servers than anybody has: that one will time out */
    short what = (short)((readable ? EV_READ : 0) | (writable ? EV_WRITE : 0) | EV_PERSIST);
    s->fd = fd;
    s->event = event_new(c->base, fd, what, on_socket, c);
    if (s->event == NULL || event_add(s->event, NULL) != 0)
        note(c, ENOMEM);
}

/* ---- a question's channel ---- */

bool dns_channel_init(struct dns_channel *c, struct event_base *base)
{
    *c = (struct dns_channel){.base = base};
    c->timer = event_new(base, -1, 0, on_timer, c);
    return c->timer != NULL;
}

static void close_channel(struct dns_channel *c)
{
    if (c->ares != NULL)
        ares_destroy(c->ares);
    c->ares = NULL;
}

void dns_channel_fini(struct dns_channel *c)
{
    close_channel(c);
    if (c->timer != NULL)
        event_free(c->timer);
    c->timer = NULL;
}

bool dns_channel_lacks(struct dns_channel *c)
{
    if (c->own_errno != 0)
        return true;
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        note(c, errno);
    else
        close(fd);
    return c->own_errno != 0;
}

int dns_channel_open(struct dns_channel *c, const char *resolver, uint64_t timeout_ms)
{
    struct ares_options options = {
        .timeout = (int)timeout_ms,
        .tries = DNS_TRIES,
        .sock_state_cb = on_socket_state,
        .sock_state_cb_data = c,
    };
    close_channel(c);
    c->own_errno = 0;
    /* Without a descriptor for resolv.conf c-ares would ask 127.0.0.1. */
    if (dns_channel_lacks(c))
        return ARES_EFILE;
    int status = ares_init_options(&c->ares, &options,
                                   ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB);
    if (status != ARES_SUCCESS)
        return status;
    ares_set_socket_functions(c->ares, &socket_functions, c);
    return resolver == NULL ? ARES_SUCCESS : ares_set_servers_ports_csv(c->ares, resolver);
}

static bool is_in_hosts(struct dns_channel *c, const char *host, int family)
{
    struct hostent *entry = NULL;
    if (ares_gethostbyname_file(c->ares, host, family, &entry) != ARES_SUCCESS)
        return false;
    ares_free_hostent(entry);
    return true;
}

bool dns_channel_knows(struct dns_channel *c, const char *host)
{
    struct in6_addr address; /* large enough for both families */
    return inet_pton(AF_INET, host, &address) == 1 || inet_pton(AF_INET6, host, &address) == 1 ||
           is_in_hosts(c, host, AF_INET) || is_in_hosts(c, host, AF_INET6);
}
