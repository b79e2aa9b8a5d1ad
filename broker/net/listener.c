/*
 * From a socket that is ready to accept to connections; admission.c makes clients of them.
 */
#include "broker/net/listener.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/event.h>

#include "broker/base/broker_config.h"
#include "common/log/log.h"
#include "common/net/bind_address.h"
#include "common/net/peer.h"

enum {
    ACCEPTS_PER_TURN = 64,
    BACKLOG = 4096,
    OUT_OF_FILES_PAUSE_MS = 100,
    KEEPALIVE_IDLE_S = 60,
    KEEPALIVE_INTERVAL_S = 20,
    KEEPALIVE_COUNT = 3,
};

struct listener {
    struct listener_owner owner;
    const struct listener_config *config;
    struct network *trusted;
    size_t trusted_count;
    uint32_t clients;
    struct listening { /* one for each address */
        evutil_socket_t fd;
        struct event *accept_event;
    } listening[BIND_ADDRESSES_MAX];
    size_t listening_count;
    struct event *retry; /* after running out of file descriptors */
};

/* ---- accepting ------------------------------------------------------------------------------- */

static void pause_accepting(struct listener *l)
{
    struct timeval later = {.tv_usec = OUT_OF_FILES_PAUSE_MS * 1000};
    LOG_LIMITED(LOG_LEVEL_ERROR, "accept_failed", KV_STR("listener", l->config->bind),
                KV_STR("err", strerror(errno)));
    for (size_t i = 0; i < l->listening_count; i++)
        event_del(l->listening[i].accept_event);
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
            struct peer peer = peer_from_sockaddr((const struct sockaddr *)&address);
            l->owner.accepted(l->owner.arg, l, client, &peer);
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
    for (size_t i = 0; i < l->listening_count; i++)
        event_add(l->listening[i].accept_event, NULL);
}

/* ---- making ---------------------------------------------------------------------------------- */

bool listener_is_loopback(const char *bind)
{
    struct network v4;
    struct network v6;
    network_parse("127.0.0.0/8", &v4);
    network_parse("::1", &v6);
    struct bind_addresses found;
    if (!bind_resolve(bind, &found))
        return false;
    bool loopback = true;
    for (size_t i = 0; i < found.count; i++) {
        struct peer p = peer_from_sockaddr((const struct sockaddr *)&found.items[i].addr);
        loopback = loopback && (network_contains(&v4, &p) || network_contains(&v6, &p));
    }
    return loopback;
}

/* Accepted sockets inherit these. A peer whose network is gone is noticed after KEEPALIVE_IDLE_S +
 * KEEPALIVE_COUNT × KEEPALIVE_INTERVAL_S, whether it was silent (probes) or had something to
 * acknowledge (user timeout; otherwise the kernel retries for a quarter of an hour). If a call
 * fails here, such a peer is noticed later; the connection works. */
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

/* One more socket; false with errno. */
static bool bind_one(struct listener *l, const struct bind_address *address)
{
    struct listening *at = &l->listening[l->listening_count];
    at->fd = bind_open(address);
    if (at->fd < 0)
        return false;
    l->listening_count++;
    tune(at->fd);
    at->accept_event = event_new(l->owner.base, at->fd, EV_READ | EV_PERSIST, on_accept_ready, l);
    return at->accept_event != NULL;
}

/* On all addresses that are meant: *:port and localhost:port are one of each family. */
static bool bind_all(struct listener *l, const struct bind_addresses *found)
{
    for (size_t i = 0; i < found->count; i++)
        if (!bind_one(l, &found->items[i]))
            return false;
    return true;
}

static bool parse_trusted(struct listener *l)
{
    const struct config_strings *list = &l->config->trusted_proxies;
    l->trusted = calloc(list->count + 1, sizeof(*l->trusted));
    if (l->trusted == NULL)
        return false;
    for (size_t i = 0; i < list->count; i++)
        if (!network_parse(list->items[i], &l->trusted[l->trusted_count++]))
            return false; /* can't happen: the configuration's check refuses such an address */
    return true;
}

static void say_failed(const struct listener *l, char *err, size_t errlen)
{
    snprintf(err, errlen, "%s: can't listen: %s", l->config->bind, strerror(errno));
}

struct listener *listener_new(const struct listener_owner *owner,
                              const struct listener_config *config, char *err, size_t errlen)
{
    snprintf(err, errlen, "%s: out of memory", config->bind);
    struct listener *l = calloc(1, sizeof(*l));
    if (l == NULL)
        return NULL;
    l->owner = *owner;
    l->config = config;
    l->retry = event_new(owner->base, -1, 0, on_retry, l);
    if (!parse_trusted(l) || l->retry == NULL)
        goto fail;
    struct bind_addresses found;
    if (!bind_resolve(config->bind, &found)) {
        snprintf(err, errlen, "%s: not an address of this host", config->bind);
        goto fail;
    }
    bind_drop_missing(&found);
    if (!bind_all(l, &found)) {
        say_failed(l, err, errlen);
        goto fail;
    }
    return l;
fail:
    listener_free(l);
    return NULL;
}

bool listener_open(struct listener *l, char *err, size_t errlen)
{
    for (size_t i = 0; i < l->listening_count; i++) {
        if (listen(l->listening[i].fd, BACKLOG) == 0 &&
            event_add(l->listening[i].accept_event, NULL) == 0)
            continue;
        say_failed(l, err, errlen);
        return false;
    }
    return true;
}

void listener_stop(struct listener *l)
{
    for (size_t i = 0; i < l->listening_count; i++) {
        if (l->listening[i].accept_event != NULL)
            event_free(l->listening[i].accept_event);
        close(l->listening[i].fd);
    }
    l->listening_count = 0;
    if (l->retry != NULL)
        event_free(l->retry);
    l->retry = NULL;
}

void listener_free(struct listener *l)
{
    if (l == NULL)
        return;
    listener_stop(l);
    free(l->trusted);
    free(l);
}

const struct listener_config *listener_config(const struct listener *l)
{
    return l->config;
}

bool listener_trusts(const struct listener *l, const struct peer *p)
{
    for (size_t i = 0; i < l->trusted_count; i++)
        if (network_contains(&l->trusted[i], p))
            return true;
    return false;
}

bool listener_is_full(const struct listener *l)
{
    return l->clients >= l->config->max_connections;
}

void listener_client_came(struct listener *l)
{
    l->clients++;
}

void listener_client_gone(struct listener *l)
{
    l->clients--;
}
