/*
 * broker_config - what an operator can set: the YAML file's structs, their tables, and defaults.
 *
 * Data flow: main loads the file (or the defaults plus the command line) into struct
 *            broker_config; broker.c and the modules read it and never write it.
 * Ownership: broker_config_free releases all strings and lists.
 * Errors:    struct config_error of common/config/config.h names file, line, column and key.
 * Units:     in the field names; durations are milliseconds.
 */
#ifndef FLOTILLA_BROKER_BASE_BROKER_CONFIG_H
#define FLOTILLA_BROKER_BASE_BROKER_CONFIG_H

#include "broker/base/shared_config.h"
#include "common/config/config.h"
#include "common/tls/tls_client.h"
#include "common/tls/tls_config.h"

enum listener_protocol { LISTENER_MQTT, LISTENER_WEBSOCKET };
enum proxy_mode { PROXY_MODE_OFF, PROXY_MODE_ACCEPT, PROXY_MODE_REQUIRE };

/* `auth.anonymous` for one listener. */
enum listener_anonymous { ANONYMOUS_AS_AUTH, ANONYMOUS_YES, ANONYMOUS_NO };

/* Where it differs from `auth:`. */
struct listener_auth_config {
    int anonymous;               /* enum listener_anonymous */
    struct config_strings chain; /* none: auth.chain */
    struct config_position chain_at;
};

struct listener_config {
    char *bind;
    int protocol;       /* enum listener_protocol */
    int proxy_protocol; /* enum proxy_mode */
    struct config_strings trusted_proxies;
    uint32_t max_connections;
    char *path;                    /* WebSocket; empty: any */
    struct config_strings origins; /* WebSocket: of which browsers' pages may be; none: any */
    struct tls_config *tls;        /* NULL: plain */
    uint64_t handshake_timeout_ms; /* of TLS */
    struct listener_auth_config auth;
    struct config_position bind_at;
};

/* What happens to a publish without the right to it, where the protocol has no answer that says so. */
enum denied_publish { DENIED_PUBLISH_DROP, DENIED_PUBLISH_CLOSE };

/* Which client ids a user may use. */
enum client_id_rule { CLIENT_ID_ANY, CLIENT_ID_EQUALS_USERNAME, CLIENT_ID_BEGINS_WITH_USERNAME };

/* Which name of a client's certificate is its user name. */
enum certificate_identity {
    CERTIFICATE_OFF,
    CERTIFICATE_CN,
    CERTIFICATE_SAN_DNS,
    CERTIFICATE_SAN_URI,
    CERTIFICATE_SAN_EMAIL
};

struct certificate_config {
    int identity; /* enum certificate_identity */
    bool require;
};

enum jwt_algorithm { JWT_HS256, JWT_RS256, JWT_ES256 };
enum jwt_username { JWT_USERNAME_EQUAL, JWT_USERNAME_ANY };

struct jwt_key_config {
    char *name;
    int algorithm; /* enum jwt_algorithm */
    char *file;
};

struct jwt_config {
    struct config_list keys; /* struct jwt_key_config; none: tokens aren't known */
    char *issuer, *audience; /* NULL or empty: doesn't matter */
    char *username_claim;
    int username; /* enum jwt_username */
    char *acl_claim;
    uint64_t leeway_ms;
};

enum http_failure { HTTP_FAILURE_REFUSE, HTTP_FAILURE_IGNORE };

struct http_auth_config {
    char *url; /* NULL or empty: no service is asked */
    char *authorization, *ca_file;
    uint64_t timeout_ms, remember_ms;
    uint32_t max_requests;
    int on_failure; /* enum http_failure */
};

struct auth_config {
    bool anonymous;
    struct config_strings chain; /* sources in their order; none: those that are configured */
    struct config_position chain_at;
    struct jwt_config jwt;
    struct http_auth_config http;
    struct certificate_config certificate;
    int client_id;          /* enum client_id_rule */
    bool shared_client_ids; /* sessions belong to whoever gives their client id */
    char *password_file;
    char *acl_file;
    int subscribe;                 /* enum acl_filter_rule of auth/files/acl.h */
    int denied_publish;            /* enum denied_publish */
    uint32_t bad_login;            /* return code for a wrong password: 4 or 5 */
    struct config_strings methods; /* of 5.0's enhanced authentication */
    uint32_t hash_threads;         /* 0: auto */
    uint32_t max_waiting_logins;   /* different passwords that wait to be hashed */
    uint64_t login_timeout_ms;
};

/* What a draining broker tells 5.0 clients. */
enum drain_says { DRAIN_SHUTTING_DOWN, DRAIN_USE_ANOTHER, DRAIN_MOVED };

/* What becomes of the retain flag. */
enum retain_rule { RETAIN_OFF, RETAIN_ON, RETAIN_DOWNGRADE };

struct mqtt_config {
    uint32_t max_qos;
    int retain;                               /* enum retain_rule */
    bool allow_empty_client_id;               /* and make one */
    struct config_strings client_id_prefixes; /* one of which a client id begins with; none: any */
    bool will_on_takeover;
    uint32_t topic_alias_maximum;          /* of those that a client may use */
    uint32_t outgoing_topic_alias_maximum; /* of those that we use to one, if it takes as many */
    char *response_information;            /* NULL or empty: none */
    int drain_says;                        /* enum drain_says */
    char *server_reference;                /* NULL or empty: none */
};

struct limits_config {
    uint64_t max_packet_size;
    uint64_t max_connect_size;   /* CONNECT */
    uint64_t max_subscribe_size; /* SUBSCRIBE, UNSUBSCRIBE */
    uint64_t max_ack_size;       /* acknowledgements, PINGREQ, DISCONNECT, AUTH */
    uint32_t max_inflight;       /* unacknowledged QoS 1/2 messages on their way to a client */
    uint64_t max_unacknowledged_bytes;
    uint32_t max_unacknowledged;  /* publishes of a client that it hasn't been answered yet */
    uint32_t max_open_qos2;       /* incoming QoS 2 messages that a client hasn't released */
    uint32_t max_queued_messages; /* per session, clean or durable */
    uint64_t max_queued_bytes;    /* per session */
    uint64_t max_output;          /* bytes waiting for one slow connection */
    uint64_t max_output_total;    /* and for all of them; 0: a quarter of max_memory */
    uint64_t max_memory;          /* that clients cause; 0: half of what this process may use */
    uint32_t max_topic_levels;
    uint32_t max_topic_length;
    uint32_t max_subscriptions;        /* per session */
    uint32_t max_plus_subscriptions;   /* of them, with `+` in the filter */
    uint32_t max_shared_subscriptions; /* of them, shared */
    uint64_t max_subscription_bytes;   /* of a session's filters together */
    uint32_t max_connections;
    uint32_t max_connections_per_address, max_connections_per_user; /* 0: none */
    uint32_t max_connect_rate;      /* per address and second; 0: none */
    uint32_t max_publish_rate;      /* messages per client and second; 0: none */
    uint64_t max_publish_bytes;     /* the same in bytes */
    uint64_t max_message_expiry_ms; /* 0: none */
    uint64_t retained_expiry_ms;    /* of messages with the retain flag; 0: none */
    uint32_t max_client_id_length;
    uint64_t max_keep_alive_ms; /* also what a client without keep alive gets; 0: no bound */
    uint64_t connect_timeout_ms;
    uint64_t session_expiry_ms;     /* of durable sessions without a connection; 0: never */
    uint32_t max_durable_sessions;  /* of the fleet, or the memory store */
    uint64_t max_stored_bytes;      /* in Redis; 0: by its memory, see fleet_usage.h */
    uint32_t max_retained_messages; /* memory store */
};

enum fleet_consistency { CONSISTENCY_RELAXED, CONSISTENCY_STRICT };
enum fleet_durability { DURABILITY_BROKER, DURABILITY_DISK, DURABILITY_REPLICA };

/* What store_redis_new gets: the file's `redis:` and `fleet:` and the limits it must keep. */
struct store_redis_config {
    const char *url;                     /* redis://[user:password@]host[:port][/database] */
    const char *password_file;           /* NULL or empty: none */
    const struct tls_client_config *tls; /* of rediss://; NULL: all defaults */
    const char *name;                    /* of the fleet; NULL or empty: none */
    uint64_t connect_timeout_ms;
    uint64_t command_timeout_ms;
    uint64_t reconnect_min_ms, reconnect_max_ms;
    uint64_t lease_ms;
    uint64_t beat_interval_ms;
    uint64_t hang_ms;
    uint64_t route_linger_ms;
    uint64_t dedup_window_ms;
    uint32_t inbox_limit; /* entries */
    uint32_t dedup_limit; /* ids that a session remembers */
    uint32_t log_entries;
    uint64_t log_bytes;
    uint32_t session_limit;       /* durable ones of the fleet; 0: none */
    uint64_t stored_limit_bytes;  /* 0: by Redis' memory */
    uint32_t queue_limit;         /* messages per session */
    uint64_t queue_limit_bytes;   /* a session */
    uint64_t redispatch_after_ms; /* shared.redispatch_after */
    int share_strategy;           /* enum share_strategy */
    enum fleet_consistency consistency;
    enum fleet_durability durability;
};

struct redis_config {
    char *url;                     /* NULL: the memory store */
    char *password_file;           /* NULL: the password is in the url, or there is none */
    struct tls_client_config *tls; /* of rediss://; NULL: all defaults */
    uint64_t connect_timeout_ms, command_timeout_ms, reconnect_min_ms, reconnect_max_ms;
};

/* When an answer says that something is on the disk. */
enum store_sync { STORE_SYNC_ALWAYS, STORE_SYNC_SECOND };

struct store_config {
    char *file; /* NULL or empty: what a lone broker keeps ends with it */
    int sync;   /* enum store_sync */
    struct config_position file_at;
};

struct fleet_config {
    char *name; /* NULL or empty: none */
    uint64_t lease_ms, beat_interval_ms, hang_ms, route_linger_ms, dedup_window_ms;
    uint32_t inbox_limit, dedup_limit, log_entries;
    uint64_t log_bytes;
    int consistency; /* enum fleet_consistency */
    int durability;  /* enum fleet_durability */
};

struct admin_config {
    char *bind; /* NULL: no admin port */
    struct config_strings hosts;
    struct config_position bind_at;
};

struct log_config {
    int level, format; /* enum log_level, enum log_format */
    bool connections;
};

struct broker_config {
    const char *file;             /* borrowed, set by broker_config_load; NULL: there is none */
    struct config_list listeners; /* struct listener_config */
    struct redis_config redis;
    struct store_config store;
    struct fleet_config fleet;
    struct auth_config auth;
    struct mqtt_config mqtt;
    struct limits_config limits;
    struct shared_config shared;
    struct admin_config admin;
    struct log_config log;
    uint64_t drain_timeout_ms;
    uint64_t sys_interval_ms; /* 0: no $SYS topics */
    bool gather;              /* the loop may rest between turns: pace.h */
};

extern const struct config_schema broker_config_schema;

bool broker_config_load(const char *path, struct broker_config *out, struct config_error *err);
bool broker_config_default(struct broker_config *out, struct config_error *err);
void broker_config_free(struct broker_config *c);
/* Appends a listener (plain MQTT, no PROXY) for --listen. False when out of memory. */
bool broker_config_add_listener(struct broker_config *c, const char *bind);
/* No two listeners, nor one and the HTTP port, want the same address; for when the command line has
 * been added. */
bool broker_config_check_binds(const struct broker_config *c, struct config_error *err);
/* The state is in a file or in Redis; for when the command line has been added. */
bool broker_config_check_store(const struct broker_config *c, struct config_error *err);
/* Fills the limits by packet type of struct mqtt_decode_opts; the least of them is the one of type
 * 0, which no packet has. */
void broker_config_packet_limits(const struct limits_config *limits, uint32_t by_type[16]);
/* Borrows the strings of `c`. */
struct store_redis_config broker_config_store_redis(const struct broker_config *c);

#endif
