#include "broker/admin/clients_api.h"

#include <cjson/cJSON.h>
#include <event2/http.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "broker/base/broker_config.h"
#include "broker/client/client.h"
#include "broker/client/client_v5.h"
#include "broker/delivery/deliver.h"
#include "broker/net/listener.h"
#include "broker/routing/router.h"
#include "broker/routing/session.h"
#include "common/base/clock.h"
#include "common/http/http_admin.h"
#include "common/http/http_json.h"
#include "common/log/log.h"

enum { PAGE = 100, PAGE_MAX = 1000, PAGE_BUCKETS = 10000, SUBSCRIPTIONS_MAX = 1000 };

/* ---- one client ------------------------------------------------------------------------------ */

static const char *version_text(const struct client *c)
{
    switch ((enum mqtt_version)c->version) {
    case MQTT_V31:
        return "3.1";
    case MQTT_V311:
        return "3.1.1";
    case MQTT_V5:
        return "5.0";
    default:
        return "";
    }
}

/* When its CONNECT came, by the wall clock. */
static void add_since(cJSON *o, const struct client *c)
{
    char text[32];
    time_t at = (time_t)((clock_realtime_ms() - (clock_boottime_ms() - c->hold.arrived_ms)) / 1000);
    struct tm tm;
    gmtime_r(&at, &tm);
    strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm);
    cJSON_AddStringToObject(o, "connected_since", text);
}

static void add_text_or_null(cJSON *o, const char *key, const char *text)
{
    if (text != NULL)
        cJSON_AddStringToObject(o, key, text);
    else
        cJSON_AddNullToObject(o, key);
}

static void add_number(cJSON *o, const char *key, uint64_t n)
{
    cJSON_AddNumberToObject(o, key, (double)n);
}

static cJSON *describe(const struct client *c)
{
    char peer[PEER_TEXT_MAX];
    cJSON *o = cJSON_CreateObject();
    cJSON_AddStringToObject(o, "client_id", c->session->id);
    add_text_or_null(o, "username", c->who.username);
    cJSON_AddStringToObject(o, "address", peer_text(&c->transport->peer, peer));
    add_text_or_null(o, "listener",
                     c->listener != NULL ? listener_config(c->listener)->bind : NULL);
    cJSON_AddStringToObject(o, "version", version_text(c));
    add_since(o, c);
    add_number(o, "keep_alive", c->keep_alive_s);
    cJSON_AddBoolToObject(o, "durable", c->hold.durable);
    add_number(o, "subscriptions", c->session->subscriber.count);
    add_number(o, "in_flight", c->inflight.open);
    add_number(o, "queued_bytes", deliver_queue_bytes(c));
    add_number(o, "output_bytes", c->output.pending);
    add_number(o, "unreleased_qos2", c->open_qos2.count);
    return o;
}

/* Connected, and not about to go. */
static struct client *connected(const struct session *s)
{
    return s != NULL && s->client != NULL && client_is_connected(s->client) ? s->client : NULL;
}

static void add_subscriptions(cJSON *o, struct broker *b, const struct client *c)
{
    const struct subscriber *s = &c->session->subscriber;
    cJSON *list = cJSON_AddArrayToObject(o, "filters");
    for (uint32_t i = 0; i < s->count && i < SUBSCRIPTIONS_MAX; i++) {
        struct mqtt_slice filter = router_filter(b->router, &s->items[i]);
        char *text = strndup((const char *)filter.data, filter.len);
        if (text != NULL)
            cJSON_AddItemToArray(list, cJSON_CreateString(text));
        free(text);
    }
}

/* ---- requests -------------------------------------------------------------------------------- */

/* A query's number, or what stands in for it. False: it isn't one. */
static bool take_number(struct evhttp_request *req, const char *key, unsigned long most,
                        unsigned long *n)
{
    char *text = http_admin_query(req, key);
    char *end = text;
    if (text == NULL)
        return true;
    *n = strtoul(text, &end, 10);
    bool good = text[0] >= '0' && text[0] <= '9' && *end == '\0' && *n <= most;
    free(text);
    return good;
}

struct page {
    cJSON *list;
    const char *username; /* NULL: any */
    unsigned long left;
};

static void add_to_page(void *arg, struct session *s)
{
    struct page *p = arg;
    const struct client *c = connected(s);
    if (c == NULL)
        return;
    if (p->username != NULL &&
        (c->who.username == NULL || strcmp(p->username, c->who.username) != 0))
        return;
    cJSON_AddItemToArray(p->list, describe(c));
    p->left -= p->left > 0;
}

/* Whole buckets: a page may have a few more than were asked for. */
static uint32_t fill(struct page *p, const struct broker *b, uint32_t from)
{
    for (int i = 0; i < PAGE_BUCKETS && p->left > 0; i++) {
        from = session_table_some(b->sessions, from, add_to_page, p);
        if (from == 0)
            break;
    }
    return from;
}

static void get_clients(struct evhttp_request *req, const char *tail, void *arg)
{
    struct broker *b = arg;
    unsigned long from = 0;
    unsigned long limit = PAGE;
    (void)tail;
    if (!take_number(req, "from", UINT32_MAX, &from) ||
        !take_number(req, "limit", PAGE_MAX, &limit) || limit == 0) {
        http_admin_reply_text(req, 400,
                              "expected limit=1 to 1000, and from= as `next` of the page before\n");
        return;
    }
    char *username = http_admin_query(req, "username");
    cJSON *answer = cJSON_CreateObject();
    struct page p = {
        .list = cJSON_AddArrayToObject(answer, "clients"), .username = username, .left = limit};
    uint32_t next = fill(&p, b, (uint32_t)from);
    if (next > 0)
        add_number(answer, "next", next);
    else
        cJSON_AddNullToObject(answer, "next");
    add_number(answer, "connected", b->stats.online);
    free(username);
    http_json_reply(req, 200, answer);
}

static void say_not_here(struct evhttp_request *req)
{
    http_admin_reply_text(req, 404, "no such client is connected to this broker\n");
}

static void close_by_operator(struct evhttp_request *req, struct client *c)
{
    char peer[PEER_TEXT_MAX];
    LOG_INFO("client_closed_by_operator", KV_STR("client_id", client_id_text(c)),
             KV_STR("peer", peer_text(&c->transport->peer, peer)));
    client_close_later(c, END_OPERATOR);
    cJSON *answer = cJSON_CreateObject();
    cJSON_AddStringToObject(answer, "closed", c->session->id);
    http_json_reply(req, 200, answer);
}

static void on_client(struct evhttp_request *req, const char *tail, void *arg)
{
    struct broker *b = arg;
    struct client *c =
        connected(session_table_find(b->sessions, mqtt_slice_of(tail, strlen(tail))));
    if (c == NULL) {
        say_not_here(req);
    } else if (evhttp_request_get_command(req) == EVHTTP_REQ_DELETE) {
        close_by_operator(req, c);
    } else {
        cJSON *answer = describe(c);
        add_subscriptions(answer, b, c);
        http_json_reply(req, 200, answer);
    }
}

bool clients_api_serve(struct broker *b)
{
    return http_admin_route(b->admin, HTTP_GET, "/api/clients", get_clients, b) &&
           http_admin_route(b->admin, HTTP_GET | HTTP_DELETE, "/api/clients/", on_client, b);
}
