/*
 * Runs on the control thread, but for the counters.
 */
#include "lb/worker/listener.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const int keepalive_idle_s = 60;
static const int keepalive_interval_s = 20;
static const int keepalive_probes = 3;

static in_port_t *port_of(struct sockaddr_storage *addr)
{
    return addr->ss_family == AF_INET6 ? &((struct sockaddr_in6 *)addr)->sin6_port
                                       : &((struct sockaddr_in *)addr)->sin_port;
}

/* A peer that vanished is noticed after two minutes of silence. If a call fails here, latency is
 * higher or such a peer is noticed later; the connection works. */
static void tune_socket(int fd)
{
    static const int on = 1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &keepalive_idle_s, sizeof(int));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &keepalive_interval_s, sizeof(int));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &keepalive_probes, sizeof(int));
}

void listener_tune_server_socket(int fd)
{
    static const int off = 0;
    tune_socket(fd);
    /* The handshake's last ACK waits for the client's first bytes, which are on their way. */
    (void)setsockopt(fd, IPPROTO_TCP, TCP_QUICKACK, &off, sizeof(off));
}

void listener_hurry_server_socket(int fd)
{
    static const int on = 1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof(on));
}

/* A bound socket, or -1. */
static int bind_socket(const struct sockaddr_storage *addr, socklen_t addrlen, bool shared)
{
    static const int on = 1;
    int fd = socket(addr->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    bool ok = setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
              (!shared || setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) == 0);
    if (ok && addr->ss_family == AF_INET6) /* so that 0.0.0.0 and [::] can be configured together */
        ok = setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) == 0;
    if (ok && bind(fd, (const struct sockaddr *)addr, addrlen) == 0)
        return fd;
    int saved = errno;
    close(fd);
    errno = saved;
    return -1;
}

/* SO_REUSEPORT would quietly share the address with another process of the same user, and take
 * half of its connections. A socket that doesn't share finds out. */
static bool address_is_free(const struct listener *l)
{
    int fd = bind_socket(&l->bound, l->addrlen, false);
    if (fd < 0)
        return false;
    bool ok = listen(fd, 1) == 0;
    int saved = errno;
    close(fd);
    errno = saved;
    return ok;
}

/* Opens one more socket; the first one of port 0 decides the port for all. */
static int open_socket(struct listener *l, int backlog)
{
    socklen_t len = sizeof(l->bound);
    int fd = bind_socket(&l->bound, l->addrlen, true);
    if (fd < 0)
        return -1;
    tune_socket(fd); /* accepted ones inherit it */
    if (getsockname(fd, (struct sockaddr *)&l->bound, &len) == 0 && listen(fd, backlog) == 0)
        return fd;
    int saved = errno;
    close(fd);
    errno = saved;
    return -1;
}

static bool open_sockets(struct listener *l, int backlog, int *fds, unsigned count)
{
    if (*port_of(&l->bound) != 0 && !address_is_free(l))
        return false;
    for (unsigned i = 0; i < count; i++) {
        fds[i] = open_socket(l, backlog);
        if (fds[i] >= 0)
            continue;
        int saved = errno;
        while (i-- > 0)
            close(fds[i]);
        errno = saved;
        return false;
    }
    return true;
}

static bool is_wildcard(const struct sockaddr_storage *addr)
{
    if (addr->ss_family == AF_INET6)
        return IN6_IS_ADDR_UNSPECIFIED(&((const struct sockaddr_in6 *)addr)->sin6_addr);
    return ((const struct sockaddr_in *)addr)->sin_addr.s_addr == htonl(INADDR_ANY);
}

struct listener *listener_open(const struct sockaddr_storage *addr, socklen_t addrlen, int backlog,
                               int *fds, unsigned count, char *err, size_t errlen)
{
    struct listener *l = calloc(1, sizeof(*l));
    if (l == NULL) {
        snprintf(err, errlen, "out of memory");
        return NULL;
    }
    atomic_init(&l->refs, 1);
    l->addr = l->bound = *addr;
    l->addrlen = addrlen;
    l->is_wildcard = is_wildcard(addr);
    l->counts = l;
    if (!open_sockets(l, backlog, fds, count)) {
        snprintf(err, errlen, "%s", strerror(errno));
        free(l);
        return NULL;
    }
    return l;
}

struct listener *listener_ref(struct listener *l)
{
    atomic_fetch_add_explicit(&l->refs, 1, memory_order_relaxed);
    return l;
}

void listener_unref(struct listener *l)
{
    if (l == NULL || atomic_fetch_sub_explicit(&l->refs, 1, memory_order_acq_rel) != 1)
        return;
    if (l->counts != l)
        listener_unref(l->counts);
    free(l);
}

void listener_join(struct listener *l, struct listener *first)
{
    l->counts = listener_ref(first->counts);
}

bool listener_reserve(struct listener *l, unsigned limit)
{
    unsigned before = atomic_fetch_add_explicit(&l->counts->flows, 1, memory_order_relaxed);
    if (limit == 0 || before < limit)
        return true;
    listener_release(l);
    return false;
}

void listener_release(struct listener *l)
{
    atomic_fetch_sub_explicit(&l->counts->flows, 1, memory_order_relaxed);
}

bool listener_has_address(const struct listener *l, const struct sockaddr_storage *addr)
{
    if (l->addr.ss_family != addr->ss_family)
        return false;
    if (addr->ss_family == AF_INET6) {
        const struct sockaddr_in6 *a = (const struct sockaddr_in6 *)&l->addr;
        const struct sockaddr_in6 *b = (const struct sockaddr_in6 *)addr;
        return a->sin6_port == b->sin6_port && a->sin6_scope_id == b->sin6_scope_id &&
               memcmp(&a->sin6_addr, &b->sin6_addr, sizeof(a->sin6_addr)) == 0;
    }
    const struct sockaddr_in *a = (const struct sockaddr_in *)&l->addr;
    const struct sockaddr_in *b = (const struct sockaddr_in *)addr;
    return a->sin_port == b->sin_port && a->sin_addr.s_addr == b->sin_addr.s_addr;
}

unsigned listener_port(const struct listener *l)
{
    struct sockaddr_storage bound = l->bound;
    return ntohs(*port_of(&bound));
}
