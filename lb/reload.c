/*
 * Prepare, then commit. Preparing may fail at any point and leaves no trace but pools without
 * servers, which the next tick clears away. The commit begins with what can still fail and changes
 * nothing if it does (the admin port, then the listening sockets), and goes on with what can't.
 */
#include "lb/reload.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/log/log.h"
#include "common/process/descriptors.h"
#include "common/tls/tls_tickets.h"
#include "lb/admin/admin.h"
#include "lb/admin/control.h"
#include "lb/backend/server_set.h"

static void reject(struct control *c, const struct config_error *err)
{
    c->reloads_failed++;
    snprintf(c->last_reload_error, sizeof(c->last_reload_error), "%s", err->text);
    LOG_ERROR("config_rejected", KV_STR("file", c->config_path), KV_INT("line", err->line),
              KV_INT("column", err->column), KV_STR("err", err->text),
              KV_STR("in_force", c->snapshot == NULL ? "none" : "the configuration before"));
}

/* Our own records failed their check at the start. */
static void use_openssl(struct lb_config *config)
{
    struct listener_config *listeners = config->listeners.items;
    for (size_t i = 0; i < config->listeners.count; i++)
        if (listeners[i].tls != NULL)
            listeners[i].tls->records = TLS_RECORDS_OPENSSL;
}

static struct snapshot *prepare(struct control *c, struct config_error *err)
{
    struct lb_config config;
    if (!lb_config_load(c->config_path, &config, err))
        return NULL;
    if (!c->own_records)
        use_openssl(&config);
    unsigned generation = c->snapshot == NULL ? 1 : c->snapshot->generation + 1;
    return snapshot_build(&config, c->config_path, generation, control_set, c, c->tickets, err);
}

static void apply_log(const struct lb_config *config)
{
    log_init("flotilla-lb", (enum log_level)config->log.level, (enum log_format)config->log.format);
}

static const struct backend_config *find_config(const struct snapshot *s, const char *name)
{
    const struct backend_config *b = s->config.backends.items;
    for (size_t i = 0; i < s->config.backends.count; i++)
        if (strcmp(b[i].name, name) == 0)
            return &b[i];
    return NULL;
}

static void apply_pools(struct control *c, const struct snapshot *s)
{
    struct pool *p;
    TAILQ_FOREACH (p, &c->pools, link)
        pool_apply(p, find_config(s, p->name));
}

/* The pools borrow from the snapshot in force, so they get the new one before the old goes. */
static void put_in_force(struct control *c, struct snapshot *s)
{
    struct snapshot *old = c->snapshot;
    apply_pools(c, s);
    c->snapshot = s;
    c->loaded_at_ms = clock_monotonic_ms();
    snapshot_unref(old);
}

static void log_loaded(const struct control *c, const char *event)
{
    LOG_INFO(event, KV_STR("file", c->config_path), KV_UINT("generation", c->snapshot->generation),
             KV_UINT("listeners", c->snapshot->config.listeners.count),
             KV_UINT("backends", c->snapshot->backend_count));
}

static bool start_workers(struct control *c, unsigned count)
{
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are the control thread's */
    c->workers = workers_new(count);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return c->workers != NULL;
}

/* Once all is open that is open without flows. A flow is two descriptors. */
static void share_descriptors(struct control *c)
{
    uint32_t limit = descriptors_raise_limit();
    uint32_t open = descriptors_open();
    uint32_t flows = descriptors_for_clients(limit, open) / 2;
    workers_share_descriptors(c->workers, flows > 0 ? flows : 1,
                              (int)(limit - descriptors_spare(limit)));
    admin_share_descriptors(c->admin, limit);
    LOG_INFO("descriptors", KV_UINT("limit", limit), KV_UINT("open", open),
             KV_UINT("flows", flows));
}

bool reload_first(struct control *c)
{
    struct config_error err = {0};
    char reason[384] = "out of memory or descriptors";
    struct snapshot *s = prepare(c, &err);
    if (s == NULL) {
        reject(c, &err);
        return false;
    }
    apply_log(&s->config);
    unsigned count = lb_config_workers(&s->config);
    if (!start_workers(c, count)) {
        LOG_ERROR("workers_not_started", KV_UINT("workers", count), KV_STR("err", reason));
    } else if (!admin_bind(c->admin, s->config.admin.bind, reason, sizeof(reason))) {
        LOG_ERROR("admin_not_bound", KV_STR("bind", s->config.admin.bind), KV_STR("err", reason));
    } else if (!workers_apply(c->workers, s, reason, sizeof(reason))) {
        LOG_ERROR("listener_not_bound", KV_STR("err", reason));
    } else {
        admin_keep_new(c->admin, &s->config.admin.hosts);
        put_in_force(c, s);
        share_descriptors(c);
        log_loaded(c, "started");
        return true;
    }
    snapshot_unref(s);
    return false;
}

static void warn_of_restart(const struct control *c, const struct snapshot *s)
{
    if (lb_config_workers(&s->config) != workers_count(c->workers))
        LOG_WARN("config_needs_restart", KV_STR("key", "workers"),
                 KV_UINT("in_force", workers_count(c->workers)));
}

bool reload_again(struct control *c)
{
    struct config_error err = {0};
    char reason[384];
    uint64_t began_ms = clock_monotonic_ms();
    struct snapshot *s = prepare(c, &err);
    if (s == NULL) {
        reject(c, &err);
        return false;
    }
    if (!admin_bind(c->admin, s->config.admin.bind, reason, sizeof(reason)) ||
        !workers_apply(c->workers, s, reason, sizeof(reason))) {
        config_fail(&err, c->config_path, (struct config_position){0}, NULL, "%s", reason);
        admin_unbind_new(c->admin);
        reject(c, &err);
        snapshot_unref(s);
        return false;
    }
    admin_keep_new(c->admin, &s->config.admin.hosts);
    warn_of_restart(c, s);
    apply_log(&s->config);
    put_in_force(c, s);
    c->reloads_ok++;
    c->last_reload_error[0] = '\0';
    log_loaded(c, "config_reloaded");
    LOG_DEBUG("config_reload_took", KV_UINT("took_ms", clock_monotonic_ms() - began_ms));
    return true;
}

static struct server_set *scratch_set(const char *backend, void *set)
{
    (void)backend;
    return set;
}

bool reload_check(const char *path)
{
    struct lb_config config;
    struct config_error err = {0};
    if (!lb_config_load(path, &config, &err)) {
        fprintf(stderr, "%s\n", err.text);
        return false;
    }
    struct server_set *set = server_set_new();
    struct snapshot *s = snapshot_build(&config, path, 1, scratch_set, set, NULL, &err);
    server_set_unref(set);
    if (s == NULL) {
        fprintf(stderr, "%s\n", err.text);
        return false;
    }
    printf("%s: ok (%zu listeners, %zu backends)\n", path, s->config.listeners.count,
           s->backend_count);
    snapshot_unref(s);
    return true;
}
