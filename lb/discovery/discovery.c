/*
 * The asking half of DNS discovery. A question names its targets (one, or those of an SRV answer),
 * looks each of them up by family, and ends when the last lookup has. What the answers mean is
 * discovery_set.c's and discovery_rules.c's; sockets and time are dns_channel.c's.
 */
#include "lb/discovery/discovery.h"

#include <arpa/nameser.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/log/log.h"
#include "lb/discovery/discovery_set.h"
#include "lb/discovery/dns_channel.h"

struct discovery {
    char *backend;
    struct event_base *base;
    const struct discover_config *config;
    discovery_fn *fn;
    void *arg;
    struct discovery_set *set;
    struct discovery_stats stats;
    bool closing, discarding; /* what lookups bring now doesn't count */
    /* trouble that was logged and isn't over yet; that of a target stands in it */
    bool naming_troubled, own_troubled, left_out;
    struct dns_channel channel;
    struct event *refresh_timer;  /* the next question */
    struct event *deadline_timer; /* bounds the question */
    /* the question under way */
    unsigned pending;       /* lookups not answered */
    enum dns_answer naming; /* how it was learned which targets there are */
    int naming_status;      /* c-ares' */
    struct discovered found[DISCOVERY_ADDRESSES_MAX];
};

/* One getaddrinfo under way. `target` belongs to the set, until the question ends. */
struct lookup {
    struct discovery *d;
    struct discovery_target *target;
    int family; /* AF_UNSPEC: both, from the hosts file */
};

static void start_timer(struct event *timer, uint64_t ms)
{
    struct timeval tv = {.tv_sec = (time_t)(ms / 1000), .tv_usec = (suseconds_t)(ms % 1000 * 1000)};
    event_add(timer, &tv);
}

/* ---- what is told of an answer ---- */

static void tell_trouble(const struct discovery *d, bool *troubled, bool trouble, const char *name,
                         int status)
{
    if (*troubled == trouble)
        return;
    *troubled = trouble;
    if (trouble)
        LOG_WARN("discovery_failed", KV_STR("backend", d->backend), KV_STR("dns", d->config->dns),
                 KV_STR("name", name),
                 KV_STR("err", status == ARES_SUCCESS ? "no addresses" : ares_strerror(status)),
                 KV_UINT("held_ms", d->config->hold_ms));
    else
        LOG_INFO("discovery_recovered", KV_STR("backend", d->backend),
                 KV_STR("dns", d->config->dns), KV_STR("name", name));
}

static void tell_own_trouble(struct discovery *d)
{
    int lacking = d->channel.own_errno;
    d->stats.own_troubles += lacking != 0;
    if (lacking != 0 && !d->own_troubled)
        LOG_ERROR("discovery_impossible", KV_STR("backend", d->backend),
                  KV_STR("dns", d->config->dns), KV_STR("err", strerror(lacking)));
    else if (lacking == 0 && d->own_troubled)
        LOG_INFO("discovery_possible_again", KV_STR("backend", d->backend),
                 KV_STR("dns", d->config->dns));
    d->own_troubled = lacking != 0;
}

static void tell_left_out(struct discovery *d, const struct discovery_result *r)
{
    bool left_out = r->left_out > 0;
    if (left_out && !d->left_out)
        LOG_WARN("discovery_too_many", KV_STR("backend", d->backend), KV_STR("dns", d->config->dns),
                 KV_UINT("found", r->count + r->left_out),
                 KV_UINT("limit", DISCOVERY_ADDRESSES_MAX));
    d->left_out = left_out;
    d->stats.left_out = r->left_out;
    d->stats.addresses = r->count;
}

static void tell_targets(struct discovery *d)
{
    bool own = d->channel.own_errno != 0;
    d->stats.names_failing = d->naming != DNS_ADDRESSES;
    if (!own)
        tell_trouble(d, &d->naming_troubled, d->naming != DNS_ADDRESSES, d->config->dns,
                     d->naming_status);
    struct discovery_target *t = discovery_set_first(d->set);
    for (; t != NULL; t = discovery_set_next(t)) {
        bool trouble = discovery_target_in_trouble(t);
        d->stats.names_failing += trouble;
        if (t->named && !(own && trouble))
            tell_trouble(d, &t->troubled, trouble, t->host, t->status);
        if (t->expired)
            LOG_WARN("discovery_expired", KV_STR("backend", d->backend),
                     KV_STR("dns", d->config->dns), KV_STR("name", t->host),
                     KV_UINT("held_ms", d->config->hold_ms));
    }
    d->stats.failures += d->stats.names_failing > 0;
}

/* ---- one question ---- */

static void finish(struct discovery *d)
{
    struct discovery_result result;
    event_del(d->deadline_timer);
    start_timer(d->refresh_timer, d->config->refresh_ms);
    if (d->discarding)
        return;
    d->stats.questions++;
    tell_own_trouble(d);
    if (!discovery_set_end(d->set, d->naming, clock_monotonic_ms(), d->config->hold_ms, d->found,
                           DISCOVERY_ADDRESSES_MAX, &result))
        return; /* no memory to read the answer: the next question comes soon */
    tell_targets(d);
    tell_left_out(d, &result);
    d->fn(d->found, result.count, d->arg);
}

static void lookup_done(struct discovery *d)
{
    d->pending--;
    if (d->pending == 0 && !d->closing)
        finish(d);
}

static void take_answer(struct lookup *l, int status)
{
    bool own = status != ARES_SUCCESS && dns_channel_lacks(&l->d->channel);
    if (l->family != AF_INET6)
        discovery_set_answer(l->target, DISCOVERY_V4, status, own);
    if (l->family != AF_INET)
        discovery_set_answer(l->target, DISCOVERY_V6, status, own);
}

static void on_addresses(void *arg, int status, int timeouts, struct ares_addrinfo *result)
{
    struct lookup *l = arg;
    struct discovery *d = l->d;
    (void)timeouts;
    if (!d->closing && !d->discarding) {
        for (const struct ares_addrinfo_node *n = result == NULL ? NULL : result->nodes; n != NULL;
             n = n->ai_next)
            discovery_set_add(d->set, l->target, n->ai_addr, n->ai_addrlen);
        take_answer(l, status);
    }
    if (result != NULL)
        ares_freeaddrinfo(result);
    free(l);
    lookup_done(d);
}

/* May call back at once. */
static void look_up_family(struct discovery *d, struct discovery_target *t, int family)
{
    const struct ares_addrinfo_hints hints = {
        .ai_family = family, .ai_socktype = SOCK_STREAM, .ai_flags = ARES_AI_NOSORT};
    struct lookup *l = malloc(sizeof(*l));
    if (l == NULL) {
        discovery_set_answer(t, family == AF_INET6 ? DISCOVERY_V6 : DISCOVERY_V4, ARES_ENOMEM,
                             true);
        return;
    }
    *l = (struct lookup){.d = d, .target = t, .family = family};
    d->pending++;
    ares_getaddrinfo(d->channel.ares, t->host, NULL, &hints, on_addresses, l);
}

/* By family, so that one that fails doesn't hide what the other says, nor the other way round. */
static void look_up(struct discovery *d, struct discovery_target *t)
{
    if (dns_channel_knows(&d->channel, t->host)) {
        look_up_family(d, t, AF_UNSPEC);
        return;
    }
    look_up_family(d, t, AF_INET);
    look_up_family(d, t, AF_INET6);
}

/* SRV weights go to 65535 and mean little in absolute terms; ours go to 256. 0 is "small" there
 * (RFC 2782), where for us it would mean no flows. */
static unsigned weight_of_srv(const struct discovery *d, unsigned weight)
{
    if (weight == 0)
        return d->config->weight;
    return weight < 256 ? weight : 256;
}

/* A target "." says that there is no such service (RFC 2782); nothing can be reached at port 0. */
static bool is_no_target(const struct ares_srv_reply *t)
{
    return *t->host == '\0' || strcmp(t->host, ".") == 0 || t->port == 0;
}

/* All are named before the first is looked up: the same target may stand there twice. */
static size_t name_targets(struct discovery *d, const struct ares_srv_reply *targets)
{
    size_t named = 0;
    for (const struct ares_srv_reply *t = targets; t != NULL; t = t->next)
        if (!is_no_target(t))
            named +=
                discovery_set_name(d->set, t->host, t->port, weight_of_srv(d, t->weight)) != NULL;
    return named;
}

static void on_srv(void *arg, int status, int timeouts, unsigned char *answer, int len)
{
    struct discovery *d = arg;
    struct ares_srv_reply *targets = NULL;
    (void)timeouts;
    if (status == ARES_SUCCESS)
        status = ares_parse_srv_reply(answer, len, &targets);
    if (!d->closing && !d->discarding) {
        size_t named = name_targets(d, targets);
        bool own = status != ARES_SUCCESS && dns_channel_lacks(&d->channel);
        d->naming = discovery_answer_of(status, named, own);
        d->naming_status = status;
        struct discovery_target *t = discovery_set_first(d->set);
        for (; t != NULL; t = discovery_set_next(t))
            if (t->named)
                look_up(d, t);
    }
    if (targets != NULL)
        ares_free_data(targets);
    lookup_done(d);
}

static void ask_srv(struct discovery *d)
{
    ares_search(d->channel.ares, d->config->dns, ns_c_in, ns_t_srv, on_srv, d);
}

static void ask_addresses(struct discovery *d)
{
    const char *colon = strrchr(d->config->dns, ':'); /* the loader made sure of it */
    char host[256];
    snprintf(host, sizeof(host), "%.*s", (int)(colon - d->config->dns), d->config->dns);
    struct discovery_target *t =
        discovery_set_name(d->set, host, (uint16_t)strtoul(colon + 1, NULL, 10), d->config->weight);
    d->naming = t == NULL ? DNS_OWN_TROUBLE : DNS_ADDRESSES;
    if (t != NULL)
        look_up(d, t);
    lookup_done(d);
}

static void ask(evutil_socket_t fd, short what, void *arg)
{
    struct discovery *d = arg;
    (void)fd;
    (void)what;
    d->pending = 1; /* until all lookups are started */
    discovery_set_begin(d->set);
    int status = dns_channel_open(&d->channel, d->config->resolver, d->config->timeout_ms);
    if (status != ARES_SUCCESS) {
        d->naming = discovery_answer_of(status, 0, d->channel.own_errno != 0);
        d->naming_status = status;
        lookup_done(d);
        return;
    }
    start_timer(d->deadline_timer, 4 * d->config->timeout_ms);
    if (d->config->srv)
        ask_srv(d);
    else
        ask_addresses(d);
    dns_channel_rearm(&d->channel);
}

static void on_deadline(evutil_socket_t fd, short what, void *arg)
{
    struct discovery *d = arg;
    (void)fd;
    (void)what;
    ares_cancel(d->channel.ares); /* calls back with an error, which ends the question */
    dns_channel_rearm(&d->channel);
}

/* ---- life ---- */

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
    d->set = discovery_set_new();
    d->refresh_timer = event_new(base, -1, 0, ask, d);
    d->deadline_timer = event_new(base, -1, 0, on_deadline, d);
    if (!dns_channel_init(&d->channel, base) || d->backend == NULL || d->set == NULL ||
        d->refresh_timer == NULL || d->deadline_timer == NULL) {
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
    dns_channel_fini(&d->channel); /* lookups call back now */
    if (d->refresh_timer != NULL)
        event_free(d->refresh_timer);
    if (d->deadline_timer != NULL)
        event_free(d->deadline_timer);
    discovery_set_free(d->set);
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
        ares_cancel(d->channel.ares);
        dns_channel_rearm(&d->channel);
        d->discarding = false;
    }
    if (d->pending == 0 && (!same || old->refresh_ms != config->refresh_ms))
        start_timer(d->refresh_timer, 0);
}

const struct discovery_stats *discovery_stats(const struct discovery *d)
{
    return &d->stats;
}
