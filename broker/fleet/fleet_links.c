/* Opens the links of a node, says at each greeting what must be said first, and what a command was that
 * Redis didn't answer. */
#include "broker/fleet/fleet_links.h"

#include <event2/util.h>
#include <string.h>

#include "broker/fleet/connect/fleet_connect.h"
#include "broker/fleet/exchange/fleet_channel.h"
#include "broker/fleet/exchange/fleet_outbox.h"
#include "broker/fleet/exchange/inbox.h"
#include "broker/fleet/fence/fleet_cut.h"
#include "broker/fleet/hold/fleet_assert.h"
#include "broker/fleet/membership/fleet_register.h"
#include "broker/fleet/membership/reaper.h"
#include "broker/fleet/node/fleet.h"
#include "broker/fleet/node/fleet_clock.h"
#include "broker/fleet/node/fleet_stream.h"
#include "broker/fleet/publish/fleet_queue.h"
#include "broker/fleet/publish/fleet_retained.h"
#include "broker/fleet/session/fleet_disconnect.h"
#include "broker/fleet/session/fleet_due.h"
#include "broker/fleet/storage/fleet_disk.h"
#include "broker/fleet/storage/fleet_replicas.h"
#include "common/log/log.h"

static bool server_is_usable(const struct redis_server_info *info)
{
    if (info->major < 7) {
        LOG_ERROR("redis_too_old", KV_STR("version", info->version), KV_STR("needed", "7.0"));
        return false;
    }
    if (strcmp(info->maxmemory_policy, "noeviction") == 0)
        return true;
    if (info->maxmemory != 0) {
        LOG_ERROR("redis_evicts", KV_STR("maxmemory_policy", info->maxmemory_policy),
                  KV_STR("needed", "noeviction: an evicted session is a lost one"));
        return false;
    }
    LOG_WARN("redis_would_evict", KV_STR("maxmemory_policy", info->maxmemory_policy),
             KV_STR("advice", "set maxmemory-policy noeviction before maxmemory"));
    return true;
}

static bool on_greeted(void *arg, struct redis_link *link, const struct redis_server_info *info)
{
    struct fleet *f = arg;
    if (link == f->commands && !server_is_usable(info))
        return false;
    metric_add(f->metrics.reconnects, 1);
    if (link == f->channel)
        return fleet_channel_greeted(f);
    if (link == f->replica_link)
        fleet_replicas_greeted(f, info->run_id);
    if (link == f->commands) {
        bool other = f->run_id[0] != '\0' && strcmp(f->run_id, info->run_id) != 0;
        memcpy(f->run_id, info->run_id, sizeof(f->run_id));
        memcpy(f->run_tag, info->run_id, sizeof(f->run_tag) - 1);
        fleet_register_begin(f, info->connection, other);
        redis_link_hurry(f->inbox_link); /* nodes that asked for clients meanwhile wait */
        if (other) {
            fleet_clock_forget(f->clock);
            fleet_cut_run_changed(f);
            fleet_queues_run_changed(f);
            fleet_retaining_run_changed(f);
            outboxes_run_changed(f);
            fleet_connects_run_changed(f);
            fleet_holds_run_changed(f);
            fleet_disconnects_run_changed(f);
            fleet_due_run_changed(f);
            reapers_run_changed(f);
        }
        f->runs += other ? 1 : 0;
        fleet_disk_greeted(f);
        if (other && fleet_is_joined(f))
            fleet_reload(f, "another run of Redis");
    }
    return true;
}

static bool on_enter(void *arg, struct redis_link *link)
{
    struct fleet *f = arg;
    return link != f->commands || fleet_register_enter(f);
}

/* The name of a command as Redis reads it: *3\r\n$7\r\nEVALSHA\r\n$40\r\n... */
static void command_name(const struct fleet *f, const char *command, size_t len, char *out,
                         size_t size)
{
    const char *name = memchr(command, '$', len);
    const char *end = command + len;
    evutil_snprintf(out, size, "unknown");
    if (name != NULL)
        name = memchr(name, '\n', (size_t)(end - name));
    if (name == NULL)
        return;
    name++;
    evutil_snprintf(out, size, "%.*s", (int)strcspn(name, "\r"), name);
    const char *sha = memchr(name, '$', (size_t)(end - name));
    if (strcmp(out, "EVALSHA") != 0 || sha == NULL || end - sha < 5 + 40)
        return;
    name = scripts_name(&f->scripts, sha + 5);
    if (name != NULL)
        evutil_snprintf(out, size, "script %s", name);
}

static void on_given_up(void *arg, struct redis_link *link, const char *command, size_t len)
{
    struct fleet *f = arg;
    (void)link;
    char name[48];
    command_name(f, command, len, name, sizeof(name));
    LOG_ERROR("redis_command_given_up", KV_STR("command", name), KV_UINT("bytes", len),
              KV_STR("why", "Redis didn't answer it in time, several times"));
    metric_add(f->metrics.given_up, 1);
}

static void on_message(void *arg, const char *payload, size_t len)
{
    inbox_take_channel(arg, payload, len);
}

static void on_round_trip(void *arg, double seconds)
{
    struct fleet *f = arg;
    metric_observe(f->metrics.round_trip, seconds);
}

bool fleet_links_open(struct fleet *f)
{
    struct redis_link_config cfg = {
        .url = &f->url,
        .tls = f->tls,
        .connect_timeout_ms = f->cfg.connect_timeout_ms,
        .command_timeout_ms = f->cfg.command_timeout_ms,
        .backoff_min_ms = f->cfg.reconnect_min_ms,
        .backoff_max_ms = f->cfg.reconnect_max_ms,
        .scripts = f->scripts.text,
        .script_count = SCRIPT_COUNT,
        .arg = f,
        .greeted = on_greeted,
        .enter = on_enter,
        .message = on_message,
        .given_up = on_given_up,
    };
    cfg.name = "commands";
    cfg.round_trip = on_round_trip;
    f->commands = redis_link_new(f->base, &cfg);
    cfg.round_trip = NULL;
    cfg.script_count = 0;
    cfg.command_timeout_ms += FLEET_STREAM_BLOCK_MS;
    cfg.name = "inbox";
    f->inbox_link = redis_link_new(f->base, &cfg);
    cfg.name = "log";
    f->log_link = redis_link_new(f->base, &cfg);
    cfg.name = "replicas";
    if (f->cfg.durability == DURABILITY_REPLICA) {
        f->replica_link = redis_link_new(f->base, &cfg);
        if (f->replica_link == NULL)
            return false;
    }
    cfg.name = "channel";
    cfg.pubsub = true;
    f->channel = redis_link_new(f->base, &cfg);
    if (f->commands == NULL || f->inbox_link == NULL || f->log_link == NULL || f->channel == NULL)
        return false;
    f->q = redis_link_queue(f->commands);
    return true;
}

void fleet_links_free(struct fleet *f)
{
    struct redis_link *links[] = {f->commands, f->inbox_link, f->log_link, f->channel,
                                  f->replica_link};
    for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++)
        redis_link_free(links[i]);
}
