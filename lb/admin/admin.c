/*
 * Routes of the HTTP port, and the handlers that change something. What is shown is made by
 * api.c (JSON), lb_metrics.c (Prometheus) and status_page.c (HTML).
 */
#include "lb/admin/admin.h"

#include <cjson/cJSON.h>
#include <event2/buffer.h>
#include <event2/http.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/http/http_admin.h"
#include "common/http/http_health.h"
#include "common/http/http_json.h"
#include "common/log/log.h"
#include "common/metrics/metrics.h"
#include "common/metrics/process_metrics.h"
#include "common/process/descriptors.h"
#include "lb/admin/api.h"
#include "lb/admin/control.h"
#include "lb/admin/lb_metrics.h"
#include "lb/admin/page_policy.h"
#include "lb/admin/status_page.h"

struct admin {
    struct control *control;
    struct metrics *metrics;
    struct http_admin *http, *http_new; /* http_new: bound by a reload that isn't decided */
    char *bind, *bind_new;
    char page_policy[PAGE_POLICY_MAX];
    uint32_t http_connections; /* at most; 0: not known yet */
};

/* ---- reading ---- */

static void on_page(struct evhttp_request *req, const char *tail, void *arg)
{
    struct admin *a = arg;
    struct evbuffer *body = evbuffer_new();
    (void)tail;
    evhttp_add_header(evhttp_request_get_output_headers(req), "Content-Security-Policy",
                      a->page_policy);
    if (body != NULL)
        evbuffer_add_reference(body, status_page, strlen(status_page), NULL, NULL);
    http_admin_reply(req, 200, "text/html; charset=utf-8", body);
    if (body != NULL)
        evbuffer_free(body);
}

static void on_readyz(struct evhttp_request *req, const char *tail, void *arg)
{
    const struct admin *a = arg;
    char why[256];
    (void)tail;
    http_health_ready(req, control_is_ready(a->control, why, sizeof(why)) ? NULL : why);
}

static void on_metrics(struct evhttp_request *req, const char *tail, void *arg)
{
    const struct admin *a = arg;
    struct evbuffer *body = evbuffer_new();
    (void)tail;
    if (body == NULL) {
        http_admin_reply_text(req, 500, "out of memory");
        return;
    }
    metrics_render(a->metrics, body);
    http_admin_reply(req, 200, "text/plain; version=0.0.4; charset=utf-8", body);
    evbuffer_free(body);
}

static void on_servers(struct evhttp_request *req, const char *tail, void *arg)
{
    const struct admin *a = arg;
    (void)tail;
    http_json_reply(req, 200, api_servers(a->control, clock_monotonic_ms()));
}

/* ---- changing ---- */

/* Whether a web page of another origin could have sent this: browsers let such a request through
 * only with a form's content types. */
static bool is_json(struct evhttp_request *req)
{
    const char *type = evhttp_find_header(evhttp_request_get_input_headers(req), "Content-Type");
    return type != NULL && strncasecmp(type, "application/json", 16) == 0;
}

static cJSON *read_json(struct evhttp_request *req)
{
    size_t len = 0;
    char *body = http_admin_body(req, &len);
    cJSON *json = body == NULL ? NULL : cJSON_ParseWithLength(body, len);
    free(body);
    return json;
}

static const char *set_state(struct member *m, const cJSON *body)
{
    static const struct {
        const char *name;
        enum server_admin admin;
    } states[] = {
        {"ready", SERVER_READY}, {"drain", SERVER_DRAIN}, {"maintenance", SERVER_MAINTENANCE}};
    const char *name = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(body, "state"));
    for (size_t i = 0; name != NULL && i < sizeof(states) / sizeof(states[0]); i++)
        if (strcmp(states[i].name, name) == 0) {
            member_set_admin(m, states[i].admin, clock_monotonic_ms());
            return NULL;
        }
    return "expected {\"state\": \"ready\" | \"drain\" | \"maintenance\"}";
}

static const char *set_weight(struct member *m, const cJSON *body)
{
    const cJSON *weight = cJSON_GetObjectItemCaseSensitive(body, "weight");
    if (!cJSON_IsNumber(weight) || weight->valuedouble < 0 || weight->valuedouble > 256 ||
        weight->valuedouble != (double)weight->valueint)
        return "expected {\"weight\": a number from 0 to 256}";
    member_set_weight(m, (unsigned)weight->valueint);
    return NULL;
}

static const struct {
    const char *what;
    const char *(*set)(struct member *m, const cJSON *body);
} changes[] = {{"state", set_state}, {"weight", set_weight}};

static void change(struct evhttp_request *req, struct member *m, const char *what)
{
    for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
        if (strcmp(changes[i].what, what) != 0)
            continue;
        if (!is_json(req)) {
            http_admin_reply_text(req, 415, "expected Content-Type: application/json");
            return;
        }
        cJSON *body = read_json(req);
        const char *problem = changes[i].set(m, body);
        cJSON_Delete(body);
        if (problem != NULL)
            http_admin_reply_text(req, 400, problem);
        else
            http_json_reply(req, 200, api_server(m, clock_monotonic_ms()));
        return;
    }
    http_admin_reply_text(req, 404, "no such thing; expected state or weight");
}

/* <backend>/<server>[/<what>]: names may be percent-encoded, and "[fe80::1]:1883" is one. */
static void on_server(struct evhttp_request *req, const char *tail, void *arg)
{
    const struct admin *a = arg;
    char parts[3][256] = {"", "", ""};
    for (size_t i = 0; i < 3 && *tail != '\0'; i++) {
        size_t len = strcspn(tail, "/");
        char *decoded = NULL;
        char encoded[256];
        snprintf(encoded, sizeof(encoded), "%.*s", (int)(len < 255 ? len : 255), tail);
        decoded = evhttp_uridecode(encoded, 0, NULL);
        snprintf(parts[i], sizeof(parts[i]), "%s", decoded == NULL ? "" : decoded);
        free(decoded);
        tail += len + (tail[len] == '/');
    }
    struct pool *p = control_find_pool(a->control, parts[0]);
    struct member *m = p == NULL ? NULL : pool_find(p, parts[1]);
    bool is_post = evhttp_request_get_command(req) == EVHTTP_REQ_POST;
    if (m == NULL || *tail != '\0')
        http_admin_reply_text(req, 404, "no such server");
    else if (is_post)
        change(req, m, parts[2]);
    else if (parts[2][0] != '\0')
        http_admin_reply_text(req, 405, "expected POST");
    else
        http_json_reply(req, 200, api_server(m, clock_monotonic_ms()));
}

/* ---- binding ---- */

static bool add_routes(struct http_admin *http, struct admin *a)
{
    return http_admin_route(http, HTTP_GET, "/", on_page, a) &&
           http_admin_route(http, HTTP_GET, "/healthz", http_health_alive, NULL) &&
           http_admin_route(http, HTTP_GET, "/readyz", on_readyz, a) &&
           http_admin_route(http, HTTP_GET, "/metrics", on_metrics, a) &&
           http_admin_route(http, HTTP_GET, "/api/servers", on_servers, a) &&
           http_admin_route(http, HTTP_GET | HTTP_POST, "/api/servers/", on_server, a);
}

struct admin *admin_new(struct control *c)
{
    struct admin *a = calloc(1, sizeof(*a));
    if (a == NULL)
        return NULL;
    a->control = c;
    page_policy(status_page, a->page_policy);
    a->metrics = metrics_new();
    if (a->metrics == NULL || !metrics_collector(a->metrics, lb_metrics_collect, c) ||
        !process_metrics_register(a->metrics)) {
        admin_free(a);
        return NULL;
    }
    return a;
}

void admin_free(struct admin *a)
{
    if (a == NULL)
        return;
    admin_unbind_new(a);
    http_admin_free(a->http);
    metrics_free(a->metrics);
    free(a->bind);
    free(a);
}

bool admin_bind(struct admin *a, const char *bind, char *err, size_t errlen)
{
    if (a->bind != NULL && strcmp(a->bind, bind) == 0)
        return true;
    a->bind_new = strdup(bind);
    a->http_new = http_admin_new(a->control->base, bind, err, errlen);
    if (a->bind_new != NULL && a->http_new != NULL && add_routes(a->http_new, a))
        return true;
    admin_unbind_new(a);
    return false;
}

static void take_new(struct admin *a)
{
    http_admin_free(a->http);
    free(a->bind);
    a->http = a->http_new;
    a->bind = a->bind_new;
    a->http_new = NULL;
    a->bind_new = NULL;
}

void admin_keep_new(struct admin *a, const struct config_strings *hosts)
{
    if (a->http_new != NULL)
        take_new(a);
    if (a->http != NULL && a->http_connections > 0)
        http_admin_set_connections(a->http, a->http_connections);
    if (a->http != NULL && !http_admin_set_hosts(a->http, hosts))
        LOG_ERROR("admin_hosts_kept", KV_STR("err", "out of memory"));
}

void admin_share_descriptors(struct admin *a, uint32_t limit)
{
    a->http_connections = descriptors_for_http(limit);
    if (a->http != NULL)
        http_admin_set_connections(a->http, a->http_connections);
}

void admin_unbind_new(struct admin *a)
{
    if (a->http_new != NULL)
        http_admin_free(a->http_new);
    free(a->bind_new);
    a->http_new = NULL;
    a->bind_new = NULL;
}
