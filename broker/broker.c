/*
 * Puts the modules together: makes them in the order in which they need each other, and takes them
 * apart in the opposite one.
 */
#include "broker/broker.h"

#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>

#include <event2/event.h>

#include "broker/admin/broker_metrics.h"
#include "broker/admin/clients_api.h"
#include "broker/admin/sys_topics.h"
#include "broker/auth/auth.h"
#include "broker/auth/sources/user_store.h"
#include "broker/base/broker_config.h"
#include "broker/base/tally.h"
#include "broker/client/context.h"
#include "broker/client/publish_rate.h"
#include "broker/connection/admission.h"
#include "broker/connection/client_life.h"
#include "broker/delivery/fanout.h"
#include "broker/delivery/publish.h"
#include "broker/delivery/publish_bounds.h"
#include "broker/delivery/share.h"
#include "broker/drain.h"
#include "broker/fleet/users/fleet_users.h"
#include "broker/loop/auth_recheck.h"
#include "broker/loop/host.h"
#include "broker/loop/shed.h"
#include "broker/loop/turn.h"
#include "broker/message/encode.h"
#include "broker/net/listener.h"
#include "broker/net/tls_contexts.h"
#include "broker/routing/router.h"
#include "broker/routing/session.h"
#include "broker/store/store.h"
#include "common/http/http_admin.h"
#include "common/log/log.h"
#include "common/metrics/metrics.h"
#include "common/process/descriptors.h"
#include "common/process/secret_memory.h"

static struct event_base *new_base(void)
{
    struct event_config *config = event_config_new();
    if (config == NULL)
        return NULL;
    event_config_require_features(config, EV_FEATURE_ET | EV_FEATURE_EARLY_CLOSE);
    event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
    struct event_base *base = event_base_new_with_config(config);
    event_config_free(config);
    return base;
}

static bool make_store(struct broker *b, char *err, size_t errlen)
{
    const struct limits_config *limits = &b->config->limits;
    struct store_host host = host_of(b);
    if (b->config->redis.url != NULL) {
        struct store_redis_config redis = broker_config_store_redis(b->config);
        b->store = store_redis_new(b->base, &redis, &host, b->metrics, err, errlen);
        return b->store != NULL;
    }
    struct store_memory_config config = {.hash_key = b->hash_key,
                                         .queue_limit = limits->max_queued_messages,
                                         .queue_limit_bytes = limits->max_queued_bytes,
                                         .session_limit = limits->max_durable_sessions,
                                         .share_strategy = b->config->shared.strategy,
                                         .redispatch_after_ms =
                                             b->config->shared.redispatch_after_ms,
                                         .retained_limit = limits->max_retained_messages,
                                         .budget = &b->memory,
                                         .stats = &b->stats};
    const struct store_config *file = &b->config->store;
    if (file->file != NULL && *file->file != '\0') {
        struct store_file_config in_file = {
            .path = file->file, .sync = file->sync, .memory = config};
        b->store = store_file_new(b->base, &in_file, &host, b->metrics, err, errlen);
    } else {
        b->store = store_memory_new(&config, &host);
    }
    return b->store != NULL;
}

/* Users in Redis, which the fleet reaches. */
static bool use_users(struct broker *b, char *err, size_t errlen)
{
    if (!auth_wants_users(b->auth))
        return true;
    if (b->config->redis.url == NULL) {
        snprintf(err, errlen, "auth.chain: redis needs redis.url, or --redis");
        return false;
    }
    struct user_store users = fleet_users_store(b->store);
    return auth_use_users(b->auth, &users);
}

/* What doesn't depend on addresses and files. */
static bool make_parts(struct broker *b)
{
    b->base = new_base();
    b->metrics = metrics_new();
    b->encoder = encoder_new();
    b->read_buffer = secret_memory_new(REST_MAX + READ_SIZE); /* passwords pass through it */
    b->sessions = session_table_new(b->hash_key);
    if (b->base == NULL || b->metrics == NULL || b->encoder == NULL || b->read_buffer == NULL ||
        b->sessions == NULL)
        return false;
    struct router_hooks hooks = publish_router_hooks(b);
    b->router = router_new(b->hash_key, &hooks);
    if (b->router == NULL)
        return false;
    b->fanouts = fanouts_new(b->router);
    return b->fanouts != NULL && broker_metrics_init(b) && turn_init(b);
}

/* A browser lets any page connect to any address that it reaches, and a client without a password needs nothing more. */
static void warn_of_pages(const struct broker *b, const struct listener_config *l)
{
    bool anonymous = l->auth.anonymous == ANONYMOUS_AS_AUTH ? b->config->auth.anonymous
                                                            : l->auth.anonymous == ANONYMOUS_YES;
    if (l->protocol == LISTENER_WEBSOCKET && l->origins.count == 0 && anonymous)
        LOG_WARN("any_page_may_connect", KV_STR("listener", l->bind),
                 KV_STR("hint", "anonymous is on: name the web pages that may in origins"));
}

static bool make_listeners(struct broker *b, char *err, size_t errlen)
{
    const struct config_list *list = &b->config->listeners;
    const struct listener_config *items = list->items;
    if (list->count == 0) {
        snprintf(err, errlen, "no listeners: name one in the configuration or by --listen");
        return false;
    }
    b->tls = tls_contexts_new(list, err, errlen);
    if (b->tls == NULL)
        return false;
    b->listeners = calloc(list->count, sizeof(*b->listeners));
    if (b->listeners == NULL)
        return false;
    struct listener_owner owner = {.base = b->base, .accepted = admission_accepted, .arg = b};
    for (size_t i = 0; i < list->count; i++) {
        b->listeners[i] = listener_new(&owner, &items[i], err, errlen);
        if (b->listeners[i] == NULL)
            return false;
        b->listener_count++;
        warn_of_pages(b, &items[i]);
    }
    return true;
}

static bool make_admin(struct broker *b, char *err, size_t errlen)
{
    const char *bind = b->config->admin.bind;
    if (bind == NULL)
        return true;
    b->admin = http_admin_new(b->base, bind, err, errlen);
    return b->admin != NULL && http_admin_set_hosts(b->admin, &b->config->admin.hosts) &&
           broker_metrics_serve(b) && clients_api_serve(b);
}

/* Once all is open that is open without clients. */
static void share_descriptors(struct broker *b)
{
    uint32_t limit = descriptors_raise_limit();
    uint32_t open = descriptors_open();
    b->client_limit = descriptors_for_clients(limit, open);
    if (b->client_limit > b->config->limits.max_connections)
        b->client_limit = b->config->limits.max_connections;
    if (b->admin != NULL)
        http_admin_set_connections(b->admin, descriptors_for_http(limit));
    LOG_INFO("descriptors", KV_UINT("limit", limit), KV_UINT("open", open),
             KV_UINT("clients", b->client_limit));
}

struct broker *broker_new_core(const struct broker_config *config, const struct broker_random *r,
                               bool implicit_anonymous, char *err, size_t errlen)
{
    snprintf(err, errlen, "out of memory");
    struct broker *b = calloc(1, sizeof(*b));
    if (b == NULL)
        return NULL;
    b->config = config;
    b->takes_all_as_it_comes = publish_bounds_none(b->config);
    b->hash_key = r->hash_key;
    b->last_message_id.node = r->message_node;
    broker_config_packet_limits(&config->limits, b->packet_limits);
    shed_init(b);
    if (!make_parts(b))
        goto fail;
    b->auth = auth_new(b->base, config, implicit_anonymous, b->hash_key, err, errlen);
    if (b->auth == NULL)
        goto fail;
    b->recheck = auth_recheck_new(b);
    if (b->recheck == NULL || !make_store(b, err, errlen) || !use_users(b, err, errlen) ||
        !share_declare_groups(b))
        goto fail;
    b->sys = sys_topics_new(b, config->sys_interval_ms);
    if (b->sys == NULL)
        goto fail;
    return b;
fail:
    broker_free(b);
    return NULL;
}

struct broker *broker_new(const struct broker_config *config, bool implicit_anonymous, char *err,
                          size_t errlen)
{
    struct broker_random random;
    snprintf(err, errlen, "no random numbers");
    if (RAND_bytes((unsigned char *)&random, sizeof(random)) != 1)
        return NULL;
    struct broker *b = broker_new_core(config, &random, implicit_anonymous, err, errlen);
    if (b == NULL)
        return NULL;
    b->drain = drain_new(b);
    if (b->drain == NULL || !make_admin(b, err, errlen) || !make_listeners(b, err, errlen)) {
        broker_free(b);
        return NULL;
    }
    share_descriptors(b);
    if (store_health(b->store) == STORE_READY && !admission_open(b, err, errlen)) {
        broker_free(b);
        return NULL;
    }
    return b;
}

bool broker_run(struct broker *b)
{
    turn_run(b);
    return !b->failed;
}

void broker_free(struct broker *b)
{
    if (b == NULL)
        return;
    while (b->clients != NULL)
        client_close_silently(b->clients, END_SHUTDOWN);
    for (size_t i = 0; i < b->listener_count; i++)
        listener_free(b->listeners[i]);
    free(b->listeners);
    http_admin_free(b->admin);
    drain_free(b->drain);
    store_free(b->store); /* completes what is under way */
    b->store = NULL;      /* groups of the router end after it */
    sys_topics_free(b->sys);
    turn_fini(b);
    tls_contexts_free(b->tls);
    auth_recheck_free(b->recheck);
    auth_free(b->auth);
    fanouts_free(b->fanouts);
    router_free(b->router);
    publish_rates_free(b->publish_rates);
    tally_free(b->addresses);
    tally_free(b->users);
    session_table_free(b->sessions);
    encoder_free(b->encoder);
    metrics_free(b->metrics);
    secret_memory_free(b->read_buffer, REST_MAX + READ_SIZE);
    free(b->props_buffer);
    if (b->base != NULL) {
        event_base_loop(b->base, EVLOOP_NONBLOCK); /* what a resolver has left (redis_dial.h) */
        event_base_free(b->base);
    }
    free(b);
}
