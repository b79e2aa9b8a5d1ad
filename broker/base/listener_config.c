/* The keys of one of `listeners:`. */
#include "broker/base/broker_config_parts.h"

#include <string.h>

#include "broker/base/broker_config.h"
#include "common/net/address.h"
#include "common/net/peer.h"

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

static const char *const anonymous_names[] = {"as_auth", "true", "false", NULL};

static const struct config_field listener_auth_fields[] = {
    {.key = "anonymous",
     .kind = CONFIG_ENUM,
     FIELD(listener_auth_config, anonymous),
     .names = anonymous_names,
     .fallback = "as_auth",
     .help = "Whether clients without a user name may connect here; as_auth: as auth.anonymous."},
    {.key = "chain",
     .kind = CONFIG_STRINGS,
     FIELD(listener_auth_config, chain),
     .check = config_check_source,
     .fixed = true,
     .help = "Who is asked about clients of this listener, instead of auth.chain."},
    {.key = "chain", .kind = CONFIG_POSITION, FIELD(listener_auth_config, chain_at)},
};
static const struct config_schema listener_auth_schema =
    CONFIG_SCHEMA(struct listener_auth_config, listener_auth_fields);

static const struct config_field listener_fields[] = {
    {.key = "bind",
     .kind = CONFIG_STRING,
     FIELD(listener_config, bind),
     .required = true,
     .check = address_check,
     .fixed = true,
     .help = "Address and port to accept clients on: 0.0.0.0:1883, [::]:1883 (IPv6 alone), *:1883 "
             "and localhost:1883 (both)."},
    {.key = "protocol",
     .kind = CONFIG_ENUM,
     FIELD(listener_config, protocol),
     .names = protocol_names,
     .fallback = "mqtt",
     .fixed = true,
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
     .fixed = true,
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
    {.key = "tls",
     .kind = CONFIG_OPTIONAL,
     FIELD(listener_config, tls),
     .sub = &listener_tls_schema,
     .help =
         "Clients speak TLS; without it the listener is plain. A PROXY header, if there is one, "
         "comes before TLS."},
    {.key = "handshake_timeout",
     .kind = CONFIG_DURATION,
     FIELD(listener_config, handshake_timeout_ms),
     .min = 100,
     .max = 3600000,
     .fallback = "10s",
     .help = "A client that hasn't finished its TLS handshake by then is closed."},
    {.key = "auth",
     .kind = CONFIG_STRUCT,
     FIELD(listener_config, auth),
     .sub = &listener_auth_schema,
     .help = "Where this listener's clients log in otherwise than auth says."},
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

const struct config_schema listener_schema = {
    .size = sizeof(struct listener_config),
    .fields = listener_fields,
    .count = sizeof(listener_fields) / sizeof(listener_fields[0]),
    .check = check_listener,
};
