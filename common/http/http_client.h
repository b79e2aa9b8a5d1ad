/*
 * http_client - asks HTTP services from an event loop (libcurl's multi interface): host names are looked up and
 * certificates and their names are verified, redirects aren't followed, proxies of the environment aren't used.
 *
 * Ownership: a request is the client's until `done`, or http_request_cancel; its body is copied, and wiped afterwards.
 * Bounds:    `max_requests` under way; an answer of `max_answer` bytes, more is an error; `timeout_ms` for all of it.
 * Threads:   one loop. libcurl looks names up in a thread of its own.
 * Errors:    in the answer: status 0 and a sentence.
 */
#ifndef FLOTILLA_COMMON_HTTP_HTTP_CLIENT_H
#define FLOTILLA_COMMON_HTTP_HTTP_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct event_base;
struct http_client;
struct http_request;

struct http_client_config {
    uint32_t max_requests;
    size_t max_answer;
    uint64_t timeout_ms;
    const char *ca_file;       /* NULL: the system's authorities */
    const char *authorization; /* of the header of that name; NULL: none. Copied */
};

/* Good during `done`. */
struct http_answer {
    long status;     /* 0: there is none */
    const char *err; /* why */
    const char *body;
    size_t len;
};
typedef void http_done_fn(void *arg, const struct http_answer *answer);

/* NULL when out of memory. */
struct http_client *http_client_new(struct event_base *base,
                                    const struct http_client_config *config);
/* Of requests from now on; NULL: none. False when out of memory: the former one stays. */
bool http_client_set_authorization(struct http_client *c, const char *authorization);
/* Requests under way end without `done`. */
void http_client_free(struct http_client *c);

/* POSTs JSON. `done` is called from the loop, never from here. NULL: too many are under way, or out of memory. */
struct http_request *http_client_post(struct http_client *c, const char *url, const char *json,
                                      size_t len, http_done_fn *done, void *arg);
/* `done` isn't called any more. */
void http_request_cancel(struct http_request *r);

uint32_t http_client_under_way(const struct http_client *c);

/* NULL, or what an address must be that secrets may be sent to: https, or this machine. For configurations. */
const char *http_client_check_url(const char *text);

#endif
