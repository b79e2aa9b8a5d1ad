/*
 * Requests come from evhttp, which does the protocol; this asks whether they may come from where
 * they do, and finds the route. How many connections there are and for how long is
 * http_connections.c's, what is served (pages, JSON, metrics) is the handlers' business.
 */
#include "common/http/http_admin.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <event2/listener.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/config/config_schema.h"
#include "common/http/http_connections.h"
#include "common/http/http_origin.h"
#include "common/http/http_queue.h"
#include "common/log/log.h"
#include "common/net/address.h"
#include "common/net/bind_address.h"

#define HEADERS_MAX_BYTES 8192
#define BODY_MAX_BYTES 65536
#define BACKLOG 4096
#define SWEEP_MS 250

struct route {
    SLIST_ENTRY(route) link;
    int methods;
    const char *path; /* borrowed literal */
    size_t len;
    bool prefix;
    http_admin_fn *fn;
    void *arg;
};

struct http_admin {
    struct event_base *base; /* borrowed */
    struct evhttp *http;
    struct evconnlistener *listeners[BIND_ADDRESSES_MAX]; /* owned by http */
    size_t listener_count;
    struct event *sweep; /* every SWEEP_MS */
    struct event *soon;  /* sweeps at once */
    SLIST_HEAD(, route) routes;
    struct http_connections connections;
    struct http_queue queue;
    size_t accepted;             /* since the last sweep */
    struct config_strings hosts; /* copies */
    int port;
};

static const struct {
    enum evhttp_cmd_type cmd;
    int bit;
    const char *name;
} methods_known[] = {
    {EVHTTP_REQ_GET, HTTP_GET, "GET"},          {EVHTTP_REQ_HEAD, HTTP_GET, "HEAD"},
    {EVHTTP_REQ_POST, HTTP_POST, "POST"},       {EVHTTP_REQ_PUT, HTTP_PUT, "PUT"},
    {EVHTTP_REQ_DELETE, HTTP_DELETE, "DELETE"},
};
#define METHODS_KNOWN (sizeof(methods_known) / sizeof(methods_known[0]))

/* ---- connections ---- */

static void on_sweep(evutil_socket_t fd, short what, void *arg)
{
    struct http_admin *a = arg;
    (void)fd;
    (void)what;
    http_connections_sweep(&a->connections, clock_monotonic_ms());
    a->accepted = 0;
    for (size_t i = 0; i < a->listener_count; i++)
        evconnlistener_enable(a->listeners[i]); /* if it was paused */
}

static void sweep_soon(struct http_admin *a)
{
    static const struct timeval now = {0, 0};
    event_add(a->soon, &now);
}

/* evhttp asks for the bufferevent of a connection that it has just accepted. It accepts all that
 * wait, and each may be somebody's last place: after some the loop goes around first, so that whoever
 * has asked already is answered before the crowd behind him is let in. */
static struct bufferevent *on_accept(struct event_base *base, void *arg)
{
    struct http_admin *a = arg;
    if (++a->accepted >= http_connections_most(&a->connections) / 4) {
        for (size_t i = 0; i < a->listener_count; i++)
            evconnlistener_disable(a->listeners[i]);
        sweep_soon(a);
    }
    return http_connections_add(&a->connections, base);
}

/* Out of descriptors or memory: what waits in the backlog would wake us again at once, without end.
 * The next sweep goes on accepting. */
static void on_accept_failed(struct evconnlistener *listener, void *arg)
{
    int err = errno;
    (void)arg;
    LOG_LIMITED(LOG_LEVEL_ERROR, "accept_paused", KV_STR("listener", "admin"),
                KV_STR("err", strerror(err)));
    evconnlistener_disable(listener);
}

static void on_complete(struct evhttp_request *req, void *arg)
{
    struct http_admin *a = arg;
    struct evhttp_connection *connection = evhttp_request_get_connection(req);
    if (connection != NULL)
        http_connections_replied(&a->connections, evhttp_connection_get_bufferevent(connection));
    sweep_soon(a); /* it may end with this reply: let its socket go at once */
}

/* ---- routes ---- */

static bool route_matches(const struct route *r, const char *path)
{
    return strncmp(path, r->path, r->len) == 0 && (r->prefix || path[r->len] == '\0');
}

static bool route_beats(const struct route *r, const struct route *best)
{
    if (best == NULL || r->prefix != best->prefix)
        return best == NULL || !r->prefix;
    return r->len > best->len;
}

/* The route for a path and method. `allowed` gets the methods that the path has. */
static const struct route *find_route(const struct http_admin *a, const char *path, int method,
                                      int *allowed)
{
    const struct route *best = NULL;
    const struct route *r;
    *allowed = 0;
    SLIST_FOREACH (r, &a->routes, link) {
        if (!route_matches(r, path))
            continue;
        *allowed |= r->methods;
        if ((r->methods & method) != 0 && route_beats(r, best))
            best = r;
    }
    return best;
}

static int method_of(struct evhttp_request *req)
{
    for (size_t i = 0; i < METHODS_KNOWN; i++) {
        if (evhttp_request_get_command(req) == methods_known[i].cmd)
            return methods_known[i].bit;
    }
    return 0;
}

static void reply_not_allowed(struct evhttp_request *req, int allowed)
{
    char list[64] = "";
    for (size_t i = 0; i < METHODS_KNOWN; i++) {
        size_t used = strlen(list);
        if ((allowed & methods_known[i].bit) != 0)
            (void)snprintf(list + used, sizeof(list) - used, "%s%s", used > 0 ? ", " : "",
                           methods_known[i].name);
    }
    evhttp_add_header(evhttp_request_get_output_headers(req), "Allow", list);
    http_admin_reply_text(req, 405, "method not allowed");
}

static void dispatch(struct http_admin *a, struct evhttp_request *req, const char *path)
{
    int method = method_of(req);
    int allowed;
    const struct route *r = find_route(a, path, method, &allowed);
    if (allowed == 0)
        http_admin_reply_text(req, 404, "not found");
    else if (r == NULL)
        reply_not_allowed(req, allowed);
    else if (method != HTTP_GET && http_origin_is_foreign(req))
        http_admin_reply_text(req, 403, "forbidden: asked for by a page of another origin");
    else
        r->fn(req, r->prefix ? path + r->len : "", r->arg);
}

/* Of http_queue.h: the request is due. */
static void answer(struct evhttp_request *req, void *arg)
{
    struct http_admin *a = arg;
    const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(req);
    const char *raw = uri != NULL ? evhttp_uri_get_path(uri) : NULL;
    size_t len = 0;
    char *path = raw != NULL ? evhttp_uridecode(raw, 0, &len) : NULL;
    enum http_origin_host host = http_origin_host(req, &a->hosts);
    if (host == HTTP_ORIGIN_OTHER)
        http_admin_reply_text(req, 403, "forbidden: not a name of this server (admin.hosts)");
    else if (host == HTTP_ORIGIN_UNNAMED)
        http_admin_reply_text(req, 400, "the Host header is missing");
    else if (path == NULL || strlen(path) != len)
        http_admin_reply_text(req, 400, "bad path");
    else
        dispatch(a, req, path);
    free(path);
}

static void on_closed(struct evhttp_connection *connection, void *arg)
{
    struct http_admin *a = arg;
    http_queue_forget(&a->queue, connection);
}

static void on_request(struct evhttp_request *req, void *arg)
{
    struct http_admin *a = arg;
    evhttp_request_set_on_complete_cb(req, on_complete, a);
    evhttp_connection_set_closecb(evhttp_request_get_connection(req), on_closed, a);
    if (!http_queue_take(&a->queue, req))
        http_admin_reply_text(req, 503, "too many requests wait");
}

bool http_admin_route(struct http_admin *a, int methods, const char *path, http_admin_fn *fn,
                      void *arg)
{
    struct route *r = calloc(1, sizeof(*r));
    if (r == NULL)
        return false;
    r->methods = methods;
    r->path = path;
    r->len = strlen(path);
    r->prefix = r->len > 1 && path[r->len - 1] == '/';
    r->fn = fn;
    r->arg = arg;
    SLIST_INSERT_HEAD(&a->routes, r, link);
    return true;
}

/* ---- listening ---- */

static struct evconnlistener *listen_on(struct event_base *base, const struct bind_address *address)
{
    int fd = bind_open(address);
    struct evconnlistener *listener =
        fd < 0 ? NULL
               : evconnlistener_new(base, NULL, NULL, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC,
                                    BACKLOG, fd);
    if (listener == NULL && fd >= 0) {
        int saved = errno;
        close(fd);
        errno = saved;
    }
    return listener;
}

static int port_of(struct evconnlistener *listener)
{
    struct sockaddr_storage addr = {0};
    socklen_t len = sizeof(addr);
    char service[16];
    if (getsockname(evconnlistener_get_fd(listener), (struct sockaddr *)&addr, &len) != 0 ||
        getnameinfo((struct sockaddr *)&addr, len, NULL, 0, service, sizeof(service),
                    NI_NUMERICSERV) != 0)
        return 0;
    return (int)strtol(service, NULL, 10);
}

static void set_port(struct bind_address *address, int port)
{
    if (address->addr.ss_family == AF_INET6)
        ((struct sockaddr_in6 *)&address->addr)->sin6_port = htons((uint16_t)port);
    else
        ((struct sockaddr_in *)&address->addr)->sin_port = htons((uint16_t)port);
}

/* On all addresses that are meant; of port 0 they get the same one. `cause` gets why not. */
static bool listen_at(struct http_admin *a, const char *bind, char *cause, size_t size)
{
    struct bind_addresses found;
    if (!bind_resolve(bind, &found)) {
        (void)snprintf(cause, size, "not an address %s",
                       address_check(bind) != NULL ? "like host:port" : "of this host");
        return false;
    }
    bind_drop_missing(&found);
    for (size_t i = 0; i < found.count; i++) {
        if (a->listener_count > 0)
            set_port(&found.items[i], a->port);
        struct evconnlistener *listener = listen_on(a->base, &found.items[i]);
        if (listener == NULL || evhttp_bind_listener(a->http, listener) == NULL) {
            (void)snprintf(cause, size, "%s", strerror(errno));
            if (listener != NULL)
                evconnlistener_free(listener);
            return false;
        }
        evconnlistener_set_error_cb(listener, on_accept_failed);
        a->listeners[a->listener_count++] = listener;
        a->port = port_of(listener);
    }
    return true;
}

static bool start(struct http_admin *a, const char *bind, char *cause, size_t size)
{
    static const struct timeval period = {0, SWEEP_MS * 1000};
    (void)snprintf(cause, size, "out of memory");
    a->http = evhttp_new(a->base);
    a->sweep = event_new(a->base, -1, EV_PERSIST, on_sweep, a);
    a->soon = evtimer_new(a->base, on_sweep, a);
    if (a->http == NULL || a->sweep == NULL || a->soon == NULL ||
        event_add(a->sweep, &period) != 0 || !http_queue_init(&a->queue, a->base, answer, a))
        return false;
    if (!listen_at(a, bind, cause, size))
        return false;
    evhttp_set_bevcb(a->http, on_accept, a);
    evhttp_set_gencb(a->http, on_request, a);
    evhttp_set_default_content_type(a->http, NULL);
    evhttp_set_timeout(a->http, HTTP_IDLE_MS / 1000);
    evhttp_set_max_headers_size(a->http, HEADERS_MAX_BYTES);
    evhttp_set_max_body_size(a->http, BODY_MAX_BYTES);
    /* All of them, so that a wrong one gets our 405 and not evhttp's 501. */
    evhttp_set_allowed_methods(a->http, EVHTTP_REQ_GET | EVHTTP_REQ_POST | EVHTTP_REQ_HEAD |
                                            EVHTTP_REQ_PUT | EVHTTP_REQ_DELETE |
                                            EVHTTP_REQ_OPTIONS | EVHTTP_REQ_TRACE |
                                            EVHTTP_REQ_CONNECT | EVHTTP_REQ_PATCH);
    return true;
}

struct http_admin *http_admin_new(struct event_base *base, const char *bind, char *err,
                                  size_t errlen)
{
    struct http_admin *a = calloc(1, sizeof(*a));
    char cause[128] = "out of memory";
    if (a != NULL) {
        a->base = base;
        if (start(a, bind, cause, sizeof(cause)))
            return a;
    }
    (void)snprintf(err, errlen, "cannot serve the admin interface on %s: %s", bind, cause);
    http_admin_free(a);
    return NULL;
}

static void free_hosts(struct config_strings *hosts)
{
    for (size_t i = 0; i < hosts->count; i++)
        free(hosts->items[i]);
    free(hosts->items);
    *hosts = (struct config_strings){0};
}

bool http_admin_set_hosts(struct http_admin *a, const struct config_strings *hosts)
{
    struct config_strings copy = {.items = calloc(hosts->count + 1, sizeof(*copy.items))};
    if (copy.items == NULL)
        return false;
    for (size_t i = 0; i < hosts->count; i++) {
        copy.items[i] = strdup(hosts->items[i]);
        copy.count = i + 1;
        if (copy.items[i] == NULL) {
            free_hosts(&copy);
            return false;
        }
    }
    free_hosts(&a->hosts);
    a->hosts = copy;
    return true;
}

void http_admin_set_connections(struct http_admin *a, unsigned max)
{
    a->connections.max = max < HTTP_CONNECTIONS_MAX ? max : HTTP_CONNECTIONS_MAX;
}

void http_admin_free(struct http_admin *a)
{
    struct route *r;
    if (a == NULL)
        return;
    if (a->http != NULL)
        evhttp_free(a->http);
    http_connections_fini(&a->connections);
    http_queue_fini(&a->queue);
    if (a->sweep != NULL)
        event_free(a->sweep);
    if (a->soon != NULL)
        event_free(a->soon);
    while ((r = SLIST_FIRST(&a->routes)) != NULL) {
        SLIST_REMOVE_HEAD(&a->routes, link);
        free(r);
    }
    free_hosts(&a->hosts);
    free(a);
}

int http_admin_port(const struct http_admin *a)
{
    return a->port;
}

/* ---- for handlers ---- */

/* evhttp (2.1) would send a HEAD reply's body; the length must be told all the same. */
static void drop_head_body(struct evkeyvalq *headers, struct evbuffer *body)
{
    char length[24];
    if (body == NULL)
        return;
    (void)snprintf(length, sizeof(length), "%zu", evbuffer_get_length(body));
    evhttp_add_header(headers, "Content-Length", length);
    evbuffer_drain(body, evbuffer_get_length(body));
}

/* Nothing is cached, framed, sniffed or loaded from elsewhere. A page that needs more sets its own
 * policy first. */
static void add_security_headers(struct evkeyvalq *headers)
{
    evhttp_add_header(headers, "Cache-Control", "no-store");
    evhttp_add_header(headers, "X-Content-Type-Options", "nosniff");
    evhttp_add_header(headers, "X-Frame-Options", "DENY");
    evhttp_add_header(headers, "Referrer-Policy", "no-referrer");
    evhttp_add_header(headers, "Cross-Origin-Resource-Policy", "same-origin");
    if (evhttp_find_header(headers, "Content-Security-Policy") == NULL)
        evhttp_add_header(headers, "Content-Security-Policy",
                          "default-src 'none'; frame-ancestors 'none'");
}

void http_admin_reply(struct evhttp_request *req, int status, const char *content_type,
                      struct evbuffer *body)
{
    struct evkeyvalq *headers = evhttp_request_get_output_headers(req);
    if (content_type != NULL)
        evhttp_add_header(headers, "Content-Type", content_type);
    add_security_headers(headers);
    if (evhttp_request_get_command(req) == EVHTTP_REQ_HEAD)
        drop_head_body(headers, body);
    evhttp_send_reply(req, status, NULL, body);
}

void http_admin_reply_text(struct evhttp_request *req, int status, const char *text)
{
    struct evbuffer *body = evbuffer_new();
    if (body != NULL)
        evbuffer_add_printf(body, "%s\n", text);
    http_admin_reply(req, status, "text/plain; charset=utf-8", body);
    if (body != NULL)
        evbuffer_free(body);
}

char *http_admin_body(struct evhttp_request *req, size_t *len)
{
    struct evbuffer *in = evhttp_request_get_input_buffer(req);
    size_t n = evbuffer_get_length(in);
    char *text = n > 0 ? malloc(n + 1) : NULL;
    if (len != NULL)
        *len = text != NULL ? n : 0;
    if (text == NULL)
        return NULL;
    evbuffer_copyout(in, text, n);
    text[n] = '\0';
    return text;
}

char *http_admin_query(struct evhttp_request *req, const char *key)
{
    const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(req);
    const char *query = uri != NULL ? evhttp_uri_get_query(uri) : NULL;
    struct evkeyvalq pairs;
    char *copy = NULL;
    if (query == NULL || evhttp_parse_query_str(query, &pairs) != 0)
        return NULL;
    const char *value = evhttp_find_header(&pairs, key);
    if (value != NULL)
        copy = strdup(value);
    evhttp_clear_headers(&pairs);
    return copy;
}
