/*
 * http_admin.c hands new connections and written replies here, and sweeps.
 */
#include "common/http/http_connections.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/http.h>
#include <stdlib.h>

#include "common/base/clock.h"

struct http_connection {
    struct bufferevent *bev; /* a reference */
    struct evbuffer_cb_entry *on_input;
    bool asking;       /* in the middle of a request, or of its reply */
    uint64_t since_ms; /* of that, or of the waiting for the next one */
};

static void on_input(struct evbuffer *buffer, const struct evbuffer_cb_info *info, void *arg)
{
    struct http_connection *c = arg;
    (void)buffer;
    if (info->n_added == 0 || c->asking)
        return;
    c->asking = true;
    c->since_ms = clock_monotonic_ms();
}

static void drop(struct http_connection *c)
{
    evbuffer_remove_cb_entry(bufferevent_get_input(c->bev), c->on_input);
    bufferevent_decref(c->bev); /* closes the socket */
    free(c);
}

static struct evhttp_connection *evhttp_of(const struct http_connection *c)
{
    void *evhttp_connection = NULL; /* evhttp's argument of its callbacks; NULL: it is done */
    bufferevent_getcb(c->bev, NULL, NULL, NULL, &evhttp_connection);
    return evhttp_connection;
}

static void end(struct http_connections *cs, size_t index)
{
    struct http_connection *c = cs->all[index];
    struct evhttp_connection *evhttp = evhttp_of(c);
    cs->all[index] = cs->all[--cs->count];
    if (evhttp != NULL)
        evhttp_connection_free(evhttp);
    drop(c);
}

/* The idle ones first: they lose nothing. */
static bool goes_before(const struct http_connection *a, const struct http_connection *b)
{
    if (a->asking != b->asking)
        return b->asking;
    return a->since_ms < b->since_ms;
}

static void make_room(struct http_connections *cs)
{
    size_t first = 0;
    for (size_t i = 1; i < cs->count; i++)
        if (goes_before(cs->all[i], cs->all[first]))
            first = i;
    cs->evicted++;
    end(cs, first);
}

size_t http_connections_most(const struct http_connections *cs)
{
    return cs->max > 0 ? cs->max : HTTP_CONNECTIONS_MAX;
}

struct bufferevent *http_connections_add(struct http_connections *cs, struct event_base *base)
{
    struct http_connection *c = calloc(1, sizeof(*c));
    struct bufferevent *bev = bufferevent_socket_new(base, -1, BEV_OPT_CLOSE_ON_FREE);
    if (c == NULL || bev == NULL)
        goto fail;
    c->on_input = evbuffer_add_cb(bufferevent_get_input(bev), on_input, c);
    if (c->on_input == NULL)
        goto fail;
    if (cs->count >= http_connections_most(cs))
        make_room(cs);
    bufferevent_incref(bev);
    c->bev = bev;
    c->asking = true; /* silence has no more time than slowness */
    c->since_ms = clock_monotonic_ms();
    cs->all[cs->count++] = c;
    return bev;
fail:
    free(c);
    if (bev != NULL)
        bufferevent_free(bev);
    return NULL;
}

void http_connections_replied(struct http_connections *cs, struct bufferevent *bev)
{
    for (size_t i = 0; i < cs->count; i++) {
        struct http_connection *c = cs->all[i];
        if (c->bev != bev)
            continue;
        c->asking = evbuffer_get_length(bufferevent_get_input(bev)) > 0; /* the next one is here */
        c->since_ms = clock_monotonic_ms();
        return;
    }
}

static bool is_over(const struct http_connection *c, uint64_t now_ms)
{
    uint64_t allowed = c->asking ? HTTP_REQUEST_MS : HTTP_IDLE_MS;
    return evhttp_of(c) == NULL || now_ms - c->since_ms >= allowed;
}

void http_connections_sweep(struct http_connections *cs, uint64_t now_ms)
{
    for (size_t i = cs->count; i-- > 0;)
        if (is_over(cs->all[i], now_ms))
            end(cs, i);
}

void http_connections_fini(struct http_connections *cs)
{
    for (size_t i = 0; i < cs->count; i++)
        drop(cs->all[i]);
    cs->count = 0;
}
