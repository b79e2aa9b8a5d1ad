/*
 * The YAML tables of the broker. conf/broker.yaml shows them at work; docs/configuration.md is made
 * from them.
 */
#include "broker/base/broker_config.h"

#include <string.h>

#include "broker/base/fleet_name.h"
#include "common/config/config_scalar.h"
#include "common/http/http_host.h"
#include "common/log/log.h"
#include "common/net/address.h"
#include "common/net/peer.h"
#include "common/redis/redis_url.h"

#define FIELD(type, member) .at = offsetof(struct type, member)

static const char *check_network(const char *text)
{
    struct network n;
    return network_parse(text, &n) ? NULL : "an address or network like 10.0.0.0/8";
}

static const char *check_path(const char *text)
{
    if (text[0] == '\0' || (text[0] == '/' && strpbrk(text, " ?#\t\r\n") == NULL))
        return NULL;
    return "a path like /mqtt, or an empty one for any";
}

static const char *check_origin(const char *text)
{
    const char *host = strstr(text, "://");
    bool has_host =
        host != NULL && host > text && host[3] != '\0' && strpbrk(host + 3, "/ ") == NULL;
    if (has_host || strcmp(text, "null") == 0 || strcmp(text, "*") == 0)
        return NULL;
    return "an origin like https://example.org, without a path (or null, or *)";
}

static const char *const protocol_names[] = {"mqtt", "websocket", NULL};
static const char *const proxy_names[] = {"off", "accept", "require", NULL};

static const struct config_field listener_fields[] = {
    {.key = "bind",
     .kind = CONFIG_STRING,
     FIELD(listener_config, bind),
     .required = true,
     .check = address_check,
     .help = "Address and port to accept clients on: 0.0.0.0:1883, [::]:1883 (IPv6 alone), *:1883 "
             "and localhost:1883 (both)."},
    {.key = "protocol",
     .kind = CONFIG_ENUM,
     FIELD(listener_config, protocol),
     .names = protocol_names,
     .fallback = "mqtt",
     .help = "What clients speak: MQTT itself, or MQTT over WebSocket."},
    {.key = "proxy_protocol",
     .kind = CONFIG_ENUM,
     FIELD(listener_config, proxy_protocol),
     .names = proxy_names,
     .fallback = "off",
     .help = "Whether a connection may (accept) or must (require) begin with a PROXY header. The "
             "header is believed from trusted_proxies only."},
    {.key = "trusted_proxies",
     .kind = CONFIG_STRINGS,
     FIELD(listener_config, trusted_proxies),
     .check = check_network,
     .help = "Networks whose PROXY headers, and X-Real-IP of WebSocket, are believed. A PROXY "
             "header from elsewhere ends the connection."},
    {.key = "max_connections",
     .kind = CONFIG_UINT,
     FIELD(listener_config, max_connections),
     .min = 1,
     .max = 10000000,
     .fallback = "1000000",
     .unit = "connections",
     .help = "Clients on this listener at once; one more is closed at once."},
    {.key = "path",
     .kind = CONFIG_STRING,
     FIELD(listener_config, path),
     .check = check_path,
     .fallback = "/mqtt",
     .help = "WebSocket: the path that clients ask for, as in ws://host:8083/mqtt; another one is "
             "answered by 404. Empty: any."},
    {.key = "origins",
     .kind = CONFIG_STRINGS,
     FIELD(listener_config, origins),
     .check = check_origin,
     .help =
         "WebSocket: the web pages that may connect, as https://example.org; pages from "
         "elsewhere are answered by 403. Programs, which name no page, may in any case. Without "
         "it, or with *, all pages may."},
    {.key = "bind", .kind = CONFIG_POSITION, FIELD(listener_config, bind_at)},
};

static const char *check_listener(const void *filled)
{
    const struct listener_config *l = filled;
    if (l->proxy_protocol == PROXY_MODE_REQUIRE && l->trusted_proxies.count == 0)
        return "proxy_protocol: require needs trusted_proxies, or nobody could connect";
    if (l->origins.count > 0 && l->protocol != LISTENER_WEBSOCKET)
        return "origins needs protocol: websocket";
    return NULL;
}

static const struct config_schema listener_schema = {
    .size = sizeof(struct listener_config),
    .fields = listener_fields,
    .count = sizeof(listener_fields) / sizeof(listener_fields[0]),
    .check = check_listener,
};

static const struct config_field redis_fields[] = {
    {.key = "url",
     .kind = CONFIG_STRING,
     FIELD(redis_config, url),
     .check = redis_url_check,
     .help = "Redis of the fleet, as redis://[user:password@]host[:port][/database]. Without it "
             "the broker keeps everything in memory and works alone."},
    {.key = "password_file",
     .kind = CONFIG_STRING,
     FIELD(redis_config, password_file),
     .help =
         "Its first line is the password for Redis, instead of one in the url. Read at the start."},
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
static const struct config_schema redis_schema = CONFIG_SCHEMA(struct redis_config, redis_fields);

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

static const struct config_schema fleet_schema = {
    .size = sizeof(struct fleet_config),
    .fields = fleet_fields,
    .count = sizeof(fleet_fields) / sizeof(fleet_fields[0]),
    .check = check_fleet,
};

static const char *const hash_threads_names[] = {"auto", NULL};

static const char *const client_id_names[] = {"any", "equals_username", "begins_with_username",
                                              NULL};

static const char *check_method(const char *text)
{
    return strcmp(text, "X-MIRROR") == 0 ? NULL : "must be an authentication method: X-MIRROR";
}

static const struct config_field auth_fields[] = {
    {.key = "anonymous",
     .kind = CONFIG_BOOL,
     FIELD(auth_config, anonymous),
     .fallback = "false",
     .help = "Whether clients without a user name may connect. Read again on SIGHUP."},
    {.key = "password_file",
     .kind = CONFIG_STRING,
     FIELD(auth_config, password_file),
     .help = "Users and password hashes as mosquitto_passwd writes them. Read again on SIGHUP."},
    {.key = "acl_file",
     .kind = CONFIG_STRING,
     FIELD(auth_config, acl_file),
     .help = "Which clients may read and write which topics, in mosquitto's format. Read again on "
             "SIGHUP. Without it every client may use every topic but $SYS."},
    {.key = "methods",
     .kind = CONFIG_STRINGS,
     FIELD(auth_config, methods),
     .check = check_method,
     .help = "5.0: authentication methods that clients may use instead of a password. X-MIRROR, "
             "which proves "
             "nothing, is for tests of clients."},
    {.key = "client_id",
     .kind = CONFIG_ENUM,
     FIELD(auth_config, client_id),
     .names = client_id_names,
     .fallback = "any",
     .help = "Which client ids a user may use: any; equals_username: the user name itself; "
             "begins_with_username: that, or the user name followed by one of - _ . / : and more. "
             "Other ids, and every id of a client without user name, are refused with return code "
             "5. A client "
             "that leaves its id to the broker gets one in any case."},
    {.key = "shared_client_ids",
     .kind = CONFIG_BOOL,
     FIELD(auth_config, shared_client_ids),
     .fallback = "false",
     .help = "A client id, with its connection and its session, belongs to the user who uses it, "
             "and another user's CONNECT with it is refused with return code 5. True: any user may "
             "take over a client id. Clients without a user name count as one user."},
    {.key = "hash_threads",
     .kind = CONFIG_UINT,
     FIELD(auth_config, hash_threads),
     .min = 1,
     .max = 64,
     .names = hash_threads_names,
     .fallback = "auto",
     .unit = "threads",
     .help = "Threads that hash passwords; auto: half of the cores, one to four. They yield to the "
             "broker's loop (nice)."},
    {.key = "max_waiting_logins",
     .kind = CONFIG_UINT,
     FIELD(auth_config, max_waiting_logins),
     .min = 1,
     .max = 10000,
     .fallback = "1000",
     .unit = "logins",
     .help = "Passwords that wait to be hashed. One more is refused with return code 3, or takes "
             "the place of one whose user name or address had more wrong passwords lately."},
    {.key = "login_timeout",
     .kind = CONFIG_DURATION,
     FIELD(auth_config, login_timeout_ms),
     .min = 100,
     .max = 60000,
     .fallback = "2500ms",
     .help = "A client whose password isn't checked after this long is refused with return code "
             "3. Shorter than the load balancer's first_byte_timeout, or the login is tried at "
             "the next broker as well."},
};
static const struct config_schema auth_schema = CONFIG_SCHEMA(struct auth_config, auth_fields);

enum { MEMORY_MIN = 16 << 20 };

static const char *check_max_memory(const char *text)
{
    uint64_t bytes = 0;
    if (config_parse_size(text, &bytes) && (bytes == 0 || bytes >= MEMORY_MIN))
        return NULL;
    return "0 or at least 16M";
}

static const struct config_field limits_fields[] = {
    {.key = "max_packet_size",
     .kind = CONFIG_SIZE,
     FIELD(limits_config, max_packet_size),
     .min = 128,
     .max = 268435460,
     .fallback = "16M",
     .help = "A larger packet ends its connection as soon as its length is known, before memory is "
             "taken."},
    {.key = "max_connect_size",
     .kind = CONFIG_SIZE,
     FIELD(limits_config, max_connect_size),
     .min = 128,
     .max = 1048576,
     .fallback = "64k",
     .help =
         "The same for CONNECT, which unknown clients send: client id, will, user name, password."},
    {.key = "max_subscribe_size",
     .kind = CONFIG_SIZE,
     FIELD(limits_config, max_subscribe_size),
     .min = 128,
     .max = 268435460,
     .fallback = "128k",
     .help = "The same for SUBSCRIBE and UNSUBSCRIBE: more filters go into several packets."},
    {.key = "max_ack_size",
     .kind = CONFIG_SIZE,
     FIELD(limits_config, max_ack_size),
     .min = 128,
     .max = 1048576,
     .fallback = "10k",
     .help = "The same for acknowledgements, PINGREQ and DISCONNECT, which are larger than 4 bytes "
             "only with MQTT 5.0's properties."},
    {.key = "max_inflight",
     .kind = CONFIG_UINT,
     FIELD(limits_config, max_inflight),
     .min = 1,
     .max = 32767,
     .fallback = "100",
     .unit = "messages",
     .help = "QoS 1 and 2 messages on their way to one client before the next one waits."},
    {.key = "max_unacknowledged",
     .kind = CONFIG_UINT,
     FIELD(limits_config, max_unacknowledged),
     .min = 1,
     .max = 65535,
     .fallback = "100",
     .unit = "packets",
     .help = "Requests of one client that wait for the store; above it the client isn't read and "
             "its keep alive is suspended."},
    {.key = "max_unacknowledged_bytes",
     .kind = CONFIG_SIZE,
     FIELD(limits_config, max_unacknowledged_bytes),
     .min = 1024,
     .max = 1 << 30,
     .fallback = "256k",
     .help = "The same in bytes of topics, payloads and lists of filters, so that what one client "
             "sends doesn't delay the others at the store. A message counts for each durable "
             "session and broker that it is for. One packet may be larger."},
    {.key = "max_open_qos2",
     .kind = CONFIG_UINT,
     FIELD(limits_config, max_open_qos2),
     .min = 10,
     .max = 65535,
     .fallback = "2000",
     .unit = "messages",
     .help = "QoS 2 messages of one client that it hasn't released (PUBREL); one more ends its "
             "connection. Redis keeps their packet ids."},
    {.key = "max_queued_messages",
     .kind = CONFIG_UINT,
     FIELD(limits_config, max_queued_messages),
     .min = 1,
     .max = 100000000,
     .fallback = "100000",
     .unit = "messages",
     .help =
         "QoS 1 and 2 messages waiting for one session. A durable session's next one is dropped "
         "and counted; a client with a clean session is closed instead."},
    {.key = "max_queued_bytes",
     .kind = CONFIG_SIZE,
     FIELD(limits_config, max_queued_bytes),
     .min = 1024,
     .fallback = "256M",
     .help = "The same bound, in bytes."},
    {.key = "max_output",
     .kind = CONFIG_SIZE,
     FIELD(limits_config, max_output),
     .min = 65536,
     .fallback = "8M",
     .help = "Bytes waiting for one slow connection; above it QoS 0 messages to it are dropped and "
             "counted, and others wait in its queue."},
    {.key = "max_output_total",
     .kind = CONFIG_SIZE,
     FIELD(limits_config, max_output_total),
     .fallback = "0",
     .help = "The same bound for all connections together; 0: a quarter of max_memory."},
    {.key = "max_memory",
     .kind = CONFIG_SIZE,
     FIELD(limits_config, max_memory),
     .fallback = "0",
     .check = check_max_memory,
     .help = "All memory that clients cause: begun packets, outputs, windows, queues, sessions. "
             "Near it QoS 0 to slow clients is dropped, beyond it the clients that hold most are "
             "closed (docs/broker.md has the order). 0: half of the machine's memory, or of the "
             "control "
             "group's limit."},
    {.key = "max_topic_levels",
     .kind = CONFIG_UINT,
     FIELD(limits_config, max_topic_levels),
     .min = 1,
     .max = 1000,
     .fallback = "200",
     .unit = "levels",
     .help = "A deeper topic is dropped like a denied one; a deeper filter is refused."},
    {.key = "max_topic_length",
     .kind = CONFIG_UINT,
     FIELD(limits_config, max_topic_length),
     .min = 16,
     .max = 65535,
     .fallback = "65535",
     .unit = "bytes",
     .help = "A longer topic is dropped like a denied one; a longer filter is refused."},
    {.key = "max_subscriptions",
     .kind = CONFIG_UINT,
     FIELD(limits_config, max_subscriptions),
     .min = 1,
     .max = 10000000,
     .fallback = "10000",
     .unit = "subscriptions",
     .help = "Per session; one more is refused in the SUBACK. All of them cost a publish at most "
             "one step per level, and closing the connection 10 ms."},
    {.key = "max_plus_subscriptions",
     .kind = CONFIG_UINT,
     FIELD(limits_config, max_plus_subscriptions),
     .min = 0,
     .max = 10000000,
     .fallback = "500",
     .unit = "subscriptions",
     .help =
         "Of them, filters with `+`; one more is refused in the SUBACK. At worst each costs every "
         "publish of the fleet: 500 with 15 levels 0.03 ms, with 200 levels 0.15 ms. Filters of "
         "all clients that one topic would match are bounded together (docs/broker.md)."},
    {.key = "max_shared_subscriptions",
     .kind = CONFIG_UINT,
     FIELD(limits_config, max_shared_subscriptions),
     .min = 0,
     .max = 10000000,
     .fallback = "100",
     .unit = "subscriptions",
     .help = "Of them, shared ones; one more is refused in the SUBACK. Each is perhaps a group of "
             "its own, which gets its own copy of every message that it matches."},
    {.key = "max_subscription_bytes",
     .kind = CONFIG_SIZE,
     FIELD(limits_config, max_subscription_bytes),
     .min = 1024,
     .max = 1 << 30,
     .fallback = "1M",
     .help = "All filters of a session together; one that doesn't fit is refused in the SUBACK. "
             "Redis and every broker of the fleet keep them."},
    {.key = "max_connections",
     .kind = CONFIG_UINT,
     FIELD(limits_config, max_connections),
     .min = 1,
     .max = 10000000,
     .fallback = "1000000",
     .unit = "connections",
     .help = "Clients on all listeners at once; one more is closed at once."},
    {.key = "max_client_id_length",
     .kind = CONFIG_UINT,
     FIELD(limits_config, max_client_id_length),
     .min = 23,
     .max = 65535,
     .fallback = "1024",
     .unit = "bytes",
     .help = "A longer client id is refused with return code 2."},
    {.key = "max_keep_alive",
     .kind = CONFIG_DURATION,
     FIELD(limits_config, max_keep_alive_ms),
     .max = 65535000,
     .fallback = "0",
     .help = "Silence after which a client that asked for no keep alive, or a longer one, is "
             "closed. 0: what the client asks for holds."},
    {.key = "connect_timeout",
     .kind = CONFIG_DURATION,
     FIELD(limits_config, connect_timeout_ms),
     .min = 100,
     .max = 600000,
     .fallback = "10s",
     .help = "How long a new connection may take to send its CONNECT."},
    {.key = "session_expiry",
     .kind = CONFIG_DURATION,
     FIELD(limits_config, session_expiry_ms),
     .fallback = "30d",
     .help = "A durable session whose client stays away for this long ends; otherwise it would "
             "stay for ever, with everything queued for it. 0: never."},
    {.key = "max_durable_sessions",
     .kind = CONFIG_UINT,
     FIELD(limits_config, max_durable_sessions),
     .min = 1,
     .max = 100000000,
     .fallback = "1000000",
     .unit = "sessions",
     .help = "Of the whole fleet, or of a broker without a fleet: one more client that asks for a "
             "durable session is refused with return code 3. Clients that have one can come back."},
    {.key = "max_stored_bytes",
     .kind = CONFIG_SIZE,
     FIELD(limits_config, max_stored_bytes),
     .fallback = "0",
     .help =
         "Of Redis' memory. A durable session's queue holds at most an eighth of what isn't in "
         "use of it (but always 64 kB); when all is, new retained topics aren't kept (counted). "
         "0: three quarters of Redis' maxmemory; if that isn't set, half of the memory of Redis' "
         "machine."},
    {.key = "max_retained_messages",
     .kind = CONFIG_UINT,
     FIELD(limits_config, max_retained_messages),
     .min = 1,
     .max = 1000000000,
     .fallback = "10000000",
     .unit = "messages",
     .help = "Memory store: one more retained topic isn't kept (counted)."},
};
static const struct config_schema limits_schema =
    CONFIG_SCHEMA(struct limits_config, limits_fields);

static const struct config_field admin_fields[] = {
    {.key = "bind",
     .kind = CONFIG_STRING,
     FIELD(admin_config, bind),
     .check = address_check,
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

static const char *const drain_names[] = {"shutting_down", "use_another_server", "server_moved",
                                          NULL};

static const struct config_field mqtt_fields[] = {
    {.key = "max_qos",
     .kind = CONFIG_UINT,
     FIELD(mqtt_config, max_qos),
     .max = 2,
     .fallback = "2",
     .help = "The highest QoS that clients may publish with, and are granted. 5.0 clients are "
             "told it in CONNACK; one that publishes with more is closed."},
    {.key = "retain",
     .kind = CONFIG_BOOL,
     FIELD(mqtt_config, retain),
     .fallback = "true",
     .help = "Whether messages are retained. False: 5.0 clients are told it in CONNACK, and who "
             "publishes with the retain flag is closed."},
    {.key = "will_on_takeover",
     .kind = CONFIG_BOOL,
     FIELD(mqtt_config, will_on_takeover),
     .fallback = "true",
     .help = "Whether a connection that is closed because its client connects anew has its will "
             "published, as the specification says. False: it isn't, for phones that change "
             "networks."},
    {.key = "topic_alias_maximum",
     .kind = CONFIG_UINT,
     FIELD(mqtt_config, topic_alias_maximum),
     .max = 65535,
     .fallback = "32",
     .unit = "aliases",
     .help = "5.0: how many topic aliases a client may use. 0: none."},
    {.key = "outgoing_topic_alias_maximum",
     .kind = CONFIG_UINT,
     FIELD(mqtt_config, outgoing_topic_alias_maximum),
     .max = 256,
     .fallback = "32",
     .unit = "aliases",
     .help = "5.0: how many topic aliases are used for what is sent to a client that allows "
             "them, for the topics that it gets most. 0: none."},
    {.key = "response_information",
     .kind = CONFIG_STRING,
     FIELD(mqtt_config, response_information),
     .help = "5.0: what a client that asks for response information is told, usually the topic "
             "below which it may choose its response topics."},
    {.key = "drain",
     .kind = CONFIG_ENUM,
     FIELD(mqtt_config, drain_says),
     .names = drain_names,
     .fallback = "shutting_down",
     .help = "5.0: what the clients of a broker that ends are told: shutting_down (0x8B), "
             "use_another_server (0x9C) or server_moved (0x9D), the last two with "
             "server_reference if it is set."},
    {.key = "server_reference",
     .kind = CONFIG_STRING,
     FIELD(mqtt_config, server_reference),
     .help = "5.0: the server that clients are to use instead, as host:port; see drain."},
};

static const char *check_mqtt(const void *filled)
{
    enum { TEXT_MAX = 256 }; /* of CONNACK and DISCONNECT, which have room for it */
    const struct mqtt_config *m = filled;
    if (m->response_information != NULL && strlen(m->response_information) > TEXT_MAX)
        return "response_information is longer than 256 bytes";
    if (m->server_reference != NULL && strlen(m->server_reference) > TEXT_MAX)
        return "server_reference is longer than 256 bytes";
    bool has_reference = m->server_reference != NULL && m->server_reference[0] != '\0';
    if (has_reference && m->drain_says == DRAIN_SHUTTING_DOWN)
        return "server_reference needs drain: use_another_server or server_moved";
    return NULL;
}

static const struct config_schema mqtt_schema = {
    .size = sizeof(struct mqtt_config),
    .fields = mqtt_fields,
    .count = sizeof(mqtt_fields) / sizeof(mqtt_fields[0]),
    .check = check_mqtt,
};

static const struct config_field broker_fields[] = {
    {.key = "listeners",
     .kind = CONFIG_LIST,
     FIELD(broker_config, listeners),
     .sub = &listener_schema,
     .help = "Where clients connect."},
    {.key = "redis",
     .kind = CONFIG_STRUCT,
     FIELD(broker_config, redis),
     .sub = &redis_schema,
     .help = "The store that makes brokers a fleet."},
    {.key = "fleet",
     .kind = CONFIG_STRUCT,
     FIELD(broker_config, fleet),
     .sub = &fleet_schema,
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
