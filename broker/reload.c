#include "broker/reload.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include <event2/event.h>

#include "broker/admin/sys_topics.h"
#include "broker/auth/auth.h"
#include "broker/base/broker_config.h"
#include "broker/client/context.h"
#include "broker/delivery/publish_bounds.h"
#include "broker/loop/shed.h"
#include "broker/net/tls_contexts.h"
#include "common/config/config_diff.h"
#include "common/http/http_admin.h"
#include "common/log/log.h"

struct reload {
    struct broker *broker;
    struct broker_config *live;
    reload_complete_fn *complete;
    void *arg;
    struct event *signal;
};

/* ---- what may change ------------------------------------------------------------------------- */

struct objection {
    char *err;
    size_t errlen;
    bool refused;
};

static void refuse_fixed(void *arg, const struct config_change *change)
{
    struct objection *objection = arg;
    if (!change->fixed || objection->refused)
        return;
    objection->refused = true;
    snprintf(objection->err, objection->errlen, "%s: a change from %s to %s needs a restart",
             change->path, change->was, change->is);
}

static void log_change(void *arg, const struct config_change *change)
{
    (void)arg;
    LOG_INFO("config_changed", KV_STR("key", change->path), KV_STR("was", change->was),
             KV_STR("is", change->is));
}

/* ---- putting in force ------------------------------------------------------------------------ */

#define SWAP(type, a, b)                                                                           \
    do {                                                                                           \
        type swapped = (a);                                                                        \
        (a) = (b);                                                                                 \
        (b) = swapped;                                                                             \
    } while (0)

/* What listeners look up as they go; their binds are the same. */
static void swap_listeners(struct config_list *live, struct config_list *fresh)
{
    struct listener_config *a = live->items, *b = fresh->items;
    for (size_t i = 0; i < live->count; i++) {
        SWAP(int, a[i].proxy_protocol, b[i].proxy_protocol);
        SWAP(uint32_t, a[i].max_connections, b[i].max_connections);
        SWAP(char *, a[i].path, b[i].path);
        SWAP(struct config_strings, a[i].origins, b[i].origins);
        SWAP(int, a[i].auth.anonymous, b[i].auth.anonymous);
        SWAP(struct tls_config *, a[i].tls, b[i].tls);
        SWAP(uint64_t, a[i].handshake_timeout_ms, b[i].handshake_timeout_ms);
    }
}

/* What isn't here is fixed. */
static void swap(struct broker_config *live, struct broker_config *fresh)
{
    swap_listeners(&live->listeners, &fresh->listeners);
    SWAP(struct auth_config, live->auth, fresh->auth);
    SWAP(struct mqtt_config, live->mqtt, fresh->mqtt);
    SWAP(struct limits_config, live->limits, fresh->limits);
    SWAP(bool, live->shared.queue_alias, fresh->shared.queue_alias);
    SWAP(struct config_strings, live->admin.hosts, fresh->admin.hosts);
    SWAP(struct log_config, live->log, fresh->log);
    SWAP(uint64_t, live->drain_timeout_ms, fresh->drain_timeout_ms);
    SWAP(uint64_t, live->sys_interval_ms, fresh->sys_interval_ms);
    SWAP(bool, live->gather, fresh->gather);
}

/* What is made from the configuration and kept. `before`: what was in force. */
static void derive(struct broker *b, const struct broker_config *before)
{
    const struct broker_config *c = b->config;
    b->takes_all_as_it_comes = publish_bounds_none(b->config);
    broker_config_packet_limits(&c->limits, b->packet_limits);
    shed_set_limits(b);
    log_init("flotilla-broker", (enum log_level)c->log.level, (enum log_format)c->log.format);
    if (c->sys_interval_ms != before->sys_interval_ms)
        sys_topics_set_interval(b->sys, c->sys_interval_ms);
}

/* A connection that is under way must find what its listener was when it came. */
static bool prepare_tls(struct reload *r, const struct broker_config *fresh, char *err,
                        size_t errlen)
{
    const struct listener_config *was = r->live->listeners.items;
    const struct listener_config *is = fresh->listeners.items;
    if (r->broker->tls == NULL)
        return true;
    for (size_t i = 0; i < fresh->listeners.count; i++) {
        if ((was[i].tls == NULL) == (is[i].tls == NULL))
            continue;
        snprintf(err, errlen, "listeners[%zu].tls: that it comes or goes needs a restart", i);
        return false;
    }
    return tls_contexts_prepare(r->broker->tls, &fresh->listeners, err, errlen);
}

static bool put_in_force(void *arg, struct broker_config *fresh, char *err, size_t errlen)
{
    struct reload *r = arg;
    struct objection objection = {.err = err, .errlen = errlen};
    if (!r->complete(r->arg, fresh, err, errlen))
        return false;
    config_diff(&broker_config_schema, r->live, fresh, refuse_fixed, &objection);
    if (objection.refused || !prepare_tls(r, fresh, err, errlen))
        return false;
    if (r->broker->admin != NULL && !http_admin_set_hosts(r->broker->admin, &fresh->admin.hosts)) {
        snprintf(err, errlen, "admin.hosts: out of memory");
        return false;
    }
    config_diff(&broker_config_schema, r->live, fresh, log_change, NULL);
    swap(r->live, fresh);
    if (r->broker->tls != NULL)
        tls_contexts_commit(r->broker->tls);
    derive(r->broker, fresh);
    return true;
}

/* ---- the signal ------------------------------------------------------------------------------ */

static void on_signal(evutil_socket_t fd, short what, void *arg)
{
    struct reload *r = arg;
    (void)fd;
    (void)what;
    auth_reload(r->broker->auth);
}

struct reload *reload_new(struct broker *b, struct broker_config *live,
                          reload_complete_fn *complete, void *arg)
{
    struct reload *r = calloc(1, sizeof(*r));
    if (r == NULL)
        return NULL;
    *r = (struct reload){.broker = b, .live = live, .complete = complete, .arg = arg};
    r->signal = evsignal_new(b->base, SIGHUP, on_signal, r);
    if (r->signal == NULL || event_add(r->signal, NULL) != 0) {
        reload_free(r);
        return NULL;
    }
    auth_on_reload(b->auth, put_in_force, r);
    return r;
}

void reload_free(struct reload *r)
{
    if (r == NULL)
        return;
    auth_on_reload(r->broker->auth, NULL, NULL);
    if (r->signal != NULL)
        event_free(r->signal);
    free(r);
}
