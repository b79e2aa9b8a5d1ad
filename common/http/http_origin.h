/*
 * http_origin - whether a request may come from where it does.
 *
 * Anyone who reaches the HTTP port may use it, but not a web page that is open in an operator's
 * browser. Such a page can't hide the Host that it asks for (http_host.h), nor, where it changes
 * something, the headers by which browsers name it. Each of them is looked at, also where there are
 * several; a proxy in between may have taken another one than we.
 */
#ifndef FLOTILLA_COMMON_HTTP_HTTP_ORIGIN_H
#define FLOTILLA_COMMON_HTTP_HTTP_ORIGIN_H

#include <stdbool.h>

struct config_strings;
struct evhttp_request;

enum http_origin_host {
    HTTP_ORIGIN_OURS,
    HTTP_ORIGIN_OTHER,   /* logged */
    HTTP_ORIGIN_UNNAMED, /* HTTP/1.1 without a Host (RFC 9112, 3.2) */
};

/* `names` are ours besides addresses and localhost. */
enum http_origin_host http_origin_host(struct evhttp_request *req,
                                       const struct config_strings *names);
/* Asked for by a page of another origin. Programs send nothing by which it could be. */
bool http_origin_is_foreign(struct evhttp_request *req);

#endif
