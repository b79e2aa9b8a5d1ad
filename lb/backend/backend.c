/*
 * A backend is a thin view: one configuration's settings and policy on a set of servers that
 * outlives the configuration. A reload makes new views on the old sets, and flows that began under
 * the old one keep its timeouts.
 */
#include "lb/backend/backend.h"

#include <stdlib.h>
#include <string.h>

#include "lb/backend/balance.h"

struct backend {
    struct backend_config config; /* own copy, without lists and strings but the name */
    const struct balance_policy *policy;
    struct server_set *set;
};

void backend_free(struct backend *b)
{
    if (b == NULL)
        return;
    server_set_unref(b->set);
    tls_client_unref(b->config.tls_client);
    free(b->config.name);
    free(b);
}

struct backend *backend_new(const struct backend_config *config, struct server_set *set)
{
    struct backend *b = calloc(1, sizeof(*b));
    if (b == NULL)
        return NULL;
    b->config = *config;
    b->config.servers = (struct config_list){0};
    b->config.discover = NULL;
    b->config.tls = NULL;
    tls_client_ref(b->config.tls_client);
    b->config.health_check.path = NULL;
    b->config.health_check.username = NULL;
    b->config.health_check.password = NULL;
    b->config.name = strdup(config->name);
    b->policy = balance_policy((enum lb_balance)config->balance);
    b->set = server_set_ref(set);
    if (b->config.name == NULL) {
        backend_free(b);
        return NULL;
    }
    return b;
}

struct server *backend_choose(struct backend *b, const struct choose_request *r)
{
    return server_set_choose(b->set, b->policy, b->config.slow_start_ms, r);
}

bool backend_is_available(const struct backend *b)
{
    return server_set_is_available(b->set);
}

const struct backend_config *backend_config(const struct backend *b)
{
    return &b->config;
}

const char *backend_name(const struct backend *b)
{
    return b->config.name;
}

bool backend_wants_hash(const struct backend *b)
{
    return b->policy->wants_hash;
}

uint64_t backend_hash(const void *data, size_t len)
{
    return balance_hash(data, len);
}
