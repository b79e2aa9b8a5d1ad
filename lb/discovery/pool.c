/*
 * Membership of one backend. Two sources, the YAML list and DNS, each compared with the members it
 * brought before: known ones stay as they are, new ones begin in state "checking", missing ones
 * drain. Flows never notice: they hold their server themselves.
 */
#include "lb/discovery/pool.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/log/log.h"
#include "common/net/address.h"
#include "lb/discovery/discovery.h"

static const char *source_name(const struct server *s)
{
    return s->source == SERVER_FROM_DNS ? "dns" : "list";
}

static void on_up(void *arg)
{
    const struct member *m = arg;
    if (m->pool->owner.server_up != NULL)
        m->pool->owner.server_up(m->pool->owner.arg);
}

/* ---- members ---- */

static void member_free(struct member *m)
{
    if (m == NULL)
        return;
    if (m->checker.server != NULL)
        checker_fini(&m->checker);
    server_unref(m->server);
    free(m);
}

static struct member *member_new(struct pool *p, const char *name,
                                 const struct sockaddr_storage *addr, socklen_t addrlen,
                                 unsigned weight, enum server_source source)
{
    struct member *m = calloc(1, sizeof(*m));
    if (m == NULL)
        return NULL;
    m->pool = p;
    m->config_weight = weight;
    m->server = server_new(p->name, name, addr, addrlen, weight, source, p->owner.notify_fd);
    if (m->server == NULL || !checker_init(&m->checker, p->owner.base, m->server, on_up, m)) {
        member_free(m);
        return NULL;
    }
    return m;
}

static void member_configure(struct member *m, uint32_t check_port)
{
    const struct backend_config *config = m->pool->config;
    checker_use_tls(&m->checker, config->tls_client);
    checker_configure(&m->checker, &config->health_check, config->proxy_protocol == LB_PROXY_V2,
                      check_port);
}

static bool member_add(struct pool *p, const char *name, const struct sockaddr_storage *addr,
                       socklen_t addrlen, unsigned weight, enum server_source source,
                       uint32_t check_port)
{
    struct member *m = member_new(p, name, addr, addrlen, weight, source);
    if (m == NULL || !server_set_add(p->set, m->server)) {
        member_free(m);
        LOG_ERROR("server_not_added", KV_STR("backend", p->name), KV_STR("server", name),
                  KV_STR("err", "out of memory"));
        return false;
    }
    TAILQ_INSERT_TAIL(&p->members, m, link);
    LOG_INFO("server_added", KV_STR("backend", p->name), KV_STR("server", name),
             KV_STR("address", m->server->address), KV_STR("source", source_name(m->server)),
             KV_UINT("weight", weight));
    member_configure(m, check_port);
    return true;
}

static void member_remove(struct member *m, uint64_t drain_timeout_ms)
{
    struct server *s = m->server;
    m->removed = true;
    checker_stop(&m->checker);
    server_set_remove(m->pool->set, s);
    uint64_t now_ms = clock_monotonic_ms();
    m->checker.changed_at_ms = now_ms;
    atomic_store(&s->drain_deadline_ms, now_ms + drain_timeout_ms);
    LOG_INFO("server_removed", KV_STR("backend", s->backend), KV_STR("server", s->name),
             KV_STR("address", s->address), KV_STR("source", source_name(s)),
             KV_UINT("connections", atomic_load(&s->connections)),
             KV_UINT("drain_timeout_ms", drain_timeout_ms));
}

/* What the source says; a weight set through the API stays until the source's changes. */
static void member_reweight(struct member *m, unsigned weight)
{
    if (m->config_weight == weight)
        return;
    m->config_weight = weight;
    member_set_weight(m, weight);
}

void member_set_weight(struct member *m, unsigned weight)
{
    unsigned before = atomic_exchange(&m->server->weight, weight);
    LOG_INFO("server_reweighted", KV_STR("backend", m->server->backend),
             KV_STR("server", m->server->name), KV_UINT("weight", weight),
             KV_UINT("before", before));
    if (before == 0 && weight > 0)
        on_up(m);
}

void member_set_admin(struct member *m, enum server_admin admin, uint64_t now_ms)
{
    static const char *const names[] = {
        [SERVER_READY] = "ready", [SERVER_DRAIN] = "drain", [SERVER_MAINTENANCE] = "maintenance"};
    struct server *s = m->server;
    int before = atomic_exchange(&s->admin, (int)admin);
    if (before == (int)admin)
        return;
    LOG_INFO("server_set", KV_STR("backend", s->backend), KV_STR("server", s->name),
             KV_STR("state", names[admin]), KV_UINT("connections", atomic_load(&s->connections)));
    if (admin == SERVER_MAINTENANCE) {
        checker_pause(&m->checker);
        atomic_store(&s->drain_deadline_ms, now_ms + m->pool->config->drain_timeout_ms);
        return;
    }
    atomic_store(&s->drain_deadline_ms, 0);
    if (before == SERVER_MAINTENANCE)
        checker_resume(&m->checker);
    if (admin == SERVER_READY)
        on_up(m);
}

/* ---- the YAML list ---- */

static struct member *find_member(struct pool *p, enum server_source source, const char *name,
                                  const struct sockaddr_storage *addr)
{
    struct member *m;
    TAILQ_FOREACH (m, &p->members, link)
        if (!m->removed && m->server->source == source && strcmp(m->server->name, name) == 0 &&
            discovery_same_address(&m->server->addr, addr))
            return m;
    return NULL;
}

static bool apply_list(struct pool *p, const struct backend_config *config)
{
    const struct server_config *list = config->servers.items;
    bool ok = true;
    for (size_t i = 0; i < config->servers.count; i++) {
        struct sockaddr_storage addr;
        socklen_t addrlen;
        if (!address_parse(list[i].address, &addr, &addrlen))
            continue; /* the loader made sure of it */
        struct member *m = find_member(p, SERVER_FROM_LIST, list[i].name, &addr);
        if (m == NULL) {
            ok &= member_add(p, list[i].name, &addr, addrlen, list[i].weight, SERVER_FROM_LIST,
                             list[i].check_port);
            continue;
        }
        member_reweight(m, list[i].weight);
        member_configure(m, list[i].check_port);
    }
    return ok;
}

static bool is_listed(const struct backend_config *config, const struct server *s)
{
    const struct server_config *list = config->servers.items;
    for (size_t i = 0; i < config->servers.count; i++) {
        struct sockaddr_storage addr;
        socklen_t addrlen;
        if (strcmp(list[i].name, s->name) == 0 && address_parse(list[i].address, &addr, &addrlen) &&
            discovery_same_address(&addr, &s->addr))
            return true;
    }
    return false;
}

/* New servers are added before old ones are removed, so that a completely new list leaves no moment
 * without servers. */
static void remove_unlisted(struct pool *p, const struct backend_config *config,
                            uint64_t drain_timeout_ms)
{
    struct member *m;
    TAILQ_FOREACH (m, &p->members, link)
        if (!m->removed && m->server->source == SERVER_FROM_LIST &&
            (config == NULL || !is_listed(config, m->server)))
            member_remove(m, drain_timeout_ms);
}

/* ---- DNS ---- */

static bool is_found(const struct discovered *found, size_t count, const struct server *s)
{
    for (size_t i = 0; i < count; i++)
        if (discovery_same_address(&found[i].addr, &s->addr))
            return true;
    return false;
}

bool pool_apply_discovered(struct pool *p, const struct discovered *found, size_t count)
{
    bool ok = true;
    for (size_t i = 0; i < count; i++) {
        char name[ADDRESS_TEXT_MAX];
        address_format(&found[i].addr, name, sizeof(name));
        struct member *m = find_member(p, SERVER_FROM_DNS, name, &found[i].addr);
        if (m != NULL)
            member_reweight(m, found[i].weight);
        else
            ok &= member_add(p, name, &found[i].addr, found[i].addrlen, found[i].weight,
                             SERVER_FROM_DNS, 0);
    }
    struct member *m;
    TAILQ_FOREACH (m, &p->members, link)
        if (!m->removed && m->server->source == SERVER_FROM_DNS &&
            !is_found(found, count, m->server))
            member_remove(m, p->config->drain_timeout_ms);
    return ok;
}

static void on_discovered(const struct discovered *found, size_t count, void *arg)
{
    pool_apply_discovered(arg, found, count);
}

static bool apply_discovery(struct pool *p, const struct backend_config *config)
{
    if (config->discover == NULL) {
        discovery_free(p->discovery);
        p->discovery = NULL;
        return pool_apply_discovered(p, NULL, 0);
    }
    struct member *m;
    TAILQ_FOREACH (m, &p->members, link)
        if (!m->removed && m->server->source == SERVER_FROM_DNS)
            member_configure(m, 0);
    if (p->discovery != NULL)
        discovery_configure(p->discovery, config->discover);
    else
        p->discovery = discovery_new(p->owner.base, p->name, config->discover, on_discovered, p);
    return p->discovery != NULL;
}

/* ---- the pool ---- */

struct pool *pool_new(const char *name, const struct pool_owner *owner)
{
    struct pool *p = calloc(1, sizeof(*p));
    if (p == NULL)
        return NULL;
    TAILQ_INIT(&p->members);
    p->owner = *owner;
    p->name = strdup(name);
    p->set = server_set_new();
    if (p->name == NULL || p->set == NULL) {
        pool_free(p);
        return NULL;
    }
    return p;
}

void pool_free(struct pool *p)
{
    struct member *m;
    if (p == NULL)
        return;
    discovery_free(p->discovery);
    while ((m = TAILQ_FIRST(&p->members)) != NULL) {
        TAILQ_REMOVE(&p->members, m, link);
        server_set_remove(p->set, m->server);
        member_free(m);
    }
    server_set_unref(p->set);
    free(p->name);
    free(p);
}

static void remove_all(struct pool *p)
{
    struct member *m;
    uint64_t drain_timeout_ms = p->config == NULL ? 0 : p->config->drain_timeout_ms;
    discovery_free(p->discovery);
    p->discovery = NULL;
    TAILQ_FOREACH (m, &p->members, link)
        if (!m->removed)
            member_remove(m, drain_timeout_ms);
    p->config = NULL;
}

bool pool_apply(struct pool *p, const struct backend_config *config)
{
    if (config == NULL) {
        remove_all(p);
        return true;
    }
    p->config = config;
    bool ok = apply_list(p, config);
    ok &= apply_discovery(p, config);
    remove_unlisted(p, config, config->drain_timeout_ms);
    return ok;
}

static bool flows_are_overdue(const struct server *s, uint64_t now_ms)
{
    uint64_t deadline_ms = atomic_load(&s->drain_deadline_ms);
    return deadline_ms != 0 && now_ms >= deadline_ms && atomic_load(&s->connections) > 0;
}

/* A flow that was just connecting may come after: it is asked again in a second. */
static void close_overdue(struct pool *p, struct server *s, uint64_t now_ms)
{
    LOG_WARN("server_drain_timeout", KV_STR("backend", s->backend), KV_STR("server", s->name),
             KV_UINT("connections", atomic_load(&s->connections)));
    atomic_store(&s->drain_deadline_ms, now_ms + 1000);
    if (p->owner.close_flows != NULL)
        p->owner.close_flows(s, p->owner.arg);
}

static void forget(struct pool *p, struct member *m, uint64_t now_ms)
{
    LOG_INFO("server_drained", KV_STR("backend", m->server->backend),
             KV_STR("server", m->server->name),
             KV_UINT("took_ms", now_ms - m->checker.changed_at_ms));
    TAILQ_REMOVE(&p->members, m, link);
    member_free(m);
}

void pool_tend(struct pool *p, uint64_t now_ms)
{
    struct member *next;
    for (struct member *m = TAILQ_FIRST(&p->members); m != NULL; m = next) {
        next = TAILQ_NEXT(m, link);
        if (flows_are_overdue(m->server, now_ms))
            close_overdue(p, m->server, now_ms);
        if (m->removed && atomic_load(&m->server->connections) == 0)
            forget(p, m, now_ms);
    }
}

bool pool_is_over(const struct pool *p)
{
    return p->config == NULL && TAILQ_EMPTY(&p->members);
}

static double per_second(uint64_t now, uint64_t *last, double elapsed_s)
{
    double rate = elapsed_s > 0 ? (double)(now - *last) / elapsed_s : 0;
    *last = now;
    return rate;
}

void pool_sample(struct pool *p, double elapsed_s)
{
    struct member *m;
    TAILQ_FOREACH (m, &p->members, link) {
        const struct server_counters *c = &m->server->counters;
        struct member_rates *r = &m->rates;
        r->flows_per_s = per_second(atomic_load(&c->flows), &r->flows, elapsed_s);
        r->bytes_in_per_s = per_second(atomic_load(&c->bytes_in), &r->bytes_in, elapsed_s);
        r->bytes_out_per_s = per_second(atomic_load(&c->bytes_out), &r->bytes_out, elapsed_s);
    }
}

void pool_collect_reports(struct pool *p)
{
    struct member *m;
    TAILQ_FOREACH (m, &p->members, link)
        if (!m->removed)
            checker_collect_reports(&m->checker);
}

struct member *pool_find(struct pool *p, const char *server)
{
    struct member *m;
    TAILQ_FOREACH (m, &p->members, link)
        if (!m->removed && strcmp(m->server->name, server) == 0)
            return m;
    return NULL;
}
