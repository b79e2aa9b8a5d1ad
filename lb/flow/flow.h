/*
 * flow - one client connection and the server connection it is spliced to.
 *
 * Data flow: acceptor.c opens flows; the poller, the wheel and the worker's lists call flow_handle
 *            (flow_life.h), which moves the flow through its states. flow_setup.h has the states
 *            before relaying, flow_relay.h those after. What is decided without I/O stands in
 *            flow_rules.h.
 * Ownership: lives and dies on one worker. Holds the snapshot it was accepted under, its listener
 *            and its server (chosen: connection and reference). A closed flow is on the worker's
 *            list of closed ones until the end of the turn, since its events may still be in
 *            flight.
 * Memory:    about 350 bytes while it relays plain and nothing is pending.
 *
 *            accepted ──TLS, no server up──► queueing
 *              │  │                             │ a server came up
 *        plain │  └──TLS──► handshaking ◄───────┘
 *              ▼                 │ done
 *            choosing ◄──────────┘
 *              │   ▲ another server: refused, timed out,
 *       chosen │   │ or failed before its first byte
 *              ▼   │
 *            connecting ──established──► trying ──first byte──► relaying
 *              │                            ▲                      │ one side ended
 *              └──backend with TLS──► securing                     ▼
 *                                                              half-closed
 *
 *            and from each state to closed: time is up, nothing left to try, both sides ended.
 */
#ifndef FLOTILLA_LB_FLOW_FLOW_H
#define FLOTILLA_LB_FLOW_FLOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "common/base/pace.h"
#include "common/base/wheel.h"
#include "common/metrics/metrics.h"
#include "lb/stream/poller.h"
#include "lb/stream/relay.h"
#include "lb/stream/stall.h"
#include "lb/stream/stream.h"

struct attempt;
struct listener;
struct server;
struct snapshot;
struct snapshot_listener;
struct worker;

enum flow_state {
    FLOW_ACCEPTED,
    FLOW_QUEUEING,    /* TLS: no server is up, so the handshake waits */
    FLOW_HANDSHAKING, /* TLS */
    FLOW_CHOOSING,    /* wants a server; waits when there is none */
    FLOW_CONNECTING,
    FLOW_SECURING, /* the PROXY header, and the TLS handshake with the server */
    FLOW_TRYING,   /* connected; what the client sent is held until the server's first byte */
    FLOW_RELAYING,
    FLOW_HALF_CLOSED, /* one side ended; its last bytes, and the other side's, are on their way */
    FLOW_CLOSED,
};
#define FLOW_STATES (FLOW_CLOSED + 1)

/* A flow is on one of its worker's lists at most. */
enum flow_place { FLOW_NOWHERE, FLOW_ON_READY, FLOW_ON_WAITING, FLOW_ON_CLOSED };

struct flow_end {
    struct poll_target target;
    struct stream stream;
};

struct flow {
    struct flow_end client, server;
    struct relay up;   /* client to server */
    struct relay down; /* server to client */
    struct worker *worker;
    struct listener *listener;
    struct snapshot *snapshot;
    const struct snapshot_listener *settings; /* in the snapshot */
    struct server *chosen;                    /* NULL: none */
    struct attempt *attempt;                  /* NULL from relaying on */
    struct stall up_stall, down_stall;        /* of the server, of the client */
    struct wheel_timer timer;
    TAILQ_ENTRY(flow) link; /* `place` says of which list */
    LIST_ENTRY(flow) all;
    uint64_t since_ms;    /* when the state was entered */
    uint64_t progress_ms; /* when bytes last moved */
    struct pace_client pace;
    enum flow_state state;
    enum flow_place place;
    bool expired;   /* the timer is why the state runs */
    bool uncounted; /* the server ended its side: it no longer counts this flow (server_leave) */
    bool secured;   /* its TLS handshake is done: it counts as one of its kind of records */
};

const char *flow_state_name(enum flow_state state);

/* Makes what can be made of the state the flow is in; returns the state it ought to be in. */
typedef enum flow_state flow_run_fn(struct flow *f);

/* Moves the flow to another of the worker's lists (or to none). */
void flow_place(struct flow *f, enum flow_place place);
void flow_set_timer(struct flow *f, uint64_t at_ms); /* 0: none */
/* Leaves an earlier one; 0: changes nothing. */
void flow_set_timer_by(struct flow *f, uint64_t at_ms);
void flow_leave_server(struct flow *f);
/* TLS flows are counted by whose records they use. */
metric_gauge *flow_records_gauge(struct flow *f);

#endif
