/*
 * The asking half of DNS discovery. Each question gets a channel of its own: c-ares reads
 * resolv.conf and hosts when a channel is made, so a changed file is noticed, and no state of an
 * earlier failure is carried along. A question is one getaddrinfo, or one SRV query and then a
 * getaddrinfo for each target.
 */
#include "lb/discovery.h"

#include <ares.h>
#include <arpa/nameser.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "lb/address.h"

#define FOUND_MAX 1024u
#define SOCKETS_MAX 16u
#define TRIES 2

struct dns_socket {
    ares_socket_t fd;
    struct event *event; /* NULL: free */
};

struct discovery {
    char *backend;
    struct event_base *base;
    const struct discover_config *config;
    discovery_fn *fn;
    void *arg;
    struct discovery_memory memory;
    bool in_trouble;          /* logged, and not over yet */
    bool closing, discarding; /* what lookups bring now doesn't count */
    ares_channel channel;     /* of the last question; NULL before the first */
    struct dns_socket sockets[SOCKETS_MAX];
    struct event *refresh_timer;  /* the next question */
    struct event *cares_timer;    /* what c-ares waits for */
    struct event *deadline_timer; /* bounds the question */
    /* the question under way */
    unsigned pending; /* lookups not answered */
    int error;        /* of the last lookup that failed; ARES_SUCCESS */
    bool incomplete;  /* some lookup failed in a way that leaves its addresses unknown */
    size_t count;
    struct discovered found[FOUND_MAX];
};

/* One getaddrinfo under way: what its addresses are completed with. */
struct lookup {
    struct discovery *d;
    uint16_t port;
    unsigned weight;
};

static void start_timer(struct event *timer, uint64_t ms)
{
    struct timeval tv = {.tv_sec = (time_t)(ms / 1000), .tv_usec = (suseconds_t)(ms % 1000 * 1000)};
    event_add(timer, &tv);
}

/* ---- c-ares on libevent ---- */

static void rearm_cares_timer(struct discovery *d)
{
    struct timeval tv;
    if (d->pending == 0 || ares_timeout(d->channel, NULL, &tv) == NULL)
        event_del(d->cares_timer);
    else
        event_add(d->cares_timer, &tv);
}

static void on_socket(evutil_socket_t fd, short what, void *arg)
{
    struct discovery *d = arg;
    ares_process_fd(d->channel, what & EV_READ ? fd : ARES_SOCKET_BAD,
                    what & EV_WRITE ? fd : ARES_SOCKET_BAD);
    rearm_cares_timer(d);
}

static void on_cares_timer(evutil_socket_t fd, short what, void *arg)
{
    struct discovery *d = arg;
    (void)fd;
    (void)what;
    ares_process_fd(d->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    rearm_cares_timer(d);
}

static struct dns_socket *find_socket(struct discovery *d, ares_socket_t fd)
{
    for (size_t i = 0; i < SOCKETS_MAX; i++)
        if (d->sockets[i].event != NULL && d->sockets[i].fd == fd)
            return &d->sockets[i];
    return NULL;
}

static struct dns_socket *free_socket(struct discovery *d)
{
    for (size_t i = 0; i < SOCKETS_MAX; i++)
        if (d->sockets[i].event == NULL)
            return &d->sockets[i];
    return NULL;
}

/* c-ares opens, changes or (nothing wanted) closes one of its sockets. */
static void on_socket_state(void *arg, ares_socket_t fd, int readable, int writable)
{
    struct discovery *d = arg;
    struct dns_socket *s = find_socket(d, fd);
    if (s != NULL) {
        event_free(s->event);
        s->event = NULL;
    }
    if (!readable && !writable)
        return;
    s = free_socket(d);
    if (s == NULL)
        return; /* more name servers than anybody has: that one will time out */
    short what = (short)((readable ? EV_READ : 0) | (writable ? EV_WRITE : 0) | EV_PERSIST);
    s->fd = fd;
    s->event = event_new(d->base, fd, what, on_socket, d);
    if (s->event != NULL)
        event_add(s->event, NULL);
}

/* ---- one question ---- */

static void log_trouble(struct discovery *d, bool good)
{
    if (good == !d->in_trouble)
        return;
    d->in_trouble = !good;
    if (good)
        LOG_INFO("discovery_recovered", KV_STR("backend", d->backend),
                 KV_STR("dns", d->config->dns), KV_UINT("addresses", d->count));
    else
        LOG_WARN("discovery_failed", KV_STR("backend", d->backend), KV_STR("dns", d->config->dns),
                 KV_STR("err", d->error == ARES_SUCCESS ? "no addresses" : ares_strerror(d->error)),
                 KV_UINT("held_ms", d->config->hold_ms));
}

static void finish(struct discovery *d)
{
    event_del(d->deadline_timer);
    start_timer(d->refresh_timer, d->config->refresh_ms);
    if (d->discarding)
        return;
    d->count = discovery_normalize(d->found, d->count);
    /* Part of a set is better than none, but no reason to drain what is missing from it. */
    bool good = d->count > 0 && (!d->incomplete || !d->memory.has_good);
    log_trouble(d, good);
    switch (discovery_judge(&d->memory, good, d->count, clock_monotonic_ms(), d->config->hold_ms)) {
    case DISCOVERY_KEEP:
        return;
    case DISCOVERY_REPLACE:
        d->fn(d->found, d->count, d->arg);
        return;
    case DISCOVERY_EXPIRE:
        LOG_WARN("discovery_expired", KV_STR("backend", d->backend), KV_STR("dns", d->config->dns),
                 KV_UINT("held_ms", d->config->hold_ms));
        d->fn(d->found, 0, d->arg);
        return;
    }
}

static void lookup_done(struct discovery *d, int status)
{
    if (status != ARES_SUCCESS)
        d->error = status;
    if (status != ARES_SUCCESS && status != ARES_ENOTFOUND && status != ARES_ENODATA)
        d->incomplete = true;
    d->pending--;
    if (d->pending == 0 && !d->closing)
        finish(d);
}

static void add_found(struct lookup *l, const struct sockaddr *addr, socklen_t len)
{
    struct discovery *d = l->d;
    if (d->count == FOUND_MAX || len > sizeof(d->found[0].addr) ||
        (addr->sa_family != AF_INET && addr->sa_family != AF_INET6))
        return;
    struct discovered *f = &d->found[d->count++];
    *f = (struct discovered){.addrlen = len, .weight = l->weight};
    memcpy(&f->addr, addr, len);
    lb_address_set_port(&f->addr, l->port);
}

static void on_addresses(void *arg, int status, int timeouts, struct ares_addrinfo *result)
{
    struct lookup *l = arg;
    struct discovery *d = l->d;
    (void)timeouts;
    if (result != NULL) {
        for (const struct ares_addrinfo_node *n = result->nodes; n != NULL; n = n->ai_next)
            add_found(l, n->ai_addr, n->ai_addrlen);
        ares_freeaddrinfo(result);
    }
    free(l);
    lookup_done(d, status);
}

/* May call back at once. The caller counts it in `pending`. */
static void look_up(struct discovery *d, const char *host, uint16_t port, unsigned weight)
{
    static const struct ares_addrinfo_hints hints = {
        .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = ARES_AI_NOSORT};
    struct lookup *l = malloc(sizeof(*l));
    if (l == NULL) {
        lookup_done(d, ARES_ENOMEM);
        return;
    }
    *l = (struct lookup){.d = d, .port = port, .weight = weight};
    ares_getaddrinfo(d->channel, host, NULL, &hints, on_addresses, l);
}

/* SRV weights go to 65535 and mean little in absolute terms; ours go to 256. 0 is "small" there
 * (RFC 2782), where for us it would mean no flows. */
static unsigned weight_of_srv(const struct discovery *d, unsigned weight)
{
    if (weight == 0)
        return d->config->weight;
    return weight < 256 ? weight : 256;
}

static void on_srv(void *arg, int status, int timeouts, unsigned char *answer, int len)
{
    struct discovery *d = arg;
    struct ares_srv_reply *targets = NULL;
    (void)timeouts;
    if (status == ARES_SUCCESS)
        status = ares_parse_srv_reply(answer, len, &targets);
    if (!d->closing && !d->discarding) {
        for (const struct ares_srv_reply *t = targets; t != NULL; t = t->next) {
            d->pending++;
            look_up(d, t->host, t->port, weight_of_srv(d, t->weight));
        }
    }
    if (targets != NULL)
        ares_free_data(targets);
    lookup_done(d, status);
}

static int open_channel(struct discovery *d)
{
    struct ares_options options = {
        .timeout = (int)d->config->timeout_ms,
        .tries = TRIES,
        .sock_state_cb = on_socket_state,
        .sock_state_cb_data = d,
    };
    if (d->channel != NULL)
        ares_destroy(d->channel);
    d->channel = NULL;
    int status = ares_init_options(&d->channel, &options,
                                   ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB);
    if (status == ARES_SUCCESS && d->config->resolver != NULL)
        status = ares_set_servers_ports_csv(d->channel, d->config->resolver);
    return status;
}

static void ask_srv(struct discovery *d)
{
    ares_search(d->channel, d->config->dns, ns_c_in, ns_t_srv, on_srv, d);
}

static void ask_addresses(struct discovery *d)
{
    const char *colon = strrchr(d->config->dns, ':'); /* the loader made sure of it */
    char host[256];
    snprintf(host, sizeof(host), "%.*s", (int)(colon - d->config->dns), d->config->dns);
    look_up(d, host, (uint16_t)strtoul(colon + 1, NULL, 10), d->config->weight);
}

static void ask(evutil_socket_t fd, short what, void *arg)
{
    struct discovery *d = arg;
    (void)fd;
    (void)what;
    d->count = 0;
    d->error = ARES_SUCCESS;
    d->incomplete = false;
    d->pending = 1;
    int status = open_channel(d);
    if (status != ARES_SUCCESS) {
        lookup_done(d, status);
        return;
    }
    start_timer(d->deadline_timer, 4 * d->config->timeout_ms);
    if (d->config->srv)
        ask_srv(d);
    else
        ask_addresses(d);
    rearm_cares_timer(d);
}

static void on_deadline(evutil_socket_t fd, short what, void *arg)
{
    struct discovery *d = arg;
    (void)fd;
    (void)what;
    ares_cancel(d->channel); /* calls back with an error, which ends the question */
    rearm_cares_timer(d);
}

struct discovery *discovery_new(struct event_base *base, const char *backend,
                                const struct discover_config *config, discovery_fn *fn, void *arg)
{
    struct discovery *d = calloc(1, sizeof(*d));
    if (d == NULL)
        return NULL;
    d->base = base;
    d->config = config;
    d->fn = fn;
    d->arg = arg;
    d->backend = strdup(backend);
    d->refresh_timer = event_new(base, -1, 0, ask, d);
    d->cares_timer = event_new(base, -1, 0, on_cares_timer, d);
    d->deadline_timer = event_new(base, -1, 0, on_deadline, d);
    if (d->backend == NULL || d->refresh_timer == NULL || d->cares_timer == NULL ||
        d->deadline_timer == NULL) {
        discovery_free(d);
        return NULL;
    }
    start_timer(d->refresh_timer, 0);
    return d;
}

void discovery_free(struct discovery *d)
{
    if (d == NULL)
        return;
    d->closing = true;
    if (d->channel != NULL)
        ares_destroy(d->channel); /* its callbacks come now, and its sockets are given back */
    if (d->refresh_timer != NULL)
        event_free(d->refresh_timer);
    if (d->cares_timer != NULL)
        event_free(d->cares_timer);
    if (d->deadline_timer != NULL)
        event_free(d->deadline_timer);
    free(d->backend);
    free(d);
}

void discovery_configure(struct discovery *d, const struct discover_config *config)
{
    const struct discover_config *old = d->config;
    bool same_resolver = old->resolver == NULL || config->resolver == NULL
                             ? old->resolver == config->resolver
                             : strcmp(old->resolver, config->resolver) == 0;
    bool same = same_resolver && old->srv == config->srv && strcmp(old->dns, config->dns) == 0;
    d->config = config;
    if (!same && d->pending > 0) {
        d->discarding = true;
        ares_cancel(d->channel);
        event_del(d->cares_timer);
        d->discarding = false;
    }
    if (d->pending == 0 && (!same || old->refresh_ms != config->refresh_ms))
        start_timer(d->refresh_timer, 0);
}
