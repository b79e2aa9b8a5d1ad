/*
 * From a validated file to what the workers use: addresses parsed, certificates loaded, each
 * backend a view on its (long-lived) set of servers. Built whole or not at all.
 */
#include "lb/worker/snapshot.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/net/address.h"
#include "common/net/bind_address.h"
#include "common/tls/tls.h"
#include "lb/backend/server_set.h"
#include "lb/tls/records/tls_provider.h"

static void snapshot_free(struct snapshot *s)
{
    for (size_t i = 0; i < s->listener_count; i++)
        SSL_CTX_free(s->listeners[i].tls);
    for (size_t i = 0; i < s->backend_count; i++)
        backend_free(s->backends[i]);
    struct backend_config *configs = s->config.backends.items;
    for (size_t i = 0; i < s->config.backends.count; i++)
        tls_client_unref(configs[i].tls_client);
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

static bool build_tls_client(struct backend_config *config, const char *file,
                             struct config_error *err)
{
    char path[192];
    char reason[384];
    if (config->tls == NULL)
        return true;
    struct tls_client_config client = config->tls->client;
    client.unverified = !config->tls->verify;
    config->tls_client = tls_client_new(&client, reason, sizeof(reason));
    if (config->tls_client != NULL)
        return true;
    snprintf(path, sizeof(path), "backends.%s.tls", config->name);
    return config_fail(err, file, config->tls_at, path, "%s", reason);
}

static bool build_backends(struct snapshot *s, snapshot_set_fn *set, void *arg, const char *file,
                           struct config_error *err)
{
    struct backend_config *configs = s->config.backends.items;
    s->backends = calloc(s->config.backends.count + 1, sizeof(struct backend *));
    if (s->backends == NULL)
        return false;
    for (size_t i = 0; i < s->config.backends.count; i++) {
        if (!build_tls_client(&configs[i], file, err))
            return false;
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

static void add_address(struct snapshot *s, const struct snapshot_listener *like,
                        const struct bind_address *address, bool is_second)
{
    struct snapshot_listener *l = &s->listeners[s->listener_count++];
    *l = *like;
    l->addr = address->addr;
    l->addrlen = address->len;
    l->is_second = is_second;
    if (l->tls != NULL)
        SSL_CTX_up_ref(l->tls);
}

/* Both families where both are meant, and this host has both. Of port 0 only one: they would get
 * two ports. */
static bool add_addresses(struct snapshot *s, const struct snapshot_listener *like)
{
    struct bind_addresses addresses;
    if (!bind_parse(like->config->bind, &addresses))
        return false; /* the loader made sure of it */
    bind_drop_missing(&addresses);
    if (address_port(&addresses.items[0].addr) == 0)
        addresses.count = 1;
    for (size_t i = 0; i < addresses.count; i++)
        add_address(s, like, &addresses.items[i], i > 0);
    return true;
}

static const char *code_of(const struct tls_config *tls)
{
    return tls->records == TLS_RECORDS_OPENSSL ? TLS_PROVIDER_NEVER : TLS_PROVIDER_FIRST;
}

static bool build_listener(struct snapshot *s, size_t i, struct tls_tickets *tickets,
                           const char *file, struct config_error *err)
{
    const struct listener_config *config = (struct listener_config *)s->config.listeners.items + i;
    struct snapshot_listener l = {.config = config, .backend = find_backend(s, config->backend)};
    char path[64];
    char reason[384];
    if (l.backend == NULL)
        return false; /* the loader made sure of it */
    if (config->tls != NULL) {
        l.tls = tls_context_new(config->tls, tickets, code_of(config->tls), reason, sizeof(reason));
        snprintf(path, sizeof(path), "listeners[%zu].tls", i);
        if (l.tls == NULL)
            return config_fail(err, file, config->tls_at, path, "%s", reason);
    }
    bool ok = add_addresses(s, &l);
    SSL_CTX_free(l.tls);
    return ok;
}

static bool build_listeners(struct snapshot *s, struct tls_tickets *tickets, const char *file,
                            struct config_error *err)
{
    size_t most = s->config.listeners.count * BIND_ADDRESSES_MAX;
    s->listeners = calloc(most + 1, sizeof(*s->listeners));
    if (s->listeners == NULL)
        return false;
    for (size_t i = 0; i < s->config.listeners.count; i++)
        if (!build_listener(s, i, tickets, file, err))
            return false;
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
    if (!build_backends(s, set, arg, file, err) || !build_listeners(s, tickets, file, err)) {
        snapshot_free(s);
        return NULL;
    }
    return s;
}
