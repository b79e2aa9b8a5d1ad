/* The keys of one of `listeners:`, with its `tls:`. */
#include "lb/config/lb_config_parts.h"

#include "common/net/bind_address.h"
#include "lb/config/lb_config.h"

static const struct config_field tls_fields[] = {
    {.key = "certificate",
     .kind = CONFIG_STRING,
     .at = offsetof(struct tls_config, certificate),
     .required = true,
     .help = "PEM file with the certificate and its chain. A relative path counts from the "
             "configuration file's folder, then from the working directory."},
    {.key = "key",
     .kind = CONFIG_STRING,
     .at = offsetof(struct tls_config, key),
     .required = true,
     .help = "PEM file with the private key."},
    {.key = "min_version",
     .kind = CONFIG_ENUM,
     .at = offsetof(struct tls_config, min_version),
     .names = (const char *const[]){"1.2", "1.3", NULL},
     .fallback = "1.2",
     .help = "Oldest TLS version that is accepted."},
    {.key = "client_ca",
     .kind = CONFIG_STRING,
     .at = offsetof(struct tls_config, client_ca),
     .help = "PEM file with the authorities that client certificates are verified against."},
    {.key = "client_auth",
     .kind = CONFIG_ENUM,
     .at = offsetof(struct tls_config, client_auth),
     .names = (const char *const[]){"none", "optional", "required", NULL},
     .fallback = "none",
     .help = "Whether clients are asked for a certificate, and must have one."},
    {.key = "records",
     .kind = CONFIG_ENUM,
     .at = offsetof(struct tls_config, records),
     .names = (const char *const[]){"own", "openssl", NULL},
     .fallback = "own",
     .help =
         "Which code TLS 1.3 uses for its key schedule and, after the handshake, its records: the "
         "load balancer's (14 kB less memory per connection, half the time), or OpenSSL's."},
    {.key = "alpn",
     .kind = CONFIG_ENUM,
     .at = offsetof(struct tls_config, alpn),
     .names = (const char *const[]){"mqtt", "http/1.1", NULL},
     .fallback = "mqtt",
     .help =
         "The protocol that a client must name if it names any by ALPN: mqtt, or http/1.1 where "
         "the backend's brokers speak WebSocket (browsers name it)."},
};

static const char *check_tls(const void *filled)
{
    const struct tls_config *tls = filled;
    if (tls->client_auth != TLS_CLIENT_AUTH_NONE && tls->client_ca == NULL)
        return "client_auth needs client_ca";
    return NULL;
}

static const struct config_schema tls_schema = {
    .size = sizeof(struct tls_config),
    .fields = tls_fields,
    .count = sizeof(tls_fields) / sizeof(tls_fields[0]),
    .check = check_tls,
};

static const struct config_field listener_fields[] = {
    {.key = "name",
     .kind = CONFIG_STRING,
     .at = offsetof(struct listener_config, name),
     .help = "Name in logs and metrics; the bind address when left out."},
    {.key = "bind",
     .kind = CONFIG_STRING,
     .at = offsetof(struct listener_config, bind),
     .required = true,
     .check = bind_check,
     .help = "Address and port to accept on: 0.0.0.0:1883, [::]:1883 (IPv6 alone), *:1883 and "
             "localhost:1883 (both)."},
    {.key = "backend",
     .kind = CONFIG_STRING,
     .at = offsetof(struct listener_config, backend),
     .required = true,
     .help = "Name of the backend that gets the flows."},
    {.key = "tls",
     .kind = CONFIG_OPTIONAL,
     .at = offsetof(struct listener_config, tls),
     .sub = &tls_schema,
     .help = "Terminates TLS; without it the listener is plain TCP."},
    {.key = "handshake_timeout",
     .kind = CONFIG_DURATION,
     .at = offsetof(struct listener_config, handshake_timeout_ms),
     .min = 100,
     .max = HOUR_MS,
     .fallback = "10s",
     .help = "A client that hasn't finished its TLS handshake by then is closed."},
    {.key = "idle_timeout",
     .kind = CONFIG_DURATION,
     .at = offsetof(struct listener_config, idle_timeout_ms),
     .max = 30 * DAY_MS,
     .fallback = "0",
     .help = "A flow in which neither side sends anything for this long is closed; 0: never (with "
             "MQTT's keep alive the broker decides)."},
    {.key = "max_flows",
     .kind = CONFIG_UINT,
     .at = offsetof(struct listener_config, max_flows),
     .max = 100000000,
     .fallback = "0",
     .help = "Accepting pauses at this many flows of the listener; 0: no limit."},
    {.key = "backlog",
     .kind = CONFIG_UINT,
     .at = offsetof(struct listener_config, backlog),
     .min = 1,
     .max = 1000000,
     .fallback = "4096",
     .help = "Connections that the kernel queues per worker until they are accepted."},
    {.key = "name", .kind = CONFIG_POSITION, .at = offsetof(struct listener_config, name_at)},
    {.key = "bind", .kind = CONFIG_POSITION, .at = offsetof(struct listener_config, bind_at)},
    {.key = "backend", .kind = CONFIG_POSITION, .at = offsetof(struct listener_config, backend_at)},
    {.key = "tls", .kind = CONFIG_POSITION, .at = offsetof(struct listener_config, tls_at)},
};

const struct config_schema lb_listener_schema =
    CONFIG_SCHEMA(struct listener_config, listener_fields);
