/*
 * Loading broker.yaml: common/config fills the structs by the tables of broker_config.c; here follow the
 * check across listeners, and what other modules get of it in a form of their own.
 */
#include "broker/base/broker_config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/mqtt/mqtt.h"
#include "common/net/bind_address.h"

/* What a chain's source needs; NULL: it is there. */
static const char *lacks(const struct auth_config *auth, const char *source)
{
    if (strcmp(source, "file") == 0 && auth->password_file == NULL)
        return "auth.password_file";
    if (strcmp(source, "jwt") == 0 && auth->jwt.keys.count == 0)
        return "auth.jwt.keys";
    if (strcmp(source, "certificate") == 0 && auth->certificate.identity == CERTIFICATE_OFF)
        return "auth.certificate.identity";
    return NULL;
}

static bool check_chain(const struct broker_config *c, const struct config_strings *chain,
                        struct config_position at, const char *key, struct config_error *err)
{
    for (size_t i = 0; i < chain->count; i++) {
        const char *missing = lacks(&c->auth, chain->items[i]);
        if (missing != NULL)
            return config_fail(err, c->file, at, key, "%s needs %s", chain->items[i], missing);
        for (size_t j = 0; j < i; j++)
            if (strcmp(chain->items[i], chain->items[j]) == 0)
                return config_fail(err, c->file, at, key, "%s is there twice", chain->items[i]);
    }
    return true;
}

/* Nobody could ever log in by a source that has nothing. */
static bool check_chains(const struct broker_config *c, struct config_error *err)
{
    const struct listener_config *items = c->listeners.items;
    if (!check_chain(c, &c->auth.chain, c->auth.chain_at, "auth.chain", err))
        return false;
    for (size_t i = 0; i < c->listeners.count; i++) {
        char key[64];
        snprintf(key, sizeof(key), "listeners[%zu].auth.chain", i);
        if (!check_chain(c, &items[i].auth.chain, items[i].auth.chain_at, key, err))
            return false;
    }
    return true;
}

bool broker_config_load(const char *path, struct broker_config *out, struct config_error *err)
{
    if (!config_load(path, &broker_config_schema, out, err))
        return false;
    out->file = path;
    if (check_chains(out, err))
        return true;
    broker_config_free(out);
    return false;
}

bool broker_config_default(struct broker_config *out, struct config_error *err)
{
    return config_defaults(&broker_config_schema, out, err);
}

void broker_config_free(struct broker_config *c)
{
    config_free(&broker_config_schema, c);
}

bool broker_config_add_listener(struct broker_config *c, const char *bind)
{
    struct listener_config *items = c->listeners.items;
    struct listener_config *grown = realloc(items, (c->listeners.count + 1) * sizeof(*items));
    if (grown == NULL)
        return false;
    c->listeners.items = grown;
    struct listener_config *added = &grown[c->listeners.count];
    memset(added, 0, sizeof(*added));
    added->max_connections = c->limits.max_connections;
    added->bind = strdup(bind);
    if (added->bind == NULL)
        return false;
    c->listeners.count++;
    return true;
}

bool broker_config_check_binds(const struct broker_config *c, struct config_error *err)
{
    const struct listener_config *items = c->listeners.items;
    const char *file = c->file != NULL ? c->file : "command line";
    struct bind_claim *claims = calloc(c->listeners.count + 1, sizeof(*claims));
    size_t count = 0;
    if (claims == NULL)
        return config_fail(err, file, (struct config_position){0}, NULL, "out of memory");
    for (; count < c->listeners.count; count++) {
        claims[count] = (struct bind_claim){.text = items[count].bind, .at = items[count].bind_at};
        snprintf(claims[count].path, sizeof(claims[count].path), "listeners[%zu].bind", count);
    }
    if (c->admin.bind != NULL)
        claims[count++] = (struct bind_claim){
            .text = c->admin.bind, .at = c->admin.bind_at, .path = "admin.bind"};
    bool ok = bind_check_apart(claims, count, file, err);
    free(claims);
    return ok;
}

void broker_config_packet_limits(const struct limits_config *limits, uint32_t by_type[16])
{
    uint32_t most = (uint32_t)limits->max_packet_size;
    for (unsigned type = 0; type < 16; type++) {
        uint64_t limit = limits->max_ack_size;
        if (type == MQTT_PUBLISH)
            limit = most;
        else if (type == MQTT_CONNECT)
            limit = limits->max_connect_size;
        else if (type == MQTT_SUBSCRIBE || type == MQTT_UNSUBSCRIBE)
            limit = limits->max_subscribe_size;
        by_type[type] = limit < most ? (uint32_t)limit : most;
    }
    for (unsigned type = 1; type < 16; type++)
        if (by_type[type] < by_type[0])
            by_type[0] = by_type[type];
}

struct store_redis_config broker_config_store_redis(const struct broker_config *c)
{
    return (struct store_redis_config){
        .url = c->redis.url,
        .password_file = c->redis.password_file,
        .tls = c->redis.tls,
        .name = c->fleet.name,
        .connect_timeout_ms = c->redis.connect_timeout_ms,
        .command_timeout_ms = c->redis.command_timeout_ms,
        .reconnect_min_ms = c->redis.reconnect_min_ms,
        .reconnect_max_ms = c->redis.reconnect_max_ms,
        .lease_ms = c->fleet.lease_ms,
        .beat_interval_ms = c->fleet.beat_interval_ms,
        .hang_ms = c->fleet.hang_ms,
        .route_linger_ms = c->fleet.route_linger_ms,
        .dedup_window_ms = c->fleet.dedup_window_ms,
        .inbox_limit = c->fleet.inbox_limit,
        .dedup_limit = c->fleet.dedup_limit,
        .log_entries = c->fleet.log_entries,
        .log_bytes = c->fleet.log_bytes,
        .session_limit = c->limits.max_durable_sessions,
        .stored_limit_bytes = c->limits.max_stored_bytes,
        .queue_limit = c->limits.max_queued_messages,
        .queue_limit_bytes = c->limits.max_queued_bytes,
        .redispatch_after_ms = c->shared.redispatch_after_ms,
        .share_strategy = c->shared.strategy,
        .consistency = (enum fleet_consistency)c->fleet.consistency,
        .durability = (enum fleet_durability)c->fleet.durability,
    };
}
