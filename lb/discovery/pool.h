/*
 * pool - the servers of one backend as the control thread keeps them: who is in, who drains.
 *
 * Data flow: reload.c applies configurations, discovery.c brings addresses; a server that is in
 *            stands in the set that backend_choose picks from, and its checker keeps its health.
 *            One that left drains: no new flows; it is forgotten when its last flow ended, and its
 *            flows are closed when drain_timeout is over.
 * Ownership: one pool per backend name, for as long as the name is configured and servers drain. It
 *            owns its members, discovery and a reference to its set. Configuration is borrowed from
 *            the one in force; pool_apply gives it a new one before the old goes.
 * Threads:   the control thread's. Only the set is shared.
 */
#ifndef FLOTILLA_LB_DISCOVERY_POOL_H
#define FLOTILLA_LB_DISCOVERY_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "lb/backend/server.h"
#include "lb/backend/server_set.h"
#include "lb/config/lb_config.h"
#include "lb/discovery/discovery_rules.h"
#include "lb/health/checker.h"

struct event_base;
struct discovery;
struct pool;

/* Totals of a server at the last two rounds of pool_sample, for rates. */
struct member_rates {
    uint64_t flows, bytes_in, bytes_out; /* totals then */
    double flows_per_s, bytes_in_per_s, bytes_out_per_s;
};

struct member {
    TAILQ_ENTRY(member) link;
    struct pool *pool;
    struct server *server;
    struct checker checker;
    unsigned config_weight; /* as file or DNS say; the API may have set another one */
    bool removed;           /* drains, then goes */
    struct member_rates rates;
};

/* What a pool asks of the rest. */
struct pool_owner {
    struct event_base *base;
    int notify_fd;                                         /* eventfd for passive reports */
    void (*server_up)(void *arg);                          /* flows may be waiting */
    void (*close_flows)(struct server *server, void *arg); /* its drain timeout is over */
    void *arg;
};

struct pool {
    TAILQ_ENTRY(pool) link; /* the owner's */
    char *name;
    struct pool_owner owner;
    const struct backend_config *config; /* NULL: the backend isn't configured any more */
    struct server_set *set;
    struct discovery *discovery;
    TAILQ_HEAD(, member) members;
};

TAILQ_HEAD(pool_list, pool);

struct pool *pool_new(const char *name, const struct pool_owner *owner);
void pool_free(struct pool *p);

/* Takes on a configuration: servers that are in it (by name and address) keep state and counters,
 * others come and go. NULL: the backend is gone, all its servers drain. False: out of memory; what
 * could be applied was. */
bool pool_apply(struct pool *p, const struct backend_config *config);
/* `count` addresses are what DNS says now. */
bool pool_apply_discovered(struct pool *p, const struct discovered *found, size_t count);

/* Forgets drained servers, closes the flows of those whose time is over. Call it a few times per
 * second. */
void pool_tend(struct pool *p, uint64_t now_ms);
/* Nothing is configured and nothing drains any more. */
bool pool_is_over(const struct pool *p);
/* Takes totals for the rates; `elapsed_s` since the last time. */
void pool_sample(struct pool *p, double elapsed_s);
void pool_collect_reports(struct pool *p);

/* By name, of those that are in; NULL: none. */
struct member *pool_find(struct pool *p, const char *server);
void member_set_admin(struct member *m, enum server_admin admin, uint64_t now_ms);
void member_set_weight(struct member *m, unsigned weight);

#endif
