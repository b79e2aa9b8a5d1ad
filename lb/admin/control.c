/*
 * The pools by the name of their backend, and what the control thread is asked about the whole.
 */
#include "lb/admin/control.h"

#include <stdio.h>
#include <string.h>

static void on_server_up(void *arg)
{
    struct control *c = arg;
    if (c->workers != NULL)
        workers_wake(c->workers);
}

static void on_close_flows(struct server *server, void *arg)
{
    struct control *c = arg;
    workers_close_server(c->workers, server);
}

struct pool *control_find_pool(const struct control *c, const char *backend)
{
    struct pool *p;
    TAILQ_FOREACH (p, &c->pools, link)
        if (strcmp(p->name, backend) == 0)
            return p;
    return NULL;
}

struct server_set *control_set(const char *backend, void *control)
{
    struct control *c = control;
    struct pool *p = control_find_pool(c, backend);
    if (p == NULL) {
        p = pool_new(backend, &(struct pool_owner){.base = c->base,
                                                   .notify_fd = c->notify_fd,
                                                   .server_up = on_server_up,
                                                   .close_flows = on_close_flows,
                                                   .arg = c});
        if (p != NULL)
            TAILQ_INSERT_TAIL(&c->pools, p, link);
    }
    return p == NULL ? NULL : p->set;
}

bool control_is_ready(const struct control *c, char *why, size_t size)
{
    if (c->draining) {
        snprintf(why, size, "draining");
        return false;
    }
    if (c->snapshot == NULL) {
        snprintf(why, size, "starting");
        return false;
    }
    for (size_t i = 0; i < c->snapshot->listener_count; i++) {
        const struct snapshot_listener *l = &c->snapshot->listeners[i];
        if (!backend_is_available(l->backend)) {
            snprintf(why, size, "no server of backend %s is up", backend_name(l->backend));
            return false;
        }
    }
    return true;
}
