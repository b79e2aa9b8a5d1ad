/*
 * http_admin.c asks before it looks for a route.
 */
#include "common/http/http_origin.h"

#include <event2/http.h>
#include <event2/http_struct.h>
#include <event2/keyvalq_struct.h>
#include <string.h>
#include <strings.h>
#include <sys/queue.h>

#include "common/http/http_host.h"
#include "common/log/log.h"

static bool is_ours(const char *host, const struct config_strings *names)
{
    if (http_host_is_ours(host, names))
        return true;
    LOG_LIMITED(
        LOG_LEVEL_WARN, "http_host_refused", KV_STR("host", host),
        KV_STR("hint", "a name that the HTTP port is to answer to belongs into admin.hosts"));
    return false;
}

/* A program that speaks HTTP/1.0 may send no Host; a browser always does. */
static bool may_be_unnamed(const struct evhttp_request *req)
{
    return req->major < 1 || (req->major == 1 && req->minor == 0);
}

enum http_origin_host http_origin_host(struct evhttp_request *req,
                                       const struct config_strings *names)
{
    const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(req);
    const char *in_line = uri != NULL ? evhttp_uri_get_host(uri) : NULL; /* a whole URL */
    bool named = false;
    struct evkeyval *header;
    if (in_line != NULL && !is_ours(in_line, names))
        return HTTP_ORIGIN_OTHER;
    TAILQ_FOREACH (header, evhttp_request_get_input_headers(req), next) {
        if (strcasecmp(header->key, "Host") != 0)
            continue;
        if (!is_ours(header->value, names))
            return HTTP_ORIGIN_OTHER;
        named = true;
    }
    return named || may_be_unnamed(req) ? HTTP_ORIGIN_OURS : HTTP_ORIGIN_UNNAMED;
}

/* Browsers name the page in Origin, and how it stands to us in Sec-Fetch-Site. */
static bool names_foreign_page(const struct evkeyval *header, const char *host)
{
    if (strcasecmp(header->key, "Sec-Fetch-Site") == 0)
        return strcasecmp(header->value, "same-origin") != 0 &&
               strcasecmp(header->value, "none") != 0;
    if (strcasecmp(header->key, "Origin") != 0)
        return false;
    const char *scheme_end = strstr(header->value, "://");
    return scheme_end == NULL || host == NULL || strcasecmp(scheme_end + 3, host) != 0;
}

bool http_origin_is_foreign(struct evhttp_request *req)
{
    struct evkeyvalq *headers = evhttp_request_get_input_headers(req);
    const char *host = evhttp_find_header(headers, "Host");
    struct evkeyval *header;
    TAILQ_FOREACH (header, headers, next) {
        if (names_foreign_page(header, host))
            return true;
    }
    return false;
}
