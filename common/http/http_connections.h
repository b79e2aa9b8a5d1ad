/*
 * http_connections - the connections of one HTTP server: how many there may be and for how long.
 *
 * Policy:    a request, from its first byte to the last byte of its reply, may take REQUEST_MS; a
 *            connection without one may wait IDLE_MS for its next. When all places are taken, the
 *            connection that has waited longest is closed. So a client that asks quickly is always
 *            answered, however many connections others hold open.
 * Why here:  evhttp (2.1) has an idle time but no deadline, and doesn't tell when a connection ends.
 *            So each connection's bufferevent is held by a reference of ours; evhttp takes its
 *            callbacks off when it is done with it, and the sweep drops the reference then.
 * Ownership: embedded; http_connections_fini after evhttp_free.
 */
#ifndef FLOTILLA_COMMON_HTTP_HTTP_CONNECTIONS_H
#define FLOTILLA_COMMON_HTTP_HTTP_CONNECTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bufferevent;
struct event_base;
struct http_connection;

enum {
    HTTP_CONNECTIONS_MAX = 128,
    HTTP_REQUEST_MS = 5000,
    HTTP_IDLE_MS = 30000,
};

struct http_connections {
    struct http_connection *all[HTTP_CONNECTIONS_MAX]; /* the first `count` of them */
    size_t count;
    size_t max; /* 0: HTTP_CONNECTIONS_MAX */
    uint64_t evicted;
};

/* How many there may be. */
size_t http_connections_most(const struct http_connections *cs);
/* The bufferevent for a connection that was just accepted. NULL: out of memory. */
struct bufferevent *http_connections_add(struct http_connections *cs, struct event_base *base);
/* A reply of this connection is written whole. */
void http_connections_replied(struct http_connections *cs, struct bufferevent *bev);
/* Closes what is overdue, and frees what has ended. */
void http_connections_sweep(struct http_connections *cs, uint64_t now_ms);
void http_connections_fini(struct http_connections *cs);

#endif
