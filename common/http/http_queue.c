/*
 * Requests come from http_admin.c, which answers them when they are due.
 */
#include "common/http/http_queue.h"

#include <event2/event.h>
#include <event2/http.h>
#include <string.h>

#include "common/base/clock.h"

static void come_back(struct http_queue *q)
{
    static const struct timeval now = {0, 0};
    (void)event_add(q->next_turn, &now); /* of no memory: with the next request */
}

static void answer(struct http_queue *q, struct evhttp_request *req)
{
    q->fn(req, q->arg);
    (void)timebox_spend(&q->box, TIMEBOX_LOOK_US);
}

static struct evhttp_request *first_waiting(struct http_queue *q)
{
    struct evhttp_request *req = q->waiting[0];
    memmove(&q->waiting[0], &q->waiting[1], --q->count * sizeof(q->waiting[0]));
    return req;
}

static void on_next_turn(evutil_socket_t fd, short what, void *arg)
{
    struct http_queue *q = arg;
    (void)fd;
    (void)what;
    timebox_open(&q->box, HTTP_TURN_US);
    while (q->count > 0 && !timebox_is_over(&q->box)) {
        struct evhttp_request *req = first_waiting(q);
        if (evhttp_request_get_connection(req) == NULL)
            evhttp_request_free(req); /* its client has gone, and left it to us */
        else
            answer(q, req);
    }
    if (q->count > 0)
        come_back(q);
}

bool http_queue_init(struct http_queue *q, struct event_base *base, http_queue_fn *fn, void *arg)
{
    *q = (struct http_queue){.fn = fn, .arg = arg};
    q->next_turn = evtimer_new(base, on_next_turn, q);
    return q->next_turn != NULL;
}

void http_queue_fini(struct http_queue *q)
{
    if (q->next_turn != NULL)
        event_free(q->next_turn);
    for (size_t i = 0; i < q->count; i++)
        if (evhttp_request_get_connection(q->waiting[i]) == NULL)
            evhttp_request_free(q->waiting[i]);
    q->next_turn = NULL;
    q->count = 0;
}

bool http_queue_take(struct http_queue *q, struct evhttp_request *req)
{
    if (!event_pending(q->next_turn, EV_TIMEOUT, NULL)) { /* the first one of this turn */
        timebox_open(&q->box, HTTP_TURN_US);
        come_back(q);
    }
    if (q->count == 0 && !timebox_is_over(&q->box)) {
        answer(q, req);
        return true;
    }
    if (q->count == HTTP_CONNECTIONS_MAX)
        return false;
    q->waiting[q->count++] = req;
    return true;
}

void http_queue_forget(struct http_queue *q, const struct evhttp_connection *connection)
{
    size_t kept = 0;
    for (size_t i = 0; i < q->count; i++)
        if (evhttp_request_get_connection(q->waiting[i]) != connection)
            q->waiting[kept++] = q->waiting[i];
    q->count = kept;
}
