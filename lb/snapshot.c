/*
 * From a validated file to what the workers use: addresses parsed, certificates loaded, each
 * backend a view on its (long-lived) set of servers. Built whole or not at all.
 */
#include "lb/snapshot.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lb/address.h"
#include "lb/server_set.h"
#include "lb/tls.h"

static void snapshot_free(struct snapshot *s)
{
    for (size_t i = 0; i < s->listener_count; i++)
        SSL_CTX_free(s->listeners[i].tls);
    for (size_t i = 0; i < s->backend_count; i++)
        backend_unref(s->backends[i]);
    free(s->listeners);
    free(s->backends);
    lb_config_free(&s->config);
    free(s);
}

struct snapshot *snapshot_ref(struct snapshot *s)
{
    atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
    return s;
}

void snapshot_unref(struct snapshot *s)
{
    if (s != NULL && atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) == 1)
        snapshot_free(s);
}

static bool build_backends(struct snapshot *s, snapshot_set_fn *set, void *arg)
{
    const struct backend_config *configs = s->config.backends.items;
    s->backends = calloc(s->config.backends.count + 1, sizeof(struct backend *));
    if (s->backends == NULL)
        return false;
    for (size_t i = 0; i < s->config.backends.count; i++) {
        struct server_set *servers = set(configs[i].name, arg);
        if (servers == NULL)
            return false;
        s->backends[i] = backend_new(&configs[i], servers);
        if (s->backends[i] == NULL)
            return false;
        s->backend_count++;
    }
    return true;
}

static struct backend *find_backend(const struct snapshot *s, const char *name)
{
    for (size_t i = 0; i < s->backend_count; i++)
        if (strcmp(backend_name(s->backends[i]), name) == 0)
            return s->backends[i];
    return NULL;
}

static bool build_listener(struct snapshot *s, size_t i, struct tls_tickets *tickets,
                           const char *file, struct config_error *err)
{
    const struct listener_config *config = (struct listener_config *)s->config.listeners.items + i;
    struct snapshot_listener *l = &s->listeners[i];
    char path[64];
    char reason[384];
    l->config = config;
    l->backend = find_backend(s, config->backend);
    if (l->backend == NULL || !lb_address_parse(config->bind, &l->addr, &l->addrlen))
        return false; /* the loader made sure of both */
    if (config->tls == NULL)
        return true;
    l->tls = tls_context_new(config->tls, tickets, reason, sizeof(reason));
    snprintf(path, sizeof(path), "listeners[%zu].tls", i);
    return l->tls != NULL || config_fail(err, file, config->tls_at, path, "%s", reason);
}

static bool build_listeners(struct snapshot *s, struct tls_tickets *tickets, const char *file,
                            struct config_error *err)
{
    s->listeners = calloc(s->config.listeners.count + 1, sizeof(*s->listeners));
    if (s->listeners == NULL)
        return false;
    for (size_t i = 0; i < s->config.listeners.count; i++) {
        s->listener_count++;
        if (!build_listener(s, i, tickets, file, err))
            return false;
    }
    return true;
}

struct snapshot *snapshot_build(struct lb_config *config, const char *file, unsigned generation,
                                snapshot_set_fn *set, void *arg, struct tls_tickets *tickets,
                                struct config_error *err)
{
    struct snapshot *s = calloc(1, sizeof(*s));
    config_fail(err, file, (struct config_position){0}, NULL, "out of memory");
    if (s == NULL) {
        lb_config_free(config);
        return NULL;
    }
    atomic_init(&s->refs, 1);
    s->generation = generation;
    s->config = *config;
    memset(config, 0, sizeof(*config));
    if (!build_backends(s, set, arg) || !build_listeners(s, tickets, file, err)) {
        snapshot_free(s);
        return NULL;
    }
    return s;
}
