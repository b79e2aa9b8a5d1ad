/*
 * The YAML tables of the broker. conf/broker.yaml shows them at work; docs/configuration.md is made
 * from them.
 */
#include "broker/base/broker_config.h"

#include "broker/base/broker_config_parts.h"
#include "common/http/http_host.h"
#include "common/log/log.h"
#include "common/net/address.h"

static const struct config_field admin_fields[] = {
    {.key = "bind",
     .kind = CONFIG_STRING,
     FIELD(admin_config, bind),
     .check = address_check,
     .fixed = true,
     .help = "Address of /metrics, /healthz and /readyz. Without it there is no admin port."},
    {.key = "hosts",
     .kind = CONFIG_STRINGS,
     FIELD(admin_config, hosts),
     .check = http_host_check_name,
     .help = "Names under which the HTTP port is asked for, besides addresses and localhost. A "
             "request to another name is refused: a web page may have made that name resolve to "
             "this host."},
    {.key = "bind", .kind = CONFIG_POSITION, FIELD(admin_config, bind_at)},
};
static const struct config_schema admin_schema = CONFIG_SCHEMA(struct admin_config, admin_fields);

static const struct config_field log_fields[] = {
    {.key = "level",
     .kind = CONFIG_ENUM,
     FIELD(log_config, level),
     .names = log_level_names,
     .fallback = "info",
     .help = "The least important lines that are written."},
    {.key = "format",
     .kind = CONFIG_ENUM,
     FIELD(log_config, format),
     .names = log_format_names,
     .fallback = "text",
     .help = "text for people, json (Elastic Common Schema) for machines."},
};
static const struct config_schema log_schema = CONFIG_SCHEMA(struct log_config, log_fields);

static const struct config_field broker_fields[] = {
    {.key = "listeners",
     .kind = CONFIG_LIST,
     FIELD(broker_config, listeners),
     .sub = &listener_schema,
     .fixed = true,
     .help = "Where clients connect."},
    {.key = "redis",
     .kind = CONFIG_STRUCT,
     FIELD(broker_config, redis),
     .sub = &redis_schema,
     .fixed = true,
     .help = "The store that makes brokers a fleet."},
    {.key = "fleet",
     .kind = CONFIG_STRUCT,
     FIELD(broker_config, fleet),
     .sub = &fleet_schema,
     .fixed = true,
     .help = "How brokers watch each other; the same for all of them."},
    {.key = "auth",
     .kind = CONFIG_STRUCT,
     FIELD(broker_config, auth),
     .sub = &auth_schema,
     .help = "Which clients may connect, and what they may do."},
    {.key = "mqtt",
     .kind = CONFIG_STRUCT,
     FIELD(broker_config, mqtt),
     .sub = &mqtt_schema,
     .help = "Which parts of the protocol clients may use, and what 5.0 clients are told."},
    {.key = "limits",
     .kind = CONFIG_STRUCT,
     FIELD(broker_config, limits),
     .sub = &limits_schema,
     .help = "Every bound, and what happens there."},
    {.key = "shared",
     .kind = CONFIG_STRUCT,
     FIELD(broker_config, shared),
     .sub = &shared_config_schema,
     .help = "Shared subscriptions; the same for all brokers of a fleet."},
    {.key = "admin",
     .kind = CONFIG_STRUCT,
     FIELD(broker_config, admin),
     .sub = &admin_schema,
     .help = "The port for operators."},
    {.key = "log",
     .kind = CONFIG_STRUCT,
     FIELD(broker_config, log),
     .sub = &log_schema,
     .help = "What is written to standard error."},
    {.key = "drain_timeout",
     .kind = CONFIG_DURATION,
     FIELD(broker_config, drain_timeout_ms),
     .max = 3600000,
     .fallback = "8s",
     .help = "After SIGTERM clients are closed one after another within this time (Docker kills "
             "the process after 10 s)."},
    {.key = "sys_interval",
     .kind = CONFIG_DURATION,
     FIELD(broker_config, sys_interval_ms),
     .max = 3600000,
     .fallback = "10s",
     .help = "How often $SYS topics are published. 0: never."},
    {.key = "gather",
     .kind = CONFIG_BOOL,
     FIELD(broker_config, gather),
     .fallback = "true",
     .help = "While more than 4,000 messages per second come, none from clients that wait for "
             "answers, they may gather for 0.2 ms before they are handled, as long as that saves a "
             "third of the CPU; latency grows by 0.1 to 0.2 ms."},
};

const struct config_schema broker_config_schema =
    CONFIG_SCHEMA(struct broker_config, broker_fields);
