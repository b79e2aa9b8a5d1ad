/*
 * http_client - for tests: one request to an HTTP port that is served by the same event base, and
 * what it answers.
 */
#ifndef FLOTILLA_TESTS_UNIT_HTTP_CLIENT_H
#define FLOTILLA_TESTS_UNIT_HTTP_CLIENT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <stdio.h>
#include <string.h>

struct http_answer {
    int status;                 /* 0: none came */
    char type[64], policy[512]; /* Content-Type and Content-Security-Policy, "" when absent */
    char body[65536];
    struct event_base *base;
};

static inline void http_copy_header(struct evhttp_request *req, const char *key, char *to,
                                    size_t size)
{
    const char *value = evhttp_find_header(evhttp_request_get_input_headers(req), key);
    (void)snprintf(to, size, "%s", value != NULL ? value : "");
}

static inline void http_on_answer(struct evhttp_request *req, void *arg)
{
    struct http_answer *a = arg;
    event_base_loopbreak(a->base);
    if (req == NULL)
        return;
    a->status = evhttp_request_get_response_code(req);
    http_copy_header(req, "Content-Type", a->type, sizeof(a->type));
    http_copy_header(req, "Content-Security-Policy", a->policy, sizeof(a->policy));
    int len = evbuffer_remove(evhttp_request_get_input_buffer(req), a->body, sizeof(a->body) - 1);
    a->body[len < 0 ? 0 : len] = '\0';
}

/* `address` is the server's; `type` (Content-Type) and `text` (the request's body) may be NULL. The
 * loop runs until the answer is there, or the connection has failed. */
static inline int http_ask(struct event_base *base, const char *address, int port,
                           enum evhttp_cmd_type method, const char *path, const char *type,
                           const char *text, struct http_answer *answer)
{
    struct evhttp_connection *connection =
        evhttp_connection_base_new(base, NULL, address, (uint16_t)port);
    struct evhttp_request *req = evhttp_request_new(http_on_answer, answer);
    memset(answer, 0, sizeof(*answer));
    answer->base = base;
    evhttp_connection_set_timeout(connection, 10);
    evhttp_add_header(evhttp_request_get_output_headers(req), "Host", "localhost");
    if (type != NULL)
        evhttp_add_header(evhttp_request_get_output_headers(req), "Content-Type", type);
    if (text != NULL)
        evbuffer_add(evhttp_request_get_output_buffer(req), text, strlen(text));
    assert_int_equal(evhttp_make_request(connection, req, method, path), 0);
    event_base_dispatch(base);
    evhttp_connection_free(connection);
    return answer->status;
}

#endif
