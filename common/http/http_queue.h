/*
 * http_queue - requests that wait until the loop has time for them.
 *
 * Why:       one connection may send hundreds of requests in one go, and evhttp answers one after the
 *            other before it comes back. So of one turn of the loop the handlers get HTTP_TURN_US of
 *            CPU time; what comes later waits here, in order, one request of a connection at most.
 * Ownership: embedded. A waiting request is evhttp's as before, until its connection goes:
 *            http_queue_forget, which the owner calls when it does.
 */
#ifndef FLOTILLA_COMMON_HTTP_HTTP_QUEUE_H
#define FLOTILLA_COMMON_HTTP_HTTP_QUEUE_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/timebox.h"
#include "common/http/http_connections.h"

struct event;
struct event_base;
struct evhttp_connection;
struct evhttp_request;

enum { HTTP_TURN_US = 4000 };

/* Answers a request before it returns. */
typedef void http_queue_fn(struct evhttp_request *req, void *arg);

struct http_queue {
    http_queue_fn *fn;
    void *arg;
    struct event *next_turn; /* owned; pending: a turn is under way, or something waits */
    struct timebox box;      /* of that turn */
    struct evhttp_request *waiting[HTTP_CONNECTIONS_MAX];
    size_t count;
};

/* False: out of memory. */
bool http_queue_init(struct http_queue *q, struct event_base *base, http_queue_fn *fn, void *arg);
/* After evhttp_free. */
void http_queue_fini(struct http_queue *q);

/* Answered now or in a later turn. False: too many wait. */
bool http_queue_take(struct http_queue *q, struct evhttp_request *req);
/* The connection goes, and its requests with it. */
void http_queue_forget(struct http_queue *q, const struct evhttp_connection *connection);

#endif
