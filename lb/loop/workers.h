/*
 * workers - the threads that carry the traffic, as main and reload command them.
 *
 * Data flow: the control thread opens listening sockets (one SO_REUSEPORT socket per worker and
 *            listener), and sends each worker commands through its queue and eventfd: use this
 *            snapshot, try waiting flows again, close a server's flows, drain, stop. A worker
 *            accepts, and a flow lives and dies on one worker.
 * Ownership: workers_apply takes its own references to the snapshot; the caller keeps his.
 * Threads:   every function here belongs to the control thread, but for the reading ones
 *            (workers_stats, workers_listener_stats, workers_flows), which any thread may call
 *            while no other is in workers_apply or workers_free.
 * Units:     *_ms are milliseconds.
 */
#ifndef FLOTILLA_LB_LOOP_WORKERS_H
#define FLOTILLA_LB_LOOP_WORKERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct server;
struct snapshot;
struct workers;

/* Starts `count` threads that have nothing to do yet. NULL: out of memory or descriptors. */
struct workers *workers_new(unsigned count);

/* Stops the threads: closes listening sockets and flows at once, joins, frees. NULL is harmless. */
void workers_free(struct workers *w);

/* Makes `next` the configuration in force. New listeners are bound first; when one can't be,
 * nothing changes, `err` says why (naming listener and address), and false comes back. Listeners
 * with an unchanged address keep their sockets; those of removed listeners are accepted empty, then
 * closed. Flows go on with what they started with. */
bool workers_apply(struct workers *w, struct snapshot *next, char *err, size_t errlen);

/* A server can take flows (it came up, or is ready again): flows that wait for one try again. */
void workers_wake(struct workers *w);

/* Closes all flows that are on this server (its drain timeout is over). */
void workers_close_server(struct workers *w, struct server *s);

/* Stops accepting, for good. Flows go on; what is left after `timeout_ms` is closed. The process
 * may end when workers_flows is 0. */
void workers_drain(struct workers *w, uint64_t timeout_ms);

/* No more than so many flows at once, and no pipe with a descriptor from `spare_from` on: both get
 * by without, what else needs a descriptor doesn't. As at first, 0: no such bound. */
void workers_share_descriptors(struct workers *w, size_t flows, int spare_from);

/* Flows of all workers, waiting and handshaking ones included. */
size_t workers_flows(const struct workers *w);

/* Port that a listener is bound to (for bind to port 0, in tests); 0: no such listener. */
unsigned workers_port(const struct workers *w, const char *listener);

struct worker_stats {
    uint64_t accepted;              /* connections taken from listening sockets */
    uint64_t flows;                 /* now */
    uint64_t queued;                /* now: flows that wait for a server */
    uint64_t queue_timeouts;        /* flows closed because no server came up in time */
    uint64_t handshakes;            /* TLS handshakes completed */
    uint64_t resumed;               /* of them: resumed from a ticket */
    uint64_t own_records;           /* now: TLS flows that have left OpenSSL */
    uint64_t openssl_records;       /* now: TLS flows that haven't */
    uint64_t handshake_fails;       /* not TLS, refused, or timed out */
    uint64_t connects;              /* connections to servers that were established */
    uint64_t connect_fails;         /* refused, timed out, or lost before the first byte */
    uint64_t connects_impossible;   /* for want of descriptors, memory or source ports */
    uint64_t retries;               /* flows that went to another server */
    uint64_t bytes_in;              /* clients to servers */
    uint64_t bytes_out;             /* servers to clients */
    uint64_t spliced;               /* of both: bytes that went through a pipe */
    uint64_t proxy_headers_refused; /* of clients, where no header is sent */
    uint64_t half_close_timeouts;
    uint64_t stall_timeouts; /* of peers that took nothing of what waited for them */
    uint64_t idle_timeouts;
    uint64_t accept_pauses; /* out of descriptors, or max_flows reached */
    uint64_t handed_over;   /* connections passed on to a worker with fewer */
};

unsigned workers_count(const struct workers *w);
/* `index` below workers_count. The values are of slightly different moments. */
void workers_stats(const struct workers *w, unsigned index, struct worker_stats *out);

struct listener_stats {
    uint64_t accepted;
    uint64_t flows; /* now */
    uint64_t handshake_fails;
    uint64_t paused; /* times that accepting paused at max_flows */
};

/* False: no such listener. Counters live on across reloads while the address stays the same. */
bool workers_listener_stats(const struct workers *w, const char *listener,
                            struct listener_stats *out);

#endif
