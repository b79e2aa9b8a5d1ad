/*
 * Loading lb.yaml: common/config fills the structs by the tables of lb_config.c; here follow the
 * checks that need the whole file (a listener's backend, names that are taken), names for what has
 * none, and paths beside the file. What comes out is handed to snapshot.c.
 */
#include "lb/config/lb_config.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/net/bind_address.h"

struct checking {
    const char *file;
    struct lb_config *config;
    struct config_error *err;
};

static const struct backend_config *find_backend(const struct lb_config *config, const char *name)
{
    const struct backend_config *backends = config->backends.items;
    for (size_t i = 0; i < config->backends.count; i++)
        if (strcmp(backends[i].name, name) == 0)
            return &backends[i];
    return NULL;
}

static bool check_listener(struct checking *c, size_t i)
{
    const struct listener_config *all = c->config->listeners.items;
    const struct listener_config *l = &all[i];
    char path[64];
    if (find_backend(c->config, l->backend) == NULL) {
        snprintf(path, sizeof(path), "listeners[%zu].backend", i);
        return config_fail(c->err, c->file, l->backend_at, path,
                           "expected the name of a backend, got '%s'", l->backend);
    }
    for (size_t j = 0; j < i; j++) {
        if (strcmp(l->name, all[j].name) == 0) {
            snprintf(path, sizeof(path), "listeners[%zu].name", i);
            return config_fail(c->err, c->file, l->name_at, path,
                               "another listener is named '%s' already", l->name);
        }
    }
    return true;
}

static bool check_listeners(struct checking *c)
{
    if (c->config->listeners.count == 0)
        return config_fail(c->err, c->file, c->config->listeners_at, "listeners",
                           "expected at least one listener");
    for (size_t i = 0; i < c->config->listeners.count; i++)
        if (!check_listener(c, i))
            return false;
    return true;
}

/* Listeners and the HTTP port: none of them would find out before the program runs. */
static bool check_binds(struct checking *c)
{
    const struct listener_config *all = c->config->listeners.items;
    size_t count = c->config->listeners.count;
    struct bind_claim *claims = calloc(count + 1, sizeof(*claims));
    if (claims == NULL)
        return config_fail(c->err, c->file, (struct config_position){0}, NULL, "out of memory");
    for (size_t i = 0; i < count; i++) {
        claims[i] = (struct bind_claim){.text = all[i].bind, .at = all[i].bind_at};
        snprintf(claims[i].path, sizeof(claims[i].path), "listeners[%zu].bind", i);
    }
    claims[count] = (struct bind_claim){
        .text = c->config->admin.bind, .at = c->config->admin.bind_at, .path = "admin.bind"};
    bool ok = bind_check_apart(claims, count + 1, c->file, c->err);
    free(claims);
    return ok;
}

static bool check_server(struct checking *c, const struct backend_config *b, size_t i)
{
    const struct server_config *all = b->servers.items;
    const struct server_config *s = &all[i];
    char path[192];
    for (size_t j = 0; j < i; j++) {
        if (strcmp(s->name, all[j].name) == 0) {
            snprintf(path, sizeof(path), "backends.%s.servers[%zu].name", b->name, i);
            return config_fail(c->err, c->file, s->name_at, path,
                               "another server of this backend is named '%s' already", s->name);
        }
        if (strcmp(s->address, all[j].address) == 0) {
            snprintf(path, sizeof(path), "backends.%s.servers[%zu].address", b->name, i);
            return config_fail(c->err, c->file, s->address_at, path,
                               "another server of this backend has %s already", s->address);
        }
    }
    return true;
}

static bool has_check_ports(const struct backend_config *b)
{
    const struct server_config *s = b->servers.items;
    for (size_t i = 0; i < b->servers.count; i++)
        if (s[i].check_port == 0)
            return false;
    return b->discover == NULL;
}

static bool check_backend(struct checking *c, const struct backend_config *b)
{
    char path[192];
    if (b->servers.count == 0 && b->discover == NULL) {
        snprintf(path, sizeof(path), "backends.%s", b->name);
        return config_fail(c->err, c->file, b->at, path, "expected servers, discover, or both");
    }
    if (b->health_check.type == LB_CHECK_HTTP && b->health_check.port == 0 && !has_check_ports(b)) {
        snprintf(path, sizeof(path), "backends.%s.health_check", b->name);
        return config_fail(c->err, c->file, b->health_check_at, path,
                           "http checks need port, or check_port at every server");
    }
    for (size_t i = 0; i < b->servers.count; i++)
        if (!check_server(c, b, i))
            return false;
    return true;
}

static bool check_backends(struct checking *c)
{
    const struct backend_config *b = c->config->backends.items;
    for (size_t i = 0; i < c->config->backends.count; i++)
        if (!check_backend(c, &b[i]))
            return false;
    return true;
}

/* ---- what isn't said is filled in ---- */

static bool name_by(char **name, const char *text)
{
    if (*name == NULL)
        *name = strdup(text);
    return *name != NULL;
}

static bool fill_names(struct lb_config *config)
{
    struct listener_config *l = config->listeners.items;
    for (size_t i = 0; i < config->listeners.count; i++)
        if (!name_by(&l[i].name, l[i].bind))
            return false;
    struct backend_config *b = config->backends.items;
    for (size_t i = 0; i < config->backends.count; i++) {
        struct server_config *s = b[i].servers.items;
        for (size_t j = 0; j < b[i].servers.count; j++)
            if (!name_by(&s[j].name, s[j].address))
                return false;
    }
    return true;
}

/* A path beside the configuration file wins over one in the working directory. */
static bool resolve_path(const char *file, char **path)
{
    const char *slash = strrchr(file, '/');
    if (*path == NULL || **path == '/' || slash == NULL)
        return true;
    char *beside = NULL;
    if (asprintf(&beside, "%.*s/%s", (int)(slash - file), file, *path) < 0)
        return false;
    if (access(beside, F_OK) != 0 && access(*path, F_OK) == 0) {
        free(beside);
        return true;
    }
    free(*path);
    *path = beside;
    return true;
}

static bool resolve_paths(const char *file, struct lb_config *config)
{
    struct listener_config *l = config->listeners.items;
    for (size_t i = 0; i < config->listeners.count; i++) {
        struct tls_config *tls = l[i].tls;
        if (tls != NULL && (!resolve_path(file, &tls->certificate) ||
                            !resolve_path(file, &tls->key) || !resolve_path(file, &tls->client_ca)))
            return false;
    }
    struct backend_config *b = config->backends.items;
    for (size_t i = 0; i < config->backends.count; i++) {
        struct tls_client_config *tls = b[i].tls != NULL ? &b[i].tls->client : NULL;
        if (tls != NULL &&
            (!resolve_path(file, &tls->ca) || !resolve_path(file, &tls->certificate) ||
             !resolve_path(file, &tls->key)))
            return false;
    }
    return true;
}

bool lb_config_load(const char *path, struct lb_config *out, struct config_error *err)
{
    if (!config_load(path, &lb_config_schema, out, err))
        return false;
    struct checking c = {.file = path, .config = out, .err = err};
    bool ok = false;
    if (!fill_names(out) || !resolve_paths(path, out))
        config_fail(err, path, (struct config_position){0}, NULL, "out of memory");
    else
        ok = check_listeners(&c) && check_binds(&c) && check_backends(&c);
    if (!ok)
        lb_config_free(out);
    return ok;
}

void lb_config_free(struct lb_config *config)
{
    config_free(&lb_config_schema, config);
    memset(config, 0, sizeof(*config));
}

unsigned lb_config_workers(const struct lb_config *config)
{
    if (strcmp(config->workers, "auto") != 0)
        return (unsigned)strtoul(config->workers, NULL, 10);
    cpu_set_t cpus;
    int n = sched_getaffinity(0, sizeof(cpus), &cpus) == 0 ? CPU_COUNT(&cpus) : 1;
    if (n < 1)
        return 1;
    return (unsigned)n < LB_WORKERS_MAX ? (unsigned)n : LB_WORKERS_MAX;
}
