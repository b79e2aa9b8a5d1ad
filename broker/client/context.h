/*
 * context - struct broker, what the modules of one broker process share: made by broker.c, passed
 * down.
 *
 * Ownership: broker.c makes what it points at and releases it; the configuration is main's. Fields
 *            belong to the module named beside them.
 * Threads:   one only.
 */
#ifndef FLOTILLA_BROKER_CLIENT_CONTEXT_H
#define FLOTILLA_BROKER_CLIENT_CONTEXT_H

#include <sys/queue.h>

#include "broker/base/broker_stats.h"
#include "broker/base/leftovers.h"
#include "broker/base/memory_budget.h"
#include "broker/base/turn_clock.h"
#include "broker/message/message.h"
#include "broker/net/output.h"
#include "common/base/pace.h"
#include "common/base/wheel.h"

struct auth;
struct auth_recheck;
struct broker_config;
struct client;
struct drain;
struct encoder;
struct event;
struct event_base;
struct fanouts;
struct holder;
struct http_admin;
struct listener;
struct metrics;
struct metric_histogram;
struct paused;
struct router;
struct session_table;
struct store;
struct sys_topics;
struct sys_values;
struct tls_contexts;
struct websocket_decoder;

/* Clients waiting for one phase of the turn, linked through themselves (turn.c). */
struct client_list {
    struct client *head, *tail;
};

TAILQ_HEAD(holder_list, holder);

enum broker_state {
    BROKER_SERVING,
    BROKER_DRAINING, /* SIGTERM came: clients are closed one after another */
    BROKER_STOPPED,  /* the turn's loop ends */
};

enum { READ_SIZE = 128 * 1024, REST_MAX = 64 * 1024 };

struct broker {
    const struct broker_config *config;
    enum broker_state state;
    struct event_base *base;
    uint64_t now_ms; /* clock_monotonic_ms, once per turn */
    uint64_t
        client_ms; /* the same for keep alive: without the time in which clients weren't served */
    uint64_t expiry_now_ms; /* store_now_ms, once per turn: client_expiry_now_ms */
    uint64_t hash_key;

    struct store *store;
    struct router *router;
    struct session_table *sessions;
    struct auth *auth;
    struct auth_recheck *recheck;
    struct encoder *encoder;
    struct sys_topics *sys;
    struct sys_values *sys_values; /* made and filled by sys_topics.c */
    struct metrics *metrics;
    struct metric_histogram *store_latency;
    struct http_admin *admin; /* NULL: no admin port */
    struct drain *drain;
    struct listener **listeners;
    size_t listener_count;
    struct tls_contexts *tls;   /* of those that have it */
    bool takes_all_as_it_comes; /* publish_bounds_none */
    bool listening;             /* they are open: since the store was ready for the first time */
    bool failed;                /* it ends because it can't go on */

    struct client *clients;    /* all that have a transport, doubly linked */
    struct client *recheck_at; /* where auth_recheck.c goes on; NULL: nothing to do */
    uint32_t client_count;
    uint32_t client_limit; /* by max_connections and by file descriptors */
    struct paused *paused; /* clients not read until the store takes publishes again: */
    bool resuming;         /* some of them could be read again, and there was no time for all */
    bool starting_over;    /* all clients are being closed ... (host.c) */
    uint32_t forget_at;    /* ... and their sessions forgotten: where in the table */

    /* the turn (turn.c) */
    struct turn_clock clock;
    struct timebox box; /* of the phase that is at work */
    struct client_list ready, work, dead;
    struct client_list flush_soon, flush; /* to be written soon, at the turn's end: flush_rule.h */
    uint32_t output_source, first_output_source; /* what causes output now; first one of the turn */
    struct event *tick;                          /* advances the wheel */
    bool tick_due;
    struct wheel wheel;                  /* timeouts of clients, and of what they were told */
    struct pace pace;                    /* whether to rest before the next poll */
    const uint64_t *steps;               /* made by matching: router_steps */
    struct publish_rates *publish_rates; /* publish_rate.h; NULL: no such limit yet */
    struct tally *addresses, *users;     /* crowd.h; NULL: no such limit yet */
    struct fanouts *fanouts;             /* messages that are handed out in pieces */
    struct message_id last_message_id;
    uint64_t share_draws; /* at random: share.c */
    uint64_t securing_ns; /* of this turn, for TLS handshakes: secure.c */
    bool flush_behind;    /* the last turn had no time to write all outputs */
    uint32_t deliveries;  /* made for the client whose input is being handled: its budget */
    /* memory that clients cause (shed.c) */
    struct memory_budget memory;
    struct holder_list holders; /* clients that hold something over a turn */
    uint64_t output_limit;      /* of all outputs together: above it QoS 0 is dropped */
    uint64_t resident_base;     /* resident memory without clients */
    uint64_t trim_at_ms, shed_in_vain_ms;
    struct leftovers leftovers; /* queues of closed clients, not released yet */
    uint64_t shed_since;        /* closed for memory when shedding began; UINT64_MAX: it is over */

    struct chunk_pool chunks;                /* of all outputs */
    struct websocket_decoder *spare_decoder; /* websocket_frames.h */
    struct broker_stats stats;               /* counters, read by metrics and $SYS */
    uint32_t packet_limits[16];              /* by type: struct mqtt_decode_opts */
    uint8_t *read_buffer;                    /* REST_MAX + READ_SIZE, shared by all clients */
    uint8_t *props_buffer;                   /* of the packet that is being handled: publish_v5.c */
    size_t props_size;
};

#endif
