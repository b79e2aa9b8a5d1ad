/* In the order of Mosquitto's manual: general, listeners, TLS, bridges. */
#include "broker/convert/mosquitto_keys.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "broker/base/broker_config.h"
#include "common/config/config_scalar.h"

#define NO_BRIDGE                                                                                  \
    "there are no bridges here; let the other broker bridge to this one, or several brokers "      \
    "share "                                                                                       \
    "one Redis"
#define NO_PLUGIN "there are no plugins; auth.http asks a service"
#define NO_TLS_DETAIL "TLS 1.2 and 1.3 with OpenSSL's default choice"
#define NO_PSK "there is no TLS with pre-shared keys"

const struct mosquitto_key mosquitto_keys[] = {
    /* ---- general ----------------------------------------------------------------------------- */
    {"acl_file", HOW_PLAIN, "auth.acl_file", NULL,
     "the same format; deny goes before every grant, and names with +, # or / grant nothing by "
     "patterns; a filter of which nothing may be read is refused (auth.subscribe: always grants "
     "all, as Mosquitto)"},
    {"allow_anonymous", HOW_PLAIN, "auth.anonymous", NULL, "the same, for all listeners"},
    {"allow_duplicate_messages", HOW_NONE, NULL, "false",
     "a client gets a message once, however many of its subscriptions match"},
    {"allow_zero_length_clientid", HOW_PLAIN, "mqtt.allow_empty_client_id", NULL,
     "the same, for all listeners"},
    {"auth_opt_*", HOW_NONE, NULL, NULL, NO_PLUGIN},
    {"auth_plugin", HOW_NONE, NULL, NULL, NO_PLUGIN},
    {"auth_plugin_deny_special_chars", HOW_NONE, NULL, NULL, NO_PLUGIN},
    {"auto_id_prefix", HOW_NONE, NULL, NULL, "ids that the broker gives begin with flotilla"},
    {"autosave_interval", HOW_NONE, NULL, NULL,
     "what is kept is written as it comes, not at intervals"},
    {"autosave_on_changes", HOW_NONE, NULL, NULL,
     "what is kept is written as it comes, not at intervals"},
    {"check_retain_source", HOW_NONE, NULL, "false",
     "a retained value stays until it is replaced; whether its publisher may write is asked when "
     "it comes"},
    {"clientid_prefixes", HOW_PLAIN, "mqtt.client_id_prefixes", NULL, "a list of them"},
    {"connection_messages", HOW_PLAIN, "log.connections", NULL, "the same"},
    {"include_dir", HOW_NONE, NULL, NULL,
     "not read: put its files behind this one and convert them together"},
    {"log_dest", HOW_NONE, NULL, "stderr",
     "the log goes to standard error; whoever starts the broker keeps it"},
    {"log_facility", HOW_NONE, NULL, NULL, "there is no syslog; see log_dest"},
    {"log_timestamp", HOW_NONE, NULL, "true", "each line has its time"},
    {"log_timestamp_format", HOW_NONE, NULL, "%Y-%m-%dT%H:%M:%S",
     "times are ISO 8601, in UTC with milliseconds"},
    {"log_type", HOW_LOG_TYPE, "log.level", NULL,
     "levels instead of types: all lines of the chatty one and those above it"},
    {"max_inflight_bytes", HOW_NONE, NULL, "0", "only the number is limited"},
    {"max_inflight_messages", HOW_PLAIN, "limits.max_inflight", NULL, "0 (no limit) has no equal"},
    {"max_keepalive", HOW_KEEP_ALIVE, "limits.max_keep_alive", "65535",
     "ours is the silence after which any client is closed, half as long again"},
    {"max_packet_size", HOW_PLAIN, "limits.max_packet_size", NULL, "the same"},
    {"max_queued_bytes", HOW_PLAIN, "limits.max_queued_bytes", NULL,
     "0 (no limit) has no equal; a full queue closes a clean client"},
    {"max_queued_messages", HOW_PLAIN, "limits.max_queued_messages", NULL,
     "0 (no limit) has no equal; a full queue closes a clean client"},
    {"memory_limit", HOW_PLAIN, "limits.max_memory", NULL,
     "beyond it the clients that hold most are closed"},
    {"message_size_limit", HOW_PAYLOAD, "limits.max_packet_size", "0",
     "ours is for the whole packet, 64 kB more; a larger one ends its connection"},
    {"password_file", HOW_PLAIN, "auth.password_file", NULL,
     "the same file; a reload closes connections of users who are gone"},
    {"per_listener_settings", HOW_NONE, NULL, "false",
     "listeners[].auth has a listener's own; the files are for all"},
    {"persistence", HOW_PERSISTENCE, "store.file", "false",
     "a file of another format: what is in mosquitto.db isn't taken over. Or redis.url"},
    {"persistence_file", HOW_NONE, NULL, NULL,
     "the file is persistence_location with flotilla.db; another format"},
    {"persistence_location", HOW_PERSISTENCE_LOCATION, "store.file", NULL,
     "the file is flotilla.db there"},
    {"persistent_client_expiration", HOW_EXPIRY, "limits.session_expiry", NULL,
     "the same; without it sessions end after 30 days here, there never"},
    {"pid_file", HOW_NONE, NULL, NULL, "none is written; whoever starts the broker knows it"},
    {"plugin", HOW_NONE, NULL, NULL, NO_PLUGIN},
    {"plugin_opt_*", HOW_NONE, NULL, NULL, NO_PLUGIN},
    {"psk_file", HOW_NONE, NULL, NULL, NO_PSK},
    {"queue_qos0_messages", HOW_NONE, NULL, "false", "QoS 0 doesn't wait for who is away"},
    {"retain_available", HOW_PLAIN, "mqtt.retain", NULL, "the same"},
    {"set_tcp_nodelay", HOW_NONE, NULL, "true", "the broker writes once per turn, without delay"},
    {"sys_interval", HOW_SECONDS, "sys_interval", NULL, "the same"},
    {"upgrade_outgoing_qos", HOW_NONE, NULL, "false", "delivered at the lower of both QoS"},
    {"user", HOW_NONE, NULL, NULL, "the broker stays who started it; use the service manager"},

    /* ---- listeners --------------------------------------------------------------------------- */
    {"bind_address", HOW_BIND_ADDRESS, "listeners.bind", NULL, "the same"},
    {"bind_interface", HOW_NONE, NULL, NULL, "name an address of the interface in listeners.bind"},
    {"http_dir", HOW_NONE, NULL, NULL, "the broker serves no files"},
    {"listener", HOW_LISTENER, "listeners.bind", NULL,
     "the same; no Unix sockets. Without an address: both families"},
    {"max_connections", HOW_PLAIN, "listeners.max_connections", "-1",
     "without it 1,000,000 per listener"},
    {"max_qos", HOW_PLAIN, "mqtt.max_qos", NULL, "for all listeners"},
    {"max_topic_alias", HOW_PLAIN, "mqtt.topic_alias_maximum", NULL, "for all listeners"},
    {"mount_point", HOW_NONE, NULL, NULL, "every client sees the same topics"},
    {"port", HOW_PORT, "listeners.bind", NULL, "the same"},
    {"protocol", HOW_PROTOCOL, "listeners.protocol", NULL,
     "websocket instead of websockets; clients ask for the path /mqtt (path: \"\" for any)"},
    {"socket_domain", HOW_SOCKET_DOMAIN, "listeners.bind", NULL, "0.0.0.0 or [::] as the address"},
    {"use_username_as_clientid", HOW_NONE, NULL, "false",
     "auth.client_id: equals_username refuses other ids instead of replacing them"},
    {"websockets_headers_size", HOW_NONE, NULL, NULL, "HTTP requests may have 8 kB"},
    {"websockets_log_level", HOW_NONE, NULL, NULL, "see log.level"},

    /* ---- TLS --------------------------------------------------------------------------------- */
    {"cafile", HOW_CLIENT_CA, "listeners.tls.client_ca", NULL,
     "written only with require_certificate"},
    {"capath", HOW_NONE, NULL, NULL, "put the certificates into one file: client_ca"},
    {"certfile", HOW_PLAIN, "listeners.tls.certificate", NULL,
     "the same; intermediate certificates belong into this file"},
    {"ciphers", HOW_NONE, NULL, NULL, NO_TLS_DETAIL},
    {"ciphers_tls1.3", HOW_NONE, NULL, NULL, NO_TLS_DETAIL},
    {"crlfile", HOW_NONE, NULL, NULL, "there are no lists of revoked certificates"},
    {"dhparamfile", HOW_NONE, NULL, NULL, NO_TLS_DETAIL},
    {"keyfile", HOW_PLAIN, "listeners.tls.key", NULL, "the same"},
    {"psk_hint", HOW_NONE, NULL, NULL, NO_PSK},
    {"require_certificate", HOW_CLIENT_AUTH, "listeners.tls.client_auth", "false",
     "required instead of true"},
    {"tls_engine", HOW_NONE, NULL, NULL, "there are no OpenSSL engines"},
    {"tls_engine_kpass_sha1", HOW_NONE, NULL, NULL, "there are no OpenSSL engines"},
    {"tls_keyform", HOW_NONE, NULL, "pem", "keys are PEM files"},
    {"tls_version", HOW_TLS_VERSION, "listeners.tls.min_version", NULL,
     "\"1.2\" or \"1.3\"; not 1.1"},
    {"use_identity_as_username", HOW_NONE, NULL, "false",
     "auth.certificate.identity: cn, where flotilla-lb verifies the certificates"},
    {"use_subject_as_username", HOW_NONE, NULL, "false",
     "auth.certificate.identity: cn, where flotilla-lb verifies the certificates"},

    /* ---- bridges ----------------------------------------------------------------------------- */
    {"connection", HOW_NONE, NULL, NULL, NO_BRIDGE},
    {"address", HOW_NONE, NULL, NULL, NO_BRIDGE},
    {"addresses", HOW_NONE, NULL, NULL, NO_BRIDGE},
    {"bridge_*", HOW_NONE, NULL, NULL, NO_BRIDGE},
    {"cleansession", HOW_NONE, NULL, NULL, NO_BRIDGE},
    {"clientid", HOW_NONE, NULL, NULL, NO_BRIDGE},
    {"idle_timeout", HOW_NONE, NULL, NULL, NO_BRIDGE},
    {"keepalive_interval", HOW_NONE, NULL, NULL, NO_BRIDGE},
    {"local_cleansession", HOW_NONE, NULL, NULL, NO_BRIDGE},
    {"local_clientid", HOW_NONE, NULL, NULL, NO_BRIDGE},
    {"local_password", HOW_NONE, NULL, NULL, NO_BRIDGE},
    {"local_username", HOW_NONE, NULL, NULL, NO_BRIDGE},
    {"notification_topic", HOW_NONE, NULL, NULL, NO_BRIDGE},
    {"notifications", HOW_NONE, NULL, NULL, NO_BRIDGE},
    {"notifications_local_only", HOW_NONE, NULL, NULL, NO_BRIDGE},
    {"password", HOW_NONE, NULL, NULL, NO_BRIDGE},
    {"remote_clientid", HOW_NONE, NULL, NULL, NO_BRIDGE},
    {"remote_password", HOW_NONE, NULL, NULL, NO_BRIDGE},
    {"remote_username", HOW_NONE, NULL, NULL, NO_BRIDGE},
    {"restart_timeout", HOW_NONE, NULL, NULL, NO_BRIDGE},
    {"round_robin", HOW_NONE, NULL, NULL, NO_BRIDGE},
    {"start_type", HOW_NONE, NULL, NULL, NO_BRIDGE},
    {"threshold", HOW_NONE, NULL, NULL, NO_BRIDGE},
    {"topic", HOW_NONE, NULL, NULL, NO_BRIDGE},
    {"try_private", HOW_NONE, NULL, NULL, NO_BRIDGE},
    {"username", HOW_NONE, NULL, NULL, NO_BRIDGE},
};
const size_t mosquitto_key_count = sizeof(mosquitto_keys) / sizeof(mosquitto_keys[0]);

static bool is_named(const struct mosquitto_key *key, const char *name)
{
    size_t len = strlen(key->name);
    if (key->name[len - 1] == '*')
        return strncmp(key->name, name, len - 1) == 0;
    return strcmp(key->name, name) == 0;
}

const struct mosquitto_key *mosquitto_key_find(const char *name)
{
    for (size_t i = 0; i < mosquitto_key_count; i++)
        if (is_named(&mosquitto_keys[i], name))
            return &mosquitto_keys[i];
    return NULL;
}

static const struct config_field *field_in(const struct config_schema *s, const char *key,
                                           size_t len)
{
    for (size_t i = 0; i < s->count; i++) {
        const struct config_field *f = &s->fields[i];
        if (f->kind != CONFIG_POSITION && strlen(f->key) == len && memcmp(f->key, key, len) == 0)
            return f;
    }
    return NULL;
}

const struct config_field *mosquitto_our_field(const char *path)
{
    const struct config_schema *schema = &broker_config_schema;
    while (schema != NULL) {
        size_t len = strcspn(path, ".");
        const struct config_field *f = field_in(schema, path, len);
        if (f == NULL || path[len] == '\0')
            return f;
        schema = f->sub;
        path += len + 1;
    }
    return NULL;
}

bool mosquitto_our_key_takes(const struct config_field *f, const char *text)
{
    union {
        bool truth;
        uint32_t number;
        uint64_t large;
        int word;
        char *text;
    } scratch = {0};
    if (f->kind == CONFIG_STRINGS) /* one of them */
        return f->check == NULL || f->check(text) == NULL;
    if (!config_kind_is_scalar(f->kind))
        return false;
    bool fits = config_scalar_store(f, text, &scratch) == CONFIG_SCALAR_OK;
    if (fits && f->kind == CONFIG_STRING)
        free(scratch.text);
    return fits;
}
