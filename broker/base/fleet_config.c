/* The keys of `redis:` and `fleet:`. */
#include "broker/base/broker_config_parts.h"

#include "broker/base/broker_config.h"
#include "broker/base/fleet_name.h"
#include "common/redis/redis_url.h"

static const struct config_field redis_fields[] = {
    {.key = "url",
     .kind = CONFIG_STRING,
     FIELD(redis_config, url),
     .check = redis_url_check,
     .secret = true,
     .help = "Redis of the fleet, as redis://[user:password@]host[:port][/database], or with "
             "rediss:// by TLS. Without it the broker works alone, and keeps everything in memory "
             "or in store.file."},
    {.key = "password_file",
     .kind = CONFIG_STRING,
     FIELD(redis_config, password_file),
     .help =
         "Its first line is the password for Redis, instead of one in the url. Read at the start."},
    {.key = "tls",
     .kind = CONFIG_OPTIONAL,
     FIELD(redis_config, tls),
     .sub = &redis_tls_schema,
     .help = "How Redis is known, and what it is shown, where the url begins with rediss://. Read "
             "at the start. Without it the system's authorities are believed."},
    {.key = "connect_timeout",
     .kind = CONFIG_DURATION,
     FIELD(redis_config, connect_timeout_ms),
     .min = 10,
     .max = 60000,
     .fallback = "2s",
     .help = "How long a connection attempt to Redis may take."},
    {.key = "command_timeout",
     .kind = CONFIG_DURATION,
     FIELD(redis_config, command_timeout_ms),
     .min = 100,
     .max = 120000,
     .fallback = "5s",
     .help = "How long an answer may take before the connection counts as lost."},
    {.key = "reconnect_min",
     .kind = CONFIG_DURATION,
     FIELD(redis_config, reconnect_min_ms),
     .min = 10,
     .max = 60000,
     .fallback = "50ms",
     .help = "Shortest pause before connecting again; it doubles, with jitter."},
    {.key = "reconnect_max",
     .kind = CONFIG_DURATION,
     FIELD(redis_config, reconnect_max_ms),
     .min = 10,
     .max = 600000,
     .fallback = "2s",
     .help = "Longest pause before connecting again."},
};
const struct config_schema redis_schema = CONFIG_SCHEMA(struct redis_config, redis_fields);

static const char *const consistency_names[] = {"relaxed", "strict", NULL};
static const char *const durability_names[] = {"broker", "disk", "replica", NULL};

static const struct config_field fleet_fields[] = {
    {.key = "name",
     .kind = CONFIG_STRING,
     FIELD(fleet_config, name),
     .check = fleet_name_check,
     .help = "Sets this fleet apart from others in the same Redis database: it is in every key and "
             "channel. Up to 32 letters, digits, _ and -. Brokers without it, or with the same "
             "one, are one fleet."},
    {.key = "lease",
     .kind = CONFIG_DURATION,
     FIELD(fleet_config, lease_ms),
     .min = 500,
     .max = 600000,
     .fallback = "5s",
     .help = "A broker without a heartbeat for this long is declared dead by the others."},
    {.key = "beat_interval",
     .kind = CONFIG_DURATION,
     FIELD(fleet_config, beat_interval_ms),
     .min = 50,
     .max = 60000,
     .fallback = "1s",
     .help = "How often a broker sends a heartbeat."},
    {.key = "hang_timeout",
     .kind = CONFIG_DURATION,
     FIELD(fleet_config, hang_ms),
     .min = 1000,
     .max = 3600000,
     .fallback = "30s",
     .help = "A broker whose loop hasn't turned for this long stops its heartbeats, so that others "
             "take its clients. A broker that is merely busy goes on sending them."},
    {.key = "route_linger",
     .kind = CONFIG_DURATION,
     FIELD(fleet_config, route_linger_ms),
     .max = 3600000,
     .fallback = "30s",
     .help = "How long a route that no client needs any more stays, in case one comes back."},
    {.key = "dedup_window",
     .kind = CONFIG_DURATION,
     FIELD(fleet_config, dedup_window_ms),
     .min = 1000,
     .max = 604800000,
     .fallback = "1h",
     .help = "How long a QoS 2 message is remembered so that its resend is no repeat."},
    {.key = "dedup_limit",
     .kind = CONFIG_UINT,
     FIELD(fleet_config, dedup_limit),
     .min = 100,
     .max = 1000000,
     .fallback = "10000",
     .unit = "ids",
     .help =
         "How many QoS 2 messages one session remembers at most, about 124 bytes of Redis each; "
         "the oldest are forgotten first. Each of the 16 parts of the retained messages "
         "remembers five times as many."},
    {.key = "log_entries",
     .kind = CONFIG_UINT,
     FIELD(fleet_config, log_entries),
     .min = 1000,
     .max = 10000000,
     .fallback = "20000",
     .unit = "entries",
     .help = "How far back the log of subscriptions goes, about; a broker that was away for longer "
             "reads everything again."},
    {.key = "log_size",
     .kind = CONFIG_SIZE,
     FIELD(fleet_config, log_bytes),
     .min = 1 << 20,
     .max = 1 << 30,
     .fallback = "32M",
     .help = "The same in bytes."},
    {.key = "inbox_limit",
     .kind = CONFIG_UINT,
     FIELD(fleet_config, inbox_limit),
     .min = 1000,
     .max = 100000000,
     .fallback = "200000",
     .unit = "entries",
     .help = "Entries that may wait for one broker; above it publishers wait, then messages are "
             "dropped and its clean clients with QoS 1 or 2 are closed."},
    {.key = "consistency",
     .kind = CONFIG_ENUM,
     FIELD(fleet_config, consistency),
     .names = consistency_names,
     .fallback = "relaxed",
     .help = "strict: QoS 0 too waits until a subscription made elsewhere a moment ago is known."},
    {.key = "durability",
     .kind = CONFIG_ENUM,
     FIELD(fleet_config, durability),
     .names = durability_names,
     .fallback = "broker",
     .help = "What an acknowledged message survives: the death of brokers, a crash of Redis with "
             "its disk (needs appendonly yes and appendfsync always; else the broker isn't ready), "
             "or the loss of Redis (a replica has it; without one nothing is acknowledged)."},
};

static const char *check_fleet(const void *filled)
{
    const struct fleet_config *f = filled;
    if (f->beat_interval_ms * 2 > f->lease_ms)
        return "lease must be at least twice beat_interval";
    return NULL;
}

const struct config_schema fleet_schema = {
    .size = sizeof(struct fleet_config),
    .fields = fleet_fields,
    .count = sizeof(fleet_fields) / sizeof(fleet_fields[0]),
    .check = check_fleet,
};
