/*
 * control - the control thread's context, which the service, a reload and the HTTP port share.
 *
 * Data flow: lb/service.c makes it and runs it, lb/reload.c fills it from the file, admin.c and
 *            lb_metrics.c read it. The workers carry traffic on their own; they are commanded
 *            through workers.h and report through the servers' atomics.
 * Ownership: owns everything in it.
 * Threads:   the control thread's.
 */
#ifndef FLOTILLA_LB_ADMIN_CONTROL_H
#define FLOTILLA_LB_ADMIN_CONTROL_H

#include <openssl/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lb/discovery/pool.h"
#include "lb/loop/workers.h"
#include "lb/worker/snapshot.h"

struct event;
struct event_base;
struct admin;
struct tls_tickets;

struct control {
    const char *config_path; /* borrowed from the command line */
    struct event_base *base;
    struct workers *workers;
    OSSL_PROVIDER *tls_provider; /* NULL: OpenSSL uses its own code */
    bool own_records;            /* TLS 1.3 may leave OpenSSL: tls_selfcheck.h has tried it */
    struct tls_tickets *tickets;
    struct snapshot *snapshot; /* in force; NULL before the first */
    struct pool_list pools;
    struct admin *admin;
    struct event *notify_event, *tick_event, *signal_events[4];
    int notify_fd;
    unsigned ticks;
    uint64_t started_at_ms, sampled_at_ms, loaded_at_ms;
    uint64_t reloads_ok, reloads_failed;
    char last_reload_error[512]; /* "" when the last reload went well */
    bool draining;
    uint64_t drain_until_ms;
};

struct pool *control_find_pool(const struct control *c, const char *backend);
/* snapshot_set_fn: the pool's set, the pool made when there is none. */
struct server_set *control_set(const char *backend, void *control);

/* Whether devices should be sent here; else `why` gets a sentence. */
bool control_is_ready(const struct control *c, char *why, size_t size);

#endif
