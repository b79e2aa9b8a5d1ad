/*
 * http_head - the head of an HTTP/1.1 request in a buffer: request line and fields, strictly.
 *
 * Why here:  Debian's libraries that parse HTTP bring their own sockets (evhttp, libmicrohttpd) or have
 *            no maintainer any more (http-parser). A request that asks for WebSocket has no body, so its
 *            head is all there is to parse.
 * Source:    RFC 9112, 2 to 5. Of what that leaves to a server, everything is refused: bare LF, folded
 *            fields, empty lines in front, spaces before a colon.
 * Ownership: slices point into the caller's buffer. Pure; no I/O.
 */
#ifndef FLOTILLA_BROKER_NET_HTTP_HEAD_H
#define FLOTILLA_BROKER_NET_HTTP_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct http_text {
    const char *at;
    size_t len;
};

struct http_head {
    struct http_text method;
    struct http_text path; /* of the request target, without its query; begins with '/' */
    struct http_text fields;
};

enum http_head_result {
    HTTP_HEAD_OK,
    HTTP_HEAD_NEED_MORE,
    HTTP_HEAD_MALFORMED,
    HTTP_HEAD_TOO_LARGE
};

/* Reads a head at the start of buf. On OK `used` gets its length; all of its fields are well formed.
 * TOO_LARGE: `limit` bytes hold no whole head. */
enum http_head_result http_head_parse(const uint8_t *buf, size_t len, size_t limit,
                                      struct http_head *out, size_t *used);

/* Takes the next field off `fields` of a head that was OK. False: that was all. */
bool http_head_next(struct http_text *fields, struct http_text *name, struct http_text *value);

/* Takes the next item off a list with commas; empty items are skipped. False: that was all. */
bool http_list_next(struct http_text *list, struct http_text *item);

bool http_text_is(struct http_text t, const char *text);
/* Upper and lower case are the same. */
bool http_text_is_nocase(struct http_text t, const char *text);

#endif
