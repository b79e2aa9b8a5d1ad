/*
 * http_admin - the small HTTP server (evhttp) for status, metrics and control of one process.
 *
 * Data flow: a request whose method and path match a route goes to its handler, which answers with
 *            http_admin_reply before it returns (or later, if it keeps the request).
 * Errors:    unknown path 404, known path with another method 405, a Host that isn't ours or a
 *            write asked for by a page of another origin 403, each as one line of text.
 * Limits:    headers 8 KiB, bodies 64 KiB; 5 s for a request and its reply, 30 s between two; 128
 *            connections, of which the one that has waited longest makes room for a new one. Out of
 *            descriptors it stops accepting for a moment.
 * Threads:   belongs to the thread of its event base.
 */
#ifndef FLOTILLA_COMMON_HTTP_HTTP_ADMIN_H
#define FLOTILLA_COMMON_HTTP_HTTP_ADMIN_H

#include <stdbool.h>
#include <stddef.h>

struct config_strings;
struct event_base;
struct evbuffer;
struct evhttp_request;
struct http_admin;

enum http_method { HTTP_GET = 1, HTTP_POST = 2, HTTP_PUT = 4, HTTP_DELETE = 8 };

/* `tail` is what follows the route's path when the route ends in '/' (else ""), percent-decoded,
 * for the call only. */
typedef void http_admin_fn(struct evhttp_request *req, const char *tail, void *arg);

/* `bind` is as in bind_address.h, names too. NULL on failure, with a sentence for an operator
 * in err. */
struct http_admin *http_admin_new(struct event_base *base, const char *bind, char *err,
                                  size_t errlen);
void http_admin_free(struct http_admin *a);
/* Port that was bound (for bind to port 0, in tests). */
int http_admin_port(const struct http_admin *a);
/* Names besides addresses and localhost that requests may be addressed to (http_host.h); copied.
 * False when out of memory: the old ones stay. */
bool http_admin_set_hosts(struct http_admin *a, const struct config_strings *hosts);

/* `methods` is a set of http_method bits; GET also answers HEAD. `path` is a literal and must
 * outlive the server; ending in '/' (and longer than "/") makes it a prefix. An exact path goes
 * before a prefix, a longer prefix before a shorter one. False when out of memory. */
bool http_admin_route(struct http_admin *a, int methods, const char *path, http_admin_fn *fn,
                      void *arg);

/* At most so many connections (1 to 128, which is the default). */
void http_admin_set_connections(struct http_admin *a, unsigned max);

/* Sends and empties `body` (may be NULL). Nothing may be cached, framed or loaded from elsewhere; a
 * handler that needs another Content-Security-Policy adds it before. */
void http_admin_reply(struct evhttp_request *req, int status, const char *content_type,
                      struct evbuffer *body);
void http_admin_reply_text(struct evhttp_request *req, int status, const char *text);
/* Whole request body as a NUL-terminated heap string (caller frees); NULL when there is none. `len`
 * may be NULL. */
char *http_admin_body(struct evhttp_request *req, size_t *len);
/* Value of a query parameter as heap string (caller frees), NULL when absent. */
char *http_admin_query(struct evhttp_request *req, const char *key);

#endif
