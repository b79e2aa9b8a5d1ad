/* The keys of one of `backends:`: its servers, how they are found, and how they are checked. */
#include "lb/config/lb_config_parts.h"

#include <stdlib.h>
#include <string.h>

#include "common/net/address.h"
#include "lb/config/lb_config.h"

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

static const char *check_server_address(const char *text)
{
    struct sockaddr_storage addr;
    socklen_t len;
    if (!address_parse(text, &addr, &len) || address_port(&addr) == 0)
        return "an IP address and port, as 10.0.0.3:1883 (a name goes into discover.dns)";
    return NULL;
}

static const char *check_path(const char *text)
{
    if (*text != '/' || strpbrk(text, " \r\n") != NULL || strlen(text) > 255)
        return "a path that starts with / and has no spaces, at most 255 bytes";
    return NULL;
}

static const char *check_login(const char *text)
{
    return strlen(text) <= 255 ? NULL : "at most 255 bytes";
}

static const struct config_field server_fields[] = {
    {.key = "name",
     .kind = CONFIG_STRING,
     .at = offsetof(struct server_config, name),
     .help = "Name in logs, metrics and the HTTP API; the address when left out."},
    {.key = "address",
     .kind = CONFIG_STRING,
     .at = offsetof(struct server_config, address),
     .required = true,
     .check = check_server_address,
     .help = "IP address and port of the broker."},
    {.key = "weight",
     .kind = CONFIG_UINT,
     .at = offsetof(struct server_config, weight),
     .max = 256,
     .fallback = "1",
     .help = "Share of the flows, relative to the other servers; 0: no new flows."},
    {.key = "check_port",
     .kind = CONFIG_UINT,
     .at = offsetof(struct server_config, check_port),
     .max = 65535,
     .fallback = "0",
     .help = "Port that health checks of this server go to; 0: as health_check.port says."},
    {.key = "name", .kind = CONFIG_POSITION, .at = offsetof(struct server_config, name_at)},
    {.key = "address", .kind = CONFIG_POSITION, .at = offsetof(struct server_config, address_at)},
};

static const struct config_schema server_schema =
    CONFIG_SCHEMA(struct server_config, server_fields);

static const struct config_field check_fields[] = {
    {.key = "type",
     .kind = CONFIG_ENUM,
     .at = offsetof(struct check_config, type),
     .names = (const char *const[]){"tcp", "mqtt", "http", "none", NULL},
     .fallback = "tcp",
     .help = "tcp: connects; mqtt: CONNECT, CONNACK, DISCONNECT as a client of its own; http: GET "
             "that must be answered by 2xx; none: only refused connects count, for one interval."},
    {.key = "interval",
     .kind = CONFIG_DURATION,
     .at = offsetof(struct check_config, interval_ms),
     .min = 50,
     .max = HOUR_MS,
     .fallback = "2s",
     .help = "From one check to the next, plus or minus a tenth."},
    {.key = "fast_interval",
     .kind = CONFIG_DURATION,
     .at = offsetof(struct check_config, fast_interval_ms),
     .min = 10,
     .max = HOUR_MS,
     .fallback = "250ms",
     .help = "The interval while in doubt: a streak is under way, or the server is new or just "
             "went down (for 40 checks)."},
    {.key = "timeout",
     .kind = CONFIG_DURATION,
     .at = offsetof(struct check_config, timeout_ms),
     .min = 10,
     .max = HOUR_MS,
     .fallback = "1s",
     .help = "A check that isn't done by then has failed."},
    {.key = "rise",
     .kind = CONFIG_UINT,
     .at = offsetof(struct check_config, rise),
     .min = 1,
     .max = 100,
     .fallback = "2",
     .help = "Checks in a row that must pass before a server that was down gets flows again; a "
             "new server needs one."},
    {.key = "fall",
     .kind = CONFIG_UINT,
     .at = offsetof(struct check_config, fall),
     .min = 1,
     .max = 100,
     .fallback = "3",
     .help = "Checks in a row that must fail before a server is down; a flow's refused connect "
             "counts at once."},
    {.key = "port",
     .kind = CONFIG_UINT,
     .at = offsetof(struct check_config, port),
     .max = 65535,
     .fallback = "0",
     .help = "Port that checks go to; 0: the server's own. http checks need one."},
    {.key = "path",
     .kind = CONFIG_STRING,
     .at = offsetof(struct check_config, path),
     .fallback = "/readyz",
     .check = check_path,
     .help = "What an http check gets."},
    {.key = "username",
     .kind = CONFIG_STRING,
     .at = offsetof(struct check_config, username),
     .check = check_login,
     .help =
         "User name in the CONNECT of an mqtt check. Without it, a broker that refuses the check "
         "for want of a login counts as alive."},
    {.key = "password",
     .kind = CONFIG_STRING,
     .at = offsetof(struct check_config, password),
     .check = check_login,
     .secret = true,
     .help = "Password in the CONNECT of an mqtt check."},
};

static const char *check_check(const void *filled)
{
    const struct check_config *check = filled;
    if (check->password != NULL && check->username == NULL)
        return "password needs username";
    return NULL;
}

static const struct config_schema check_schema = {.size = sizeof(struct check_config),
                                                  .fields = check_fields,
                                                  .count = COUNT(check_fields),
                                                  .check = check_check};

static const struct config_field discover_fields[] = {
    {.key = "dns",
     .kind = CONFIG_STRING,
     .at = offsetof(struct discover_config, dns),
     .required = true,
     .help = "Name and port, as broker:1883; every A and AAAA record is a server, named by its "
             "address. With srv: a service name without port."},
    {.key = "srv",
     .kind = CONFIG_BOOL,
     .at = offsetof(struct discover_config, srv),
     .fallback = "false",
     .help = "Asks for SRV records: targets, ports and weights come from them."},
    {.key = "refresh",
     .kind = CONFIG_DURATION,
     .at = offsetof(struct discover_config, refresh_ms),
     .min = 50,
     .max = DAY_MS,
     .fallback = "1s",
     .help = "From one answer to the next question."},
    {.key = "hold",
     .kind = CONFIG_DURATION,
     .at = offsetof(struct discover_config, hold_ms),
     .max = DAY_MS,
     .fallback = "30s",
     .help = "How long the last good answer counts while the resolver fails, is silent, or knows "
             "no address. An address that a good answer leaves out is removed at once."},
    {.key = "timeout",
     .kind = CONFIG_DURATION,
     .at = offsetof(struct discover_config, timeout_ms),
     .min = 50,
     .max = HOUR_MS,
     .fallback = "1s",
     .help = "A name server that hasn't answered by then is asked once more, then the question "
             "has failed."},
    {.key = "resolver",
     .kind = CONFIG_STRING,
     .at = offsetof(struct discover_config, resolver),
     .check = check_server_address,
     .help = "Name server to ask, as 127.0.0.1:53; those of /etc/resolv.conf when left out."},
    {.key = "weight",
     .kind = CONFIG_UINT,
     .at = offsetof(struct discover_config, weight),
     .max = 256,
     .fallback = "1",
     .help = "Weight of each discovered server."},
};

static const char *check_discover(const void *filled)
{
    const struct discover_config *d = filled;
    if (d->srv)
        return strchr(d->dns, ':') == NULL ? NULL : "dns: a service name without port (srv is on)";
    const char *colon = strrchr(d->dns, ':');
    char *end = NULL;
    unsigned long port = colon == NULL ? 0 : strtoul(colon + 1, &end, 10);
    if (colon == d->dns || port < 1 || port > 65535 || *end != '\0')
        return "dns: a name and port, as broker:1883";
    return NULL;
}

static const struct config_schema discover_schema = {.size = sizeof(struct discover_config),
                                                     .fields = discover_fields,
                                                     .count = COUNT(discover_fields),
                                                     .check = check_discover};

static const struct config_field backend_fields[] = {
    {.key = NULL, .kind = CONFIG_STRING, .at = offsetof(struct backend_config, name)},
    {.key = "balance",
     .kind = CONFIG_ENUM,
     .at = offsetof(struct backend_config, balance),
     .names = (const char *const[]){"leastconn", "roundrobin", "random", "hash", NULL},
     .fallback = "leastconn",
     .help =
         "leastconn: fewest connections for its weight, ties in turn; roundrobin: in turn by "
         "weight; random: the less loaded of two at random; hash: by the client id, consistently."},
    {.key = "proxy_protocol",
     .kind = CONFIG_ENUM,
     .at = offsetof(struct backend_config, proxy_protocol),
     .names = (const char *const[]){"none", "v2", NULL},
     .fallback = "none",
     .help =
         "Header with the client's address for the broker; the broker must expect it. With none, a "
         "client that sends such a header itself is closed, because the broker would believe it."},
    {.key = "proxy_certificate",
     .kind = CONFIG_BOOL,
     .at = offsetof(struct backend_config, proxy_certificate),
     .fallback = "false",
     .help = "With proxy_protocol: v2, the header has the client's verified certificate as well "
             "(DER, TLV 0xE0), up to 4 kB, for brokers that want a name in it. The common name is "
             "there in any case."},
    {.key = "health_check",
     .kind = CONFIG_STRUCT,
     .at = offsetof(struct backend_config, health_check),
     .sub = &check_schema,
     .help = "How the servers are checked."},
    {.key = "servers",
     .kind = CONFIG_LIST,
     .at = offsetof(struct backend_config, servers),
     .sub = &server_schema,
     .help = "The servers known by address."},
    {.key = "tls",
     .kind = CONFIG_OPTIONAL,
     .at = offsetof(struct backend_config, tls),
     .sub = &lb_backend_tls_schema,
     .help = "The servers speak TLS: flows, and health checks that go to the servers' own port. A "
             "PROXY header comes before it."},
    {.key = "discover",
     .kind = CONFIG_OPTIONAL,
     .at = offsetof(struct backend_config, discover),
     .sub = &discover_schema,
     .help = "Servers found by DNS, beside the list."},
    {.key = "connect_timeout",
     .kind = CONFIG_DURATION,
     .at = offsetof(struct backend_config, connect_timeout_ms),
     .min = 10,
     .max = HOUR_MS,
     .fallback = "2s",
     .help = "A TCP connect to a server that isn't done by then goes to another server."},
    {.key = "first_byte_timeout",
     .kind = CONFIG_DURATION,
     .at = offsetof(struct backend_config, first_byte_timeout_ms),
     .max = HOUR_MS,
     .fallback = "3s",
     .help = "A server that is silent for this long after it got the client's first bytes is left "
             "for another one; 0: never."},
    {.key = "retries",
     .kind = CONFIG_UINT,
     .at = offsetof(struct backend_config, retries),
     .max = 100,
     .fallback = "3",
     .help = "How many other servers a flow tries before its client is closed."},
    {.key = "queue_timeout",
     .kind = CONFIG_DURATION,
     .at = offsetof(struct backend_config, queue_timeout_ms),
     .max = HOUR_MS,
     .fallback = "10s",
     .help = "How long a flow waits while no server is up."},
    {.key = "half_close_timeout",
     .kind = CONFIG_DURATION,
     .at = offsetof(struct backend_config, half_close_timeout_ms),
     .max = DAY_MS,
     .fallback = "30s",
     .help = "How long one direction goes on after the other one ended without anything moving; "
             "0: no limit."},
    {.key = "stall_timeout",
     .kind = CONFIG_DURATION,
     .at = offsetof(struct backend_config, stall_timeout_ms),
     .max = 30 * DAY_MS,
     .fallback = "30s",
     .help = "A client or server that takes none of the bytes that wait for it for this long is "
             "reset, and its flow ends. Flows without waiting bytes are never ended by this, "
             "however long they are silent. 0: no limit."},
    {.key = "drain_timeout",
     .kind = CONFIG_DURATION,
     .at = offsetof(struct backend_config, drain_timeout_ms),
     .max = 30 * DAY_MS,
     .fallback = "5m",
     .help = "How long the flows of a removed server, or one in maintenance, go on."},
    {.key = "slow_start",
     .kind = CONFIG_DURATION,
     .at = offsetof(struct backend_config, slow_start_ms),
     .max = DAY_MS,
     .fallback = "0",
     .help = "A server that came up gets its weight gradually over this time; 0: off."},
    {.key = NULL, .kind = CONFIG_POSITION, .at = offsetof(struct backend_config, at)},
    {.key = "health_check",
     .kind = CONFIG_POSITION,
     .at = offsetof(struct backend_config, health_check_at)},
    {.key = "tls", .kind = CONFIG_POSITION, .at = offsetof(struct backend_config, tls_at)},
};

const struct config_schema lb_backend_schema = CONFIG_SCHEMA(struct backend_config, backend_fields);
