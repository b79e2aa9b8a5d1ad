/* A table of this node's filters; changes go to the log through fleet_append. */
#include "broker/route.h"

#include <stdlib.h>
#include <string.h>

#include "broker/account.h"
#include "broker/fleet.h"

enum { ROUTE_US = 1 }; /* about what one costs */

enum route_state { ROUTE_ANNOUNCED, ROUTE_LINGERING };

struct route {
    UT_hash_handle hh;
    enum route_state state;
    uint64_t entry; /* of the log, which announces it */
    unsigned round; /* in which that was */
    uint64_t until_ms;
    struct route *next, *prev; /* lingering */
    uint32_t len;
    uint32_t connecting; /* sessions that are on their way to it */
    uint8_t filter[];
};

static struct route *find(struct fleet *f, struct mqtt_slice filter)
{
    struct route *r = NULL;

    HASH_FIND(hh, f->routes.all, filter.data, filter.len, r);
    return r;
}

static void stop_lingering(struct fleet *f, struct route *r)
{
    if (r->prev != NULL)
        r->prev->next = r->next;
    else
        f->routes.lingering = r->next;
    if (r->next != NULL)
        r->next->prev = r->prev;
    else
        f->routes.lingering_tail = r->prev;
    r->next = r->prev = NULL;
    r->state = ROUTE_ANNOUNCED;
}

static void say(struct fleet *f, struct route *r)
{
    r->round = f->routes.round;
    r->entry = fleet_append_route(f, LOG_ROUTE_ADDED,
                                  (struct mqtt_slice){.data = r->filter, .len = r->len});
}

static struct route *add(struct fleet *f, struct mqtt_slice filter)
{
    struct route *r = account_zalloc(ACCOUNT_SESSIONS, sizeof(*r) + filter.len);

    if (r == NULL)
        return NULL;
    r->len = filter.len;
    memcpy(r->filter, filter.data, filter.len);
    say(f, r);
    HASH_ADD_KEYPTR(hh, f->routes.all, r->filter, r->len, r);
    return r;
}

/* NULL: no memory. */
static struct route *announce(struct fleet *f, struct mqtt_slice filter)
{
    struct route *r = find(f, filter);

    if (r == NULL)
        return add(f, filter);
    if (r->state == ROUTE_LINGERING)
        stop_lingering(f, r);
    if (r->round != f->routes.round)
        say(f, r);
    return r;
}

static uint64_t entry_to_await(const struct fleet *f, const struct route *r)
{
    return r != NULL && r->entry > f->append.done ? r->entry : 0;
}

uint64_t route_want(struct fleet *f, struct mqtt_slice filter)
{
    return entry_to_await(f, announce(f, filter));
}

uint64_t route_hold(struct fleet *f, struct mqtt_slice filter)
{
    struct route *r = announce(f, filter);

    if (r != NULL)
        r->connecting++;
    return entry_to_await(f, r);
}

void route_release(struct fleet *f, struct mqtt_slice filter)
{
    struct route *r = find(f, filter);

    if (r == NULL || r->connecting == 0)
        return; /* the node started over meanwhile */
    r->connecting--;
    if (!router_has_interest(f->router, filter))
        route_unwant(f, filter);
}

void route_unwant(struct fleet *f, struct mqtt_slice filter)
{
    struct route *r = find(f, filter);

    if (r == NULL || r->state == ROUTE_LINGERING || r->connecting > 0)
        return;
    r->state = ROUTE_LINGERING;
    r->until_ms = f->now_ms + f->cfg.route_linger_ms;
    r->prev = f->routes.lingering_tail;
    if (r->prev != NULL)
        r->prev->next = r;
    else
        f->routes.lingering = r;
    f->routes.lingering_tail = r;
}

static void forget(struct fleet *f, struct route *r)
{
    if (f->routes.at == r)
        f->routes.at = r->hh.next;
    HASH_DEL(f->routes.all, r);
    account_free(ACCOUNT_SESSIONS, r);
}

void route_tick(struct fleet *f)
{
    while (f->routes.lingering != NULL && f->now_ms >= f->routes.lingering->until_ms) {
        struct route *r = f->routes.lingering;

        stop_lingering(f, r);
        fleet_append_route(f, LOG_ROUTE_REMOVED,
                           (struct mqtt_slice){.data = r->filter, .len = r->len});
        forget(f, r);
        if (timebox_spend(f->box, ROUTE_US)) {
            fleet_wake(f);
            return;
        }
    }
}

size_t route_count(const struct fleet *f)
{
    return HASH_COUNT(f->routes.all) - f->append.routes_added; /* those aren't told yet */
}

void route_announce_all(struct fleet *f)
{
    f->routes.round++;
    f->routes.at = f->routes.all;
}

bool route_announce_some(struct fleet *f, struct timebox *box)
{
    while (f->routes.at != NULL) {
        struct route *r = f->routes.at;

        f->routes.at = r->hh.next;
        if (r->round != f->routes.round)
            say(f, r);
        if (timebox_spend(box, ROUTE_US))
            break;
    }
    return f->routes.at == NULL;
}

/* The list of those that linger is of no use meanwhile. */
bool routes_drop(struct fleet *f, struct timebox *box)
{
    f->routes.lingering = f->routes.lingering_tail = NULL;
    while (f->routes.all != NULL) {
        forget(f, f->routes.all);
        if (timebox_spend(box, ROUTE_US))
            break;
    }
    return f->routes.all == NULL;
}

void routes_reset(struct fleet *f)
{
    struct timebox endless;

    timebox_open_at(&endless, UINT64_MAX, 0, 0);
    routes_drop(f, &endless);
}
