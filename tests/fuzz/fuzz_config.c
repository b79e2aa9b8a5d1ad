/*
 * Fuzzes the YAML loader with a schema that has every kind of field. An accepted file gives values
 * within their limits; a refused one names a place; nothing leaks, and a released struct is zeroed.
 */
#include "common/config/config.h"

#include <stdlib.h>
#include <string.h>

#include "common/net/address.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const balance_names[] = {"leastconn", "roundrobin", NULL};
static const char *const auto_name[] = {"auto", NULL};

struct check {
    uint64_t interval_ms;
    uint32_t rise;
};
static const struct config_field check_fields[] = {
    {.key = "interval",
     .kind = CONFIG_DURATION,
     .at = offsetof(struct check, interval_ms),
     .min = 1,
     .max = 3600000,
     .fallback = "2s"},
    {.key = "rise",
     .kind = CONFIG_UINT,
     .at = offsetof(struct check, rise),
     .min = 1,
     .max = 100,
     .fallback = "3"},
};
static const struct config_schema check_schema = CONFIG_SCHEMA(struct check, check_fields);

struct server {
    char *name, *address;
    struct config_position address_at;
};
static const struct config_field server_fields[] = {
    {.key = "name", .kind = CONFIG_STRING, .at = offsetof(struct server, name), .required = true},
    {.key = "address",
     .kind = CONFIG_STRING,
     .at = offsetof(struct server, address),
     .check = address_check},
    {.key = "address", .kind = CONFIG_POSITION, .at = offsetof(struct server, address_at)},
};
static const struct config_schema server_schema = CONFIG_SCHEMA(struct server, server_fields);

struct backend {
    char *name;
    int balance;
    struct config_list servers;
    struct check check;
};
static const struct config_field backend_fields[] = {
    {.key = NULL, .kind = CONFIG_STRING, .at = offsetof(struct backend, name)},
    {.key = "balance",
     .kind = CONFIG_ENUM,
     .at = offsetof(struct backend, balance),
     .names = balance_names,
     .fallback = "leastconn"},
    {.key = "servers",
     .kind = CONFIG_LIST,
     .at = offsetof(struct backend, servers),
     .sub = &server_schema},
    {.key = "health_check",
     .kind = CONFIG_STRUCT,
     .at = offsetof(struct backend, check),
     .sub = &check_schema},
};
static const struct config_schema backend_schema = CONFIG_SCHEMA(struct backend, backend_fields);

struct root {
    uint32_t workers;
    bool enabled;
    uint64_t limit_bytes;
    struct config_strings networks;
    struct config_list backends;
    struct check *extra;
};
static const struct config_field root_fields[] = {
    {.key = "workers",
     .kind = CONFIG_UINT,
     .at = offsetof(struct root, workers),
     .min = 1,
     .max = 64,
     .names = auto_name,
     .fallback = "auto"},
    {.key = "enabled",
     .kind = CONFIG_BOOL,
     .at = offsetof(struct root, enabled),
     .fallback = "true"},
    {.key = "limit",
     .kind = CONFIG_SIZE,
     .at = offsetof(struct root, limit_bytes),
     .min = 16,
     .fallback = "64k"},
    {.key = "networks", .kind = CONFIG_STRINGS, .at = offsetof(struct root, networks)},
    {.key = "backends",
     .kind = CONFIG_MAP,
     .at = offsetof(struct root, backends),
     .sub = &backend_schema},
    {.key = "extra",
     .kind = CONFIG_OPTIONAL,
     .at = offsetof(struct root, extra),
     .sub = &check_schema},
};
static const struct config_schema root_schema = CONFIG_SCHEMA(struct root, root_fields);

static void demand(bool condition)
{
    if (!condition)
        abort();
}

static void demand_check_in_range(const struct check *c)
{
    demand(c->interval_ms >= 1 && c->interval_ms <= 3600000);
    demand(c->rise >= 1 && c->rise <= 100);
}

static void demand_backend_in_range(const struct backend *b)
{
    demand(b->name != NULL && (b->balance == 0 || b->balance == 1));
    demand_check_in_range(&b->check);
    const struct server *servers = b->servers.items;
    for (size_t i = 0; i < b->servers.count; i++)
        demand(servers[i].name != NULL);
}

static void demand_root_in_range(const struct root *r)
{
    demand(r->workers <= 64);
    demand(r->limit_bytes >= 16);
    for (size_t i = 0; i < r->networks.count; i++)
        demand(r->networks.items[i] != NULL);
    const struct backend *backends = r->backends.items;
    for (size_t i = 0; i < r->backends.count; i++)
        demand_backend_in_range(&backends[i]);
    if (r->extra != NULL)
        demand_check_in_range(r->extra);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct root zeroed;
    struct config_error err = {.text = ""};
    struct root root;
    memset(&root, 0, sizeof(root));
    if (config_parse("fuzz.yaml", (const char *)data, size, &root_schema, &root, &err)) {
        demand_root_in_range(&root);
    } else {
        demand(strncmp(err.text, "fuzz.yaml:", 10) == 0);
        demand(memchr(err.text, 0, sizeof(err.text)) != NULL);
    }
    config_free(&root_schema, &root);
    demand(memcmp(&root, &zeroed, sizeof(root)) == 0);
    return 0;
}
