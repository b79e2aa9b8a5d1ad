/*
 * server - one broker as the load balancer sees it.
 *
 * Data flow: the control thread makes servers (from the YAML list and from DNS) and decides their
 *            health; backend.c chooses among them; flows count their traffic on them.
 * Ownership: reference counted (atomic). The backend's set holds one, each flow on it holds one (it
 *            comes with backend_choose and goes with server_release). A removed server lives until
 *            its last flow ends.
 * Threads:   the fields above the line are set before the server is shared and never change; the
 *            atomics may be read anywhere; only server.c, backend.c and the control thread write
 *            health, admin, weight, deadlines. Counters may be bumped by any worker.
 * Units:     times are milliseconds of CLOCK_MONOTONIC.
 */
#ifndef FLOTILLA_LB_BACKEND_SERVER_H
#define FLOTILLA_LB_BACKEND_SERVER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "common/metrics/metrics.h"
#include "common/net/address.h"
#include "lb/config/lb_config.h"

enum server_health { SERVER_CHECKING, SERVER_UP, SERVER_DOWN };
enum server_admin { SERVER_READY, SERVER_DRAIN, SERVER_MAINTENANCE };
enum server_source { SERVER_FROM_LIST, SERVER_FROM_DNS };

/* What an operator sees; follows from health, admin and removed. */
enum server_state {
    SERVER_STATE_CHECKING,
    SERVER_STATE_UP,
    SERVER_STATE_DOWN,
    SERVER_STATE_DRAINING,
    SERVER_STATE_MAINTENANCE
};

enum connect_outcome {
    CONNECT_OK,
    CONNECT_REFUSED, /* RST to the SYN, unreachable: nobody listens there; counts at once */
    CONNECT_TIMEOUT, /* the TCP connect didn't finish in connect_timeout */
    CONNECT_FAILED   /* reset, closed or silent before the server's first byte */
};

struct server_counters {
    metric_counter flows;          /* a connect to it began, for a flow */
    metric_counter bytes_in;       /* from clients to the server */
    metric_counter bytes_out;      /* from the server to clients */
    metric_counter connect_errors; /* counted by server_report */
    metric_counter retries;        /* flows that left it for another server */
};

struct server {
    char *name;    /* "broker1", or the address when it came from DNS */
    char *backend; /* the backend's name, for logs and metrics */
    char address[ADDRESS_TEXT_MAX];
    struct sockaddr_storage addr;
    socklen_t addrlen;
    enum server_source source;
    uint64_t key;  /* stable hash of backend, name and address */
    int notify_fd; /* eventfd that wakes the control thread; it outlives every server */
    /* ---- */
    _Atomic unsigned refs;
    _Atomic unsigned connections; /* flows on it, connecting ones included */
    _Atomic unsigned weight;
    _Atomic int health; /* enum server_health */
    _Atomic int admin;  /* enum server_admin */
    _Atomic bool removed;
    _Atomic uint64_t up_since_ms;       /* when it last went up (slow start) */
    _Atomic uint64_t drain_deadline_ms; /* flows still on it then are closed; 0: none */
    _Atomic uint64_t no_ports_until_ms; /* there was no source port towards it: not tried before */
    _Atomic unsigned refused, doubts;   /* passive reports the control thread hasn't seen yet */
    struct server_counters counters;
};

/* `name` and `backend` are copied. One reference is the caller's. NULL: out of memory. */
struct server *server_new(const char *backend, const char *name,
                          const struct sockaddr_storage *addr, socklen_t addrlen, unsigned weight,
                          enum server_source source, int notify_fd);
struct server *server_ref(struct server *s);
void server_unref(struct server *s);

/* A flow that got `s` from backend_choose ended: connections - 1, unref. */
void server_release(struct server *s);

/* The server ended its side of a flow, which goes on for the client's last bytes: connections - 1,
 * so that a restarted broker doesn't seem loaded. server_unref ends it then. */
void server_leave(struct server *s);

/* Passive health, from any thread. CONNECT_REFUSED marks the server down at once; CONNECT_TIMEOUT
 * and CONNECT_FAILED ask for a check right now (a client can cause the latter, so it proves
 * nothing). */
void server_report(struct server *s, enum connect_outcome outcome);

enum server_state server_state(const struct server *s);
const char *server_state_name(enum server_state state);
/* Up, ready, not removed, weight above 0: backend_choose may pick it. */
bool server_takes_flows(const struct server *s);

#endif
