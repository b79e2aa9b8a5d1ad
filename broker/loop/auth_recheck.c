/* A walk along the broker's list of clients; its place is in struct broker, since a client that
 * leaves the list moves it (client_life.c). */
#include "broker/loop/auth_recheck.h"

#include <stdlib.h>

#include <event2/event.h>

#include "broker/auth/auth.h"
#include "broker/client/client.h"
#include "broker/net/listener.h"
#include "common/base/timebox.h"
#include "common/log/log.h"

enum { BOX_US = 5000, LOOK_US = 1, FORGET_US = 200 };

struct auth_recheck {
    struct broker *broker;
    struct event *go_on;
    size_t forget_at;
    bool forgetting;
    bool walking;
    uint32_t closed;
};

/* A client that isn't accepted yet has no user; its CONNECT is checked against the new files. */
static bool is_let_in(const struct client *c)
{
    return c->state == CLIENT_CLAIMING || client_is_connected(c);
}

static bool is_still_admitted(const struct client *c)
{
    const struct listener_config *l = c->listener != NULL ? listener_config(c->listener) : NULL;
    return auth_still_admits(c->broker->auth, l, (enum source_kind)c->user_source, c->who.username,
                             c->user_stamp);
}

static void check(struct auth_recheck *r, struct client *c)
{
    if (!is_let_in(c) || is_still_admitted(c))
        return;
    client_close_later(c, END_NOT_AUTHORIZED);
    r->closed++;
}

static void walk(struct auth_recheck *r, struct timebox *box)
{
    struct broker *b = r->broker;
    while (b->recheck_at != NULL && !timebox_is_over(box)) {
        struct client *c = b->recheck_at;
        b->recheck_at = c->next;
        check(r, c);
        timebox_spend(box, LOOK_US);
    }
    if (b->recheck_at == NULL && r->closed > 0) {
        LOG_INFO("users_closed", KV_UINT("clients", r->closed));
        r->closed = 0;
    }
    if (b->recheck_at == NULL && r->walking) {
        r->walking = false;
        auth_checked(b->auth); /* which may begin anew */
    }
}

static void on_go_on(evutil_socket_t fd, short what, void *arg)
{
    static const struct timeval at_once = {0};
    struct auth_recheck *r = arg;
    struct timebox box;
    (void)fd;
    (void)what;
    timebox_open(&box, BOX_US);
    walk(r, &box);
    while (r->forgetting && !timebox_is_over(&box)) {
        r->forgetting = auth_forget_some(r->broker->auth, &r->forget_at);
        timebox_spend(&box, FORGET_US);
    }
    if (r->broker->recheck_at != NULL || r->forgetting)
        event_add(r->go_on, &at_once);
}

static void begin(void *arg)
{
    struct auth_recheck *r = arg;
    r->broker->recheck_at = r->broker->clients;
    r->forget_at = 0;
    r->forgetting = true;
    r->walking = true;
    event_active(r->go_on, EV_TIMEOUT, 0);
}

struct auth_recheck *auth_recheck_new(struct broker *b)
{
    struct auth_recheck *r = calloc(1, sizeof(*r));
    if (r == NULL)
        return NULL;
    r->broker = b;
    r->go_on = event_new(b->base, -1, 0, on_go_on, r);
    if (r->go_on == NULL) {
        free(r);
        return NULL;
    }
    auth_on_change(b->auth, begin, r);
    return r;
}

void auth_recheck_free(struct auth_recheck *r)
{
    if (r == NULL)
        return;
    auth_on_change(r->broker->auth, NULL, NULL);
    event_free(r->go_on);
    free(r);
}
