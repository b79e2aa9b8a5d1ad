/*
 * lb_config - the load balancer's configuration file as structs, and the tables that describe it.
 *
 * Data flow: lb_config_load reads lb.yaml through common/config; snapshot.c turns the result into
 *            what the workers use. Every key, its default and its effect stand in lb_config.c,
 *            listener_config.c and backend_config.c, loading and the checks across keys in
 *            lb_config_load.c.
 * Ownership: lb_config_load fills *out with heap memory; lb_config_free releases it.
 * Errors:    file, line, column, key and what was expected; also across keys (a listener that names
 *            no backend, two servers of one name).
 * Units:     *_ms are milliseconds; 0 switches a timeout off where the key's help says so.
 */
#ifndef FLOTILLA_LB_CONFIG_LB_CONFIG_H
#define FLOTILLA_LB_CONFIG_LB_CONFIG_H

#include "common/config/config.h"
#include "common/tls/tls_client.h"
#include "common/tls/tls_config.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum lb_balance { LB_BALANCE_LEASTCONN, LB_BALANCE_ROUNDROBIN, LB_BALANCE_RANDOM, LB_BALANCE_HASH };
enum lb_proxy { LB_PROXY_NONE, LB_PROXY_V2 };
enum lb_check_type { LB_CHECK_TCP, LB_CHECK_MQTT, LB_CHECK_HTTP, LB_CHECK_NONE };

struct listener_config {
    char *name, *bind, *backend;
    struct tls_config *tls; /* NULL: plain */
    uint64_t handshake_timeout_ms;
    uint64_t idle_timeout_ms; /* 0: off */
    uint32_t max_flows;       /* over all workers; 0: no limit */
    uint32_t backlog;
    struct config_position name_at, bind_at, backend_at, tls_at;
};

struct server_config {
    char *name, *address;
    uint32_t weight;     /* 0: no new flows */
    uint32_t check_port; /* 0: as health_check.port says */
    struct config_position name_at, address_at;
};

struct check_config {
    int type; /* enum lb_check_type */
    uint64_t interval_ms, fast_interval_ms, timeout_ms;
    uint32_t rise, fall;
    uint32_t port;             /* 0: the server's own */
    char *path;                /* http */
    char *username, *password; /* mqtt; NULL: none */
};

struct discover_config {
    char *dns; /* "name:port", or the SRV name when srv */
    bool srv;
    uint64_t refresh_ms, hold_ms, timeout_ms;
    char *resolver; /* "ip:port"; NULL: resolv.conf */
    uint32_t weight;
};

struct backend_tls_config {
    struct tls_client_config client;
    bool verify;
};

struct backend_config {
    char *name;
    int balance;        /* enum lb_balance */
    int proxy_protocol; /* enum lb_proxy */
    bool proxy_certificate;
    struct check_config health_check;
    struct config_list servers;       /* of struct server_config */
    struct discover_config *discover; /* NULL: only the list */
    struct backend_tls_config *tls;   /* NULL: the servers are plain */
    struct tls_client *tls_client;    /* made of it by the snapshot builder, which owns it */
    uint64_t connect_timeout_ms;      /* one TCP connect to a server */
    uint64_t first_byte_timeout_ms;   /* silence of a server after the connect; 0: off */
    uint32_t retries;                 /* other servers tried before the client is closed */
    uint64_t queue_timeout_ms;        /* a flow's wait while no server is up */
    uint64_t half_close_timeout_ms;   /* one direction ended; 0: off */
    uint64_t stall_timeout_ms;        /* a peer takes nothing of what waits for it; 0: off */
    uint64_t drain_timeout_ms;        /* flows of a removed server live on this long */
    uint64_t slow_start_ms;           /* 0: off */
    struct config_position at, health_check_at, tls_at;
};

struct lb_config {
    char *workers;                /* "auto" or a number: see lb_config_workers */
    struct config_list listeners; /* of struct listener_config */
    struct config_list backends;  /* of struct backend_config */
    struct {
        char *bind;
        struct config_strings hosts;
        struct config_position bind_at;
    } admin;
    struct {
        int level, format; /* enum log_level, enum log_format */
    } log;
    uint64_t drain_timeout_ms; /* after SIGTERM */
    bool gather;               /* workers may rest between turns: pace.h */
    struct config_position listeners_at;
};

#define LB_WORKERS_MAX 256u

extern const struct config_schema lb_config_schema;

bool lb_config_load(const char *path, struct lb_config *out, struct config_error *err);
void lb_config_free(struct lb_config *config);

/* The number of worker threads: `auto` is one for each core this process may use. */
unsigned lb_config_workers(const struct lb_config *config);

#endif
