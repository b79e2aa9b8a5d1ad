/*
 * From a socket that is ready to accept to clients (client.c).
 */
#include "broker/listener.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/event.h>

#include "broker/client.h"
#include "common/log.h"

enum {
    ACCEPTS_PER_TURN = 64,
    BACKLOG = 4096,
    OUT_OF_FILES_PAUSE_MS = 100,
    KEEPALIVE_IDLE_S = 60,
    KEEPALIVE_INTERVAL_S = 20,
    KEEPALIVE_COUNT = 3,
};

struct listener {
    struct broker *broker;
    const struct listener_config *config;
    struct network *trusted;
    size_t trusted_count;
    uint32_t clients;
    evutil_socket_t fd;
    struct event *accept_event;
    struct event *retry; /* after running out of file descriptors */
};

/* ---- accepting ------------------------------------------------------------------------------- */

static bool is_trusted(const struct listener *l, const struct peer *p)
{
    for (size_t i = 0; i < l->trusted_count; i++)
        if (network_contains(&l->trusted[i], p))
            return true;
    return false;
}

/* NULL: there is room for one more. Else what forbids it. */
static const char *full_by(const struct listener *l)
{
    const struct broker *b = l->broker;
    if (l->clients >= l->config->max_connections ||
        b->client_count >= b->config->limits.max_connections)
        return "max_connections";
    return b->client_count >= b->client_limit ? "file descriptors" : NULL;
}

static void admit(struct listener *l, int fd, const struct sockaddr_storage *address)
{
    struct broker *b = l->broker;
    struct peer peer = peer_from_sockaddr((const struct sockaddr *)address);
    bool trusted = is_trusted(l, &peer);
    char text[PEER_TEXT_MAX];
    b->stats.connections++;
    const char *full = full_by(l);
    if (full != NULL) {
        b->stats.refused[REFUSED_CONNECTIONS]++;
        LOG_LIMITED(LOG_LEVEL_WARN, "connection_refused", KV_STR("listener", l->config->bind),
                    KV_STR("peer", peer_text(&peer, text)), KV_STR("reason", full));
        close(fd);
        return;
    }
    if (l->config->proxy_protocol == PROXY_MODE_REQUIRE && !trusted) {
        b->stats.ended[END_PROXY]++;
        LOG_LIMITED(LOG_LEVEL_WARN, "connection_refused", KV_STR("listener", l->config->bind),
                    KV_STR("peer", peer_text(&peer, text)),
                    KV_STR("reason", "not a trusted proxy"));
        close(fd);
        return;
    }
    struct transport *t = transport_tcp_new(b->base, fd, &peer);
    if (t == NULL)
        return;
    bool wants_proxy = trusted && l->config->proxy_protocol != PROXY_MODE_OFF;
    if (client_new(b, l, t, trusted, wants_proxy) != NULL)
        l->clients++;
}

static void pause_accepting(struct listener *l)
{
    struct timeval later = {.tv_usec = OUT_OF_FILES_PAUSE_MS * 1000};
    LOG_LIMITED(LOG_LEVEL_ERROR, "accept_failed", KV_STR("listener", l->config->bind),
                KV_STR("err", strerror(errno)));
    event_del(l->accept_event);
    event_add(l->retry, &later);
}

static void on_accept_ready(evutil_socket_t fd, short what, void *arg)
{
    struct listener *l = arg;
    (void)what;
    for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
        struct sockaddr_storage address;
        socklen_t len = sizeof(address);
        int client = accept4(fd, (struct sockaddr *)&address, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (client >= 0) {
            admit(l, client, &address);
            continue;
        }
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
            pause_accepting(l);
        else if (errno == ECONNABORTED || errno == EINTR)
            continue;
        return;
    }
}

static void on_retry(evutil_socket_t fd, short what, void *arg)
{
    struct listener *l = arg;
    (void)fd;
    (void)what;
    event_add(l->accept_event, NULL);
}

/* ---- making ---------------------------------------------------------------------------------- */

/* Splits "host:port", "[v6]:port" or "*:port". The host is "" for any. */
static bool split_bind(const char *bind, char host[256], const char **port)
{
    const char *colon = strrchr(bind, ':');
    if (colon == NULL || (size_t)(colon - bind) >= 256)
        return false;
    size_t len = (size_t)(colon - bind);
    memcpy(host, bind, len);
    host[len] = '\0';
    if (host[0] == '[' && len >= 2 && host[len - 1] == ']') {
        memmove(host, host + 1, len - 2);
        host[len - 2] = '\0';
    }
    if (strcmp(host, "*") == 0)
        host[0] = '\0';
    *port = colon + 1;
    return true;
}

static struct addrinfo *resolve(const char *bind)
{
    char host[256];
    const char *port;
    struct addrinfo *found = NULL;
    struct addrinfo hints = {.ai_family = AF_UNSPEC,
                             .ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    if (!split_bind(bind, host, &port))
        return NULL;
    if (getaddrinfo(host[0] != '\0' ? host : NULL, port, &hints, &found) != 0)
        return NULL;
    return found;
}

bool listener_is_loopback(const char *bind)
{
    struct network v4;
    struct network v6;
    network_parse("127.0.0.0/8", &v4);
    network_parse("::1", &v6);
    struct addrinfo *found = resolve(bind);
    if (found == NULL)
        return false;
    bool loopback = true;
    for (struct addrinfo *a = found; a != NULL; a = a->ai_next) {
        struct peer p = peer_from_sockaddr(a->ai_addr);
        loopback = loopback && (network_contains(&v4, &p) || network_contains(&v6, &p));
    }
    freeaddrinfo(found);
    return loopback;
}

/* Accepted sockets inherit these. A peer that a lost network took away is noticed after
 * KEEPALIVE_IDLE_S + KEEPALIVE_COUNT × KEEPALIVE_INTERVAL_S, whether it was silent (probes) or had
 * something to acknowledge (user timeout: else the kernel repeats for a quarter of an hour). Failing
 * here costs a late notice, not the connection. */
static void tune(int fd)
{
    static const struct {
        int level, option, value;
    } options[] = {
        {IPPROTO_TCP, TCP_NODELAY, 1},
        {SOL_SOCKET, SO_KEEPALIVE, 1},
        {IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_IDLE_S},
        {IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_INTERVAL_S},
        {IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_COUNT},
        {IPPROTO_TCP, TCP_USER_TIMEOUT,
         (KEEPALIVE_IDLE_S + KEEPALIVE_COUNT * KEEPALIVE_INTERVAL_S) * 1000},
    };
    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
        (void)setsockopt(fd, options[i].level, options[i].option, &options[i].value, sizeof(int));
}

static int listen_on(const struct addrinfo *a)
{
    int on = 1;
    int off = 0;
    int fd = socket(a->ai_family, a->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, a->ai_protocol);
    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    tune(fd);
    if (a->ai_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
    if (bind(fd, a->ai_addr, a->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    int saved = errno;
    close(fd);
    errno = saved;
    return -1;
}

static bool parse_trusted(struct listener *l)
{
    const struct config_strings *list = &l->config->trusted_proxies;
    l->trusted = calloc(list->count + 1, sizeof(*l->trusted));
    if (l->trusted == NULL)
        return false;
    for (size_t i = 0; i < list->count; i++)
        if (!network_parse(list->items[i], &l->trusted[l->trusted_count++]))
            return false; /* the configuration's check has let it through: can't be */
    return true;
}

struct listener *listener_new(struct broker *b, const struct listener_config *config, char *err,
                              size_t errlen)
{
    snprintf(err, errlen, "%s: out of memory", config->bind);
    struct listener *l = calloc(1, sizeof(*l));
    if (l == NULL)
        return NULL;
    l->broker = b;
    l->config = config;
    l->fd = -1;
    if (!parse_trusted(l))
        goto fail;
    struct addrinfo *found = resolve(config->bind);
    if (found == NULL) {
        snprintf(err, errlen, "%s: not an address of this host", config->bind);
        goto fail;
    }
    for (struct addrinfo *a = found; a != NULL && l->fd < 0; a = a->ai_next)
        l->fd = listen_on(a);
    freeaddrinfo(found);
    if (l->fd < 0) {
        snprintf(err, errlen, "%s: can't listen: %s", config->bind, strerror(errno));
        goto fail;
    }
    l->accept_event = event_new(b->base, l->fd, EV_READ | EV_PERSIST, on_accept_ready, l);
    l->retry = event_new(b->base, -1, 0, on_retry, l);
    if (l->accept_event == NULL || l->retry == NULL || event_add(l->accept_event, NULL) != 0)
        goto fail;
    return l;
fail:
    listener_free(l);
    return NULL;
}

void listener_stop(struct listener *l)
{
    if (l->accept_event != NULL)
        event_free(l->accept_event);
    if (l->retry != NULL)
        event_free(l->retry);
    l->accept_event = NULL;
    l->retry = NULL;
    if (l->fd >= 0)
        close(l->fd);
    l->fd = -1;
}

void listener_free(struct listener *l)
{
    if (l == NULL)
        return;
    listener_stop(l);
    free(l->trusted);
    free(l);
}

bool listener_requires_proxy(const struct listener *l)
{
    return l->config->proxy_protocol == PROXY_MODE_REQUIRE;
}

void listener_client_gone(struct listener *l)
{
    l->clients--;
}
