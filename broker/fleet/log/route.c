/* A table of this node's filters; changes go to the log through fleet_append. */
#include "broker/fleet/log/route.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "broker/base/account.h"
#include "broker/fleet/log/fleet_append.h"
#include "broker/fleet/node/fleet.h"
#include "common/base/hash.h"
#include "common/base/hash_table.h"
#include "common/base/timebox.h"

enum { ROUTE_US = 1 }; /* about what one costs */

enum route_state { ROUTE_ANNOUNCED, ROUTE_LINGERING };

struct route {
    struct hash_link by_filter;
    TAILQ_ENTRY(route) all;
    TAILQ_ENTRY(route) lingering;
    enum route_state state;
    uint64_t entry; /* of the log, which announces it */
    unsigned round; /* in which that was */
    uint64_t until_ms;
    uint32_t len;
    uint32_t members;    /* of a shared filter, as last said */
    uint8_t qos;         /* the highest of them */
    uint32_t connecting; /* sessions that are on their way to it */
    uint8_t filter[];
};

TAILQ_HEAD(route_list, route);

struct routes {
    struct hash_table by_filter;
    struct route_list all, lingering; /* the latter in the order of their ends */
    unsigned round;                   /* counts the times that all are announced again */
    struct route *at;                 /* the next to be announced in this round */
};

bool routes_init(struct fleet *f)
{
    struct routes *r = f->routes = calloc(1, sizeof(*r));
    if (r == NULL)
        return false;
    TAILQ_INIT(&r->all);
    TAILQ_INIT(&r->lingering);
    return hash_table_init(&r->by_filter);
}

void routes_free(struct fleet *f)
{
    if (f->routes == NULL)
        return;
    hash_table_fini(&f->routes->by_filter);
    free(f->routes);
    f->routes = NULL;
}

static uint32_t hash_of(const struct fleet *f, struct mqtt_slice filter)
{
    return (uint32_t)hash_bytes(f->hash_key, filter.data, filter.len);
}

static struct route *find(struct fleet *f, struct mqtt_slice filter)
{
    uint32_t hash = hash_of(f, filter);
    for (struct hash_link *l = hash_table_chain(&f->routes->by_filter, hash); l != NULL;
         l = l->next) {
        struct route *r = HASH_OWNER(l, struct route, by_filter);
        if (l->hash == hash && r->len == filter.len && memcmp(r->filter, filter.data, r->len) == 0)
            return r;
    }
    return NULL;
}

static void stop_lingering(struct fleet *f, struct route *r)
{
    TAILQ_REMOVE(&f->routes->lingering, r, lingering);
    r->state = ROUTE_ANNOUNCED;
}

static struct mqtt_slice filter_of(const struct route *r)
{
    return (struct mqtt_slice){.data = r->filter, .len = r->len};
}

static void say(struct fleet *f, struct route *r)
{
    r->round = f->routes->round;
    r->entry = fleet_append_route(f, LOG_ROUTE_ADDED, filter_of(r));
    if (r->members > 0)
        r->entry = fleet_append_members(f, filter_of(r), r->members, r->qos);
}

static struct route *add(struct fleet *f, struct mqtt_slice filter)
{
    struct route *r = account_zalloc(ACCOUNT_SESSIONS, sizeof(*r) + filter.len);
    if (r == NULL)
        return NULL;
    r->len = filter.len;
    memcpy(r->filter, filter.data, filter.len);
    say(f, r);
    hash_table_add(&f->routes->by_filter, &r->by_filter, hash_of(f, filter));
    TAILQ_INSERT_TAIL(&f->routes->all, r, all);
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
    if (r->round != f->routes->round)
        say(f, r);
    return r;
}

static uint64_t entry_to_await(const struct fleet *f, const struct route *r)
{
    return r != NULL && r->entry > f->append->done ? r->entry : 0;
}

uint64_t route_want(struct fleet *f, struct mqtt_slice filter)
{
    return entry_to_await(f, announce(f, filter));
}

static bool is_worth_saying(const struct route *r, uint32_t members, uint8_t qos)
{
    if (qos != r->qos || (members == 0) != (r->members == 0))
        return true;
    return members >= 2 * (uint64_t)r->members || 2 * (uint64_t)members <= r->members;
}

void route_members(struct fleet *f, struct mqtt_slice filter, uint32_t members, uint8_t qos)
{
    struct route *r = members > 0 ? announce(f, filter) : find(f, filter);
    if (r == NULL || (members == 0 && r->members == 0) || !is_worth_saying(r, members, qos))
        return;
    r->members = members;
    r->qos = qos;
    r->entry = fleet_append_members(f, filter, members, qos);
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
    if (!f->host.has_interest(f->host.arg, filter))
        route_unwant(f, filter);
}

void route_unwant(struct fleet *f, struct mqtt_slice filter)
{
    struct route *r = find(f, filter);
    if (r == NULL || r->state == ROUTE_LINGERING || r->connecting > 0)
        return;
    r->state = ROUTE_LINGERING;
    r->until_ms = f->now_ms + f->cfg.route_linger_ms;
    TAILQ_INSERT_TAIL(&f->routes->lingering, r, lingering);
}

static void forget(struct fleet *f, struct route *r)
{
    if (f->routes->at == r)
        f->routes->at = TAILQ_NEXT(r, all);
    hash_table_remove(&f->routes->by_filter, &r->by_filter);
    TAILQ_REMOVE(&f->routes->all, r, all);
    account_free(ACCOUNT_SESSIONS, r);
}

void route_tick(struct fleet *f)
{
    while (!TAILQ_EMPTY(&f->routes->lingering)) {
        struct route *r = TAILQ_FIRST(&f->routes->lingering);
        if (f->now_ms < r->until_ms)
            return;
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
    return f->routes->by_filter.count - f->append->routes_added; /* those aren't told yet */
}

void route_announce_all(struct fleet *f)
{
    f->routes->round++;
    f->routes->at = TAILQ_FIRST(&f->routes->all);
}

bool route_announce_some(struct fleet *f, struct timebox *box)
{
    while (f->routes->at != NULL) {
        struct route *r = f->routes->at;
        f->routes->at = TAILQ_NEXT(r, all);
        if (r->round != f->routes->round)
            say(f, r);
        if (timebox_spend(box, ROUTE_US))
            break;
    }
    return f->routes->at == NULL;
}

/* The list of those that linger is of no use meanwhile. */
bool routes_drop(struct fleet *f, struct timebox *box)
{
    TAILQ_INIT(&f->routes->lingering);
    while (!TAILQ_EMPTY(&f->routes->all)) {
        forget(f, TAILQ_FIRST(&f->routes->all));
        if (timebox_spend(box, ROUTE_US))
            break;
    }
    return TAILQ_EMPTY(&f->routes->all);
}

void routes_reset(struct fleet *f)
{
    struct timebox endless;
    timebox_open_at(&endless, UINT64_MAX, 0, 0);
    routes_drop(f, &endless);
}
