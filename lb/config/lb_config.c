/*
 * The tables of lb.yaml: every key, its limits, default and effect. listener_config.c and
 * backend_config.c have those of their sections, the rest is here. common/config reads by them;
 * lb_config_load.c has the checks that need more than one struct. docs/configuration.md is made
 * from these tables (`flotilla-lb --describe-config`).
 */
#include "lb/config/lb_config.h"

#include <stdlib.h>
#include <string.h>

#include "common/http/http_host.h"
#include "common/net/bind_address.h"
#include "lb/config/lb_config_parts.h"

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

static const char *check_workers(const char *text)
{
    char *end;
    if (strcmp(text, "auto") == 0)
        return NULL;
    unsigned long n = strtoul(text, &end, 10);
    if (*text < '0' || *text > '9' || *end != '\0' || n < 1 || n > LB_WORKERS_MAX)
        return "auto, or a number from 1 to 256";
    return NULL;
}

static const struct config_field admin_fields[] = {
    {.key = "bind",
     .kind = CONFIG_STRING,
     .at = offsetof(struct lb_config, admin.bind) - offsetof(struct lb_config, admin),
     .fallback = "127.0.0.1:9901",
     .check = bind_check,
     .help = "Address of the HTTP port: status page, metrics, API. There is no login; keep it on "
             "loopback or a private network."},
    {.key = "hosts",
     .kind = CONFIG_STRINGS,
     .at = offsetof(struct lb_config, admin.hosts) - offsetof(struct lb_config, admin),
     .check = http_host_check_name,
     .help = "Names under which the HTTP port is asked for, besides addresses and localhost. A "
             "request to another name is refused: a web page may have made that name resolve to "
             "this host."},
    {.key = "bind",
     .kind = CONFIG_POSITION,
     .at = offsetof(struct lb_config, admin.bind_at) - offsetof(struct lb_config, admin)},
};

static const struct config_schema admin_schema = {.size = sizeof(((struct lb_config *)NULL)->admin),
                                                  .fields = admin_fields,
                                                  .count = COUNT(admin_fields)};

static const struct config_field log_fields[] = {
    {.key = "level",
     .kind = CONFIG_ENUM,
     .at = offsetof(struct lb_config, log.level) - offsetof(struct lb_config, log),
     .names = (const char *const[]){"debug", "info", "warn", "error", NULL},
     .fallback = "info",
     .help = "What is logged."},
    {.key = "format",
     .kind = CONFIG_ENUM,
     .at = offsetof(struct lb_config, log.format) - offsetof(struct lb_config, log),
     .names = (const char *const[]){"text", "json", NULL},
     .fallback = "text",
     .help = "text for people, json (Elastic Common Schema) for machines."},
};

static const struct config_schema log_schema = {.size = sizeof(((struct lb_config *)NULL)->log),
                                                .fields = log_fields,
                                                .count = COUNT(log_fields)};

static const struct config_field lb_fields[] = {
    {.key = "workers",
     .kind = CONFIG_STRING,
     .at = offsetof(struct lb_config, workers),
     .fallback = "auto",
     .check = check_workers,
     .help = "Threads that carry traffic; auto: one per core. A change needs a restart."},
    {.key = "listeners",
     .kind = CONFIG_LIST,
     .at = offsetof(struct lb_config, listeners),
     .sub = &lb_listener_schema,
     .required = true,
     .help = "The addresses that devices connect to."},
    {.key = "backends",
     .kind = CONFIG_MAP,
     .at = offsetof(struct lb_config, backends),
     .sub = &lb_backend_schema,
     .required = true,
     .help = "Sets of brokers, by name."},
    {.key = "admin",
     .kind = CONFIG_STRUCT,
     .at = offsetof(struct lb_config, admin),
     .sub = &admin_schema,
     .help = "The HTTP port."},
    {.key = "log",
     .kind = CONFIG_STRUCT,
     .at = offsetof(struct lb_config, log),
     .sub = &log_schema,
     .help = "Log lines go to standard error."},
    {.key = "drain_timeout",
     .kind = CONFIG_DURATION,
     .at = offsetof(struct lb_config, drain_timeout_ms),
     .max = DAY_MS,
     .fallback = "8s",
     .help = "How long flows go on after SIGTERM (Docker kills the process after 10 s)."},
    {.key = "gather",
     .kind = CONFIG_BOOL,
     .at = offsetof(struct lb_config, gather),
     .fallback = "true",
     .help = "While more than 4,000 bursts per second come, none from clients that wait for "
             "answers, workers may let them gather for 0.2 ms before they handle them, as long as "
             "that saves a third of the CPU; latency grows by 0.1 to 0.2 ms per direction."},
    {.key = "listeners", .kind = CONFIG_POSITION, .at = offsetof(struct lb_config, listeners_at)},
};

const struct config_schema lb_config_schema = CONFIG_SCHEMA(struct lb_config, lb_fields);
