/* Gathers changes and writes them as entries of the log, one at a time. */
#include "broker/fleet/log/fleet_append.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker/fleet/log/fleet_version.h"
#include "broker/fleet/node/fleet.h"
#include "broker/fleet/wire/fleet_piece.h"
#include "common/base/timebox.h"
#include "common/log/log.h"

enum { RETRY_MS = 300, CALL_US = 4 /* about what a completion costs, at least */ };

struct fleet_append_wait {
    STAILQ_ENTRY(fleet_append_wait) next;
    uint64_t number;
    uint64_t version;         /* of the log, once the entry is in it; 0 before */
    enum store_status status; /* once it is due */
    store_done_fn *done;
    void *arg;
};

bool fleet_append_init(struct fleet *f)
{
    f->append = calloc(1, sizeof(*f->append));
    if (f->append == NULL)
        return false;
    TAILQ_INIT(&f->append->entries);
    STAILQ_INIT(&f->append->waits);
    STAILQ_INIT(&f->append->due);
    return true;
}

static void entry_free(struct fleet_entry *e)
{
    fleet_bytes_fini(&e->items);
    fleet_bytes_fini(&e->routes);
    free(e);
}

static bool has_room(const struct fleet_entry *e)
{
    struct fleet_piece piece = {.fields = e->item_count, .bytes = e->items.len};
    return !e->closed && !fleet_piece_is_full(&piece);
}

/* The entry that gathers, which will have one more item. */
static struct fleet_entry *gathering(struct fleet *f)
{
    struct fleet_append *a = f->append;
    struct fleet_entry *e = TAILQ_LAST(&a->entries, fleet_entry_list);
    if (e == NULL || !has_room(e)) {
        e = calloc(1, sizeof(*e));
        if (e == NULL) {
            a->failed = true; /* noticed at the flush */
            fleet_bytes_reset(&a->scrap.items, 0);
            fleet_bytes_reset(&a->scrap.routes, 0);
            a->scrap.number = ++a->numbered;
            return &a->scrap;
        }
        e->number = ++a->numbered;
        TAILQ_INSERT_TAIL(&a->entries, e, next);
    }
    e->item_count++;
    return e;
}

uint64_t fleet_append_route(struct fleet *f, enum fleet_log_item kind, struct mqtt_slice filter)
{
    struct fleet_append *a = f->append;
    struct fleet_entry *e = gathering(f);
    fleet_bytes_u8(&e->items, (uint8_t)kind);
    fleet_bytes_slice(&e->items, filter);
    fleet_bytes_u8(&e->routes, (uint8_t)kind);
    fleet_bytes_slice(&e->routes, filter);
    e->route_count++;
    e->added += kind == LOG_ROUTE_ADDED ? 1 : 0;
    a->routes_added += kind == LOG_ROUTE_ADDED ? 1 : 0;
    return e->number;
}

static void put_members(struct fleet_bytes *b, struct mqtt_slice filter, uint32_t members,
                        uint8_t qos)
{
    fleet_bytes_u8(b, LOG_ROUTE_MEMBERS);
    fleet_bytes_slice(b, filter);
    fleet_bytes_varint(b, members);
    fleet_bytes_u8(b, qos);
}

uint64_t fleet_append_members(struct fleet *f, struct mqtt_slice filter, uint32_t members,
                              uint8_t qos)
{
    struct fleet_entry *e = gathering(f);
    put_members(&e->items, filter, members, qos);
    put_members(&e->routes, filter, members, qos);
    e->route_count++;
    return e->number;
}

static struct fleet_entry *begin_item(struct fleet *f, enum fleet_log_item kind,
                                      struct fleet_session_ref session)
{
    struct fleet_entry *e = gathering(f);
    fleet_bytes_u8(&e->items, (uint8_t)kind);
    fleet_bytes_slice(&e->items, session.client);
    fleet_bytes_varint(&e->items, session.epoch);
    return e;
}

uint64_t fleet_append_subscribed(struct fleet *f, struct fleet_session_ref session,
                                 struct mqtt_slice filter, struct mqtt_slice options)
{
    struct fleet_entry *e = begin_item(f, LOG_SUBSCRIBED, session);
    fleet_bytes_slice(&e->items, filter);
    fleet_bytes_slice(&e->items, options);
    return e->number;
}

uint64_t fleet_append_unsubscribed(struct fleet *f, struct fleet_session_ref session,
                                   struct mqtt_slice filter)
{
    struct fleet_entry *e = begin_item(f, LOG_UNSUBSCRIBED, session);
    fleet_bytes_slice(&e->items, filter);
    return e->number;
}

uint64_t fleet_append_ended(struct fleet *f, struct fleet_session_ref session)
{
    return begin_item(f, LOG_SESSION_ENDED, session)->number;
}

void fleet_entry_dead(struct fleet_bytes *out, uint64_t node)
{
    fleet_bytes_u8(out, LOG_NODE_DEAD);
    fleet_bytes_u64(out, node);
}

void fleet_append_wait(struct fleet *f, uint64_t number, store_done_fn *done, void *arg)
{
    if (number <= f->append->done) {
        fleet_defer(f, done, arg, STORE_OK);
        return;
    }
    struct fleet_append_wait *w = calloc(1, sizeof(*w));
    if (w == NULL) {
        fleet_defer(f, done, arg, STORE_UNAVAILABLE);
        return;
    }
    *w = (struct fleet_append_wait){.number = number, .done = done, .arg = arg};
    STAILQ_INSERT_TAIL(&f->append->waits, w, next);
}

struct others_wait {
    struct fleet_version_wait wait; /* first */
    struct fleet *f;
    store_done_fn *done;
    void *arg;
};

static void on_answered(struct fleet_version_wait *wait, bool ok)
{
    struct others_wait *w = (struct others_wait *)wait;
    w->done(w->arg, ok ? STORE_OK : STORE_UNAVAILABLE);
    free(w);
}

static void on_in_log(void *arg, enum store_status status)
{
    struct others_wait *w = arg;
    if (status == STORE_OK) {
        fleet_version_check(w->f, &w->wait, on_answered);
        return;
    }
    w->done(w->arg, status);
    free(w);
}

void fleet_append_wait_for_others(struct fleet *f, uint64_t number, store_done_fn *done, void *arg)
{
    struct others_wait *w = NULL;
    if (number > f->append->done)
        w = calloc(1, sizeof(*w));
    if (w == NULL) {
        fleet_append_wait(f, number, done, arg);
        return;
    }
    w->f = f;
    w->done = done;
    w->arg = arg;
    fleet_append_wait(f, number, on_in_log, w);
}

static struct fleet_append_wait *take_due(struct fleet_append *a)
{
    struct fleet_append_wait *w = STAILQ_FIRST(&a->due);
    if (w != NULL)
        STAILQ_REMOVE_HEAD(&a->due, next);
    return w;
}

static void call(struct fleet_append_wait *w, enum store_status status)
{
    w->done(w->arg, status);
    free(w);
}

void fleet_append_go_on(struct fleet *f)
{
    for (struct fleet_append_wait *w; (w = take_due(f->append)) != NULL;) {
        call(w, w->status);
        if (timebox_spend(f->box, CALL_US) && !STAILQ_EMPTY(&f->append->due)) {
            fleet_wake(f);
            return;
        }
    }
}

/* Those whose entry has a version up to `applied` are due. */
static void end_waits(struct fleet *f, uint64_t applied, enum store_status status)
{
    struct fleet_append *a = f->append;
    struct fleet_append_list list = STAILQ_HEAD_INITIALIZER(list);
    STAILQ_CONCAT(&list, &a->waits);
    while (!STAILQ_EMPTY(&list)) {
        struct fleet_append_wait *w = STAILQ_FIRST(&list);
        STAILQ_REMOVE_HEAD(&list, next);
        bool is_due = w->version <= applied && (w->version != 0 || applied == UINT64_MAX);
        if (is_due)
            w->status = status;
        STAILQ_INSERT_TAIL(is_due ? &a->due : &a->waits, w, next);
    }
}

/* The entry is in the log. Waiters go on when this node has read it there: the others read the log
 * at the same pace, so their QoS 0 messages reach a subscription that was acknowledged. */
static void entry_written(struct fleet *f, uint64_t version)
{
    struct fleet_append *a = f->append;
    a->done = TAILQ_FIRST(&a->entries)->number;
    a->version = version;
    struct fleet_append_wait *w;
    STAILQ_FOREACH (w, &a->waits, next)
        if (w->version == 0 && w->number <= a->done)
            w->version = version;
    fleet_append_applied(f);
}

bool fleet_append_waits_for_log(const struct fleet *f)
{
    return !STAILQ_EMPTY(&f->append->waits) && f->append->version > fleet_log_applied(f);
}

bool fleet_append_is_lost(const struct fleet *f, uint64_t version)
{
    return f->append->version > version;
}

void fleet_append_reannounced(struct fleet *f)
{
    struct fleet_append *a = f->append;
    uint64_t number = gathering(f)->number;
    struct fleet_append_wait *w;
    STAILQ_FOREACH (w, &a->waits, next) {
        if (w->version != 0) {
            w->version = 0;
            w->number = number;
        }
    }
    a->version = 0;
}

void fleet_append_applied(struct fleet *f)
{
    if (!STAILQ_EMPTY(&f->append->waits))
        end_waits(f, fleet_log_applied(f), STORE_OK);
    fleet_append_go_on(f);
}

static void drop_first(struct fleet_append *a)
{
    struct fleet_entry *e = TAILQ_FIRST(&a->entries);
    a->routes_added -= e->added;
    TAILQ_REMOVE(&a->entries, e, next);
    entry_free(e);
}

static void on_append(void *arg, const redisReply *r)
{
    struct fleet *f = arg;
    struct fleet_append *a = f->append;
    if (!a->in_flight)
        return;
    a->in_flight = false;
    if (r == NULL) { /* the link was reset: written again later */
        a->retry_ms = f->now_ms + RETRY_MS;
        return;
    }
    if (r->type != REDIS_REPLY_ARRAY) {
        LOG_LIMITED(LOG_LEVEL_WARN, "log_append_failed", KV_STR("err", r->str));
        a->retry_ms = f->now_ms + RETRY_MS;
        return;
    }
    const char *word = r->element[0]->str;
    if (strcmp(word, "dead") == 0) {
        fleet_declared_dead(f);
    } else if (strcmp(word, "unknown") == 0) {
        a->retry_ms = f->now_ms + RETRY_MS;
        fleet_reload(f, "Redis doesn't know this node");
    } else {
        if (r->elements > 2)
            metric_set(f->metrics.log_bytes, r->element[2]->integer);
        entry_written(f, r->elements > 1 ? strtoull(r->element[1]->str, NULL, 10) : 1);
        drop_first(a);
    }
}

static void write_entry(struct fleet *f)
{
    struct fleet_entry *e = TAILQ_FIRST(&f->append->entries);
    struct fleet_reader routes = fleet_reader_of(e->routes.data, e->routes.len);
    scripts_begin(&f->scripts, f->q, SCRIPT_APPEND, f->keys.fleet, 5 + 2 * e->route_count);
    redis_queue_str(f->q, f->hex);
    redis_queue_u64(f->q, f->calls++);
    redis_queue_arg(f->q, e->items.data, e->items.len);
    redis_queue_u64(f->q, f->cfg.log_entries);
    redis_queue_u64(f->q, f->cfg.log_bytes);
    for (size_t i = 0; i < e->route_count; i++) {
        char sign[32] = {(char)fleet_reader_u8(&routes)};
        struct mqtt_slice filter = fleet_reader_slice(&routes);
        if (sign[0] == LOG_ROUTE_MEMBERS) {
            unsigned long long members = fleet_reader_varint(&routes);
            snprintf(sign, sizeof(sign), "=%llu %u", members, fleet_reader_u8(&routes));
        }
        redis_queue_str(f->q, sign);
        redis_queue_arg(f->q, filter.data, filter.len);
    }
    redis_queue_end(f->q, REDIS_REPLAY, on_append, f);
    e->closed = true;
    f->append->in_flight = true;
}

void fleet_append_flush(struct fleet *f)
{
    struct fleet_append *a = f->append;
    if (a->in_flight || f->now_ms < a->retry_ms)
        return;
    const struct fleet_entry *first = TAILQ_FIRST(&a->entries);
    if (a->failed || (first != NULL && (first->items.failed || first->routes.failed))) {
        LOG_ERROR("log_append_out_of_memory", KV_STR("node", f->hex));
        fleet_declared_dead(f); /* what others know of this node is wrong now: it starts over */
        return;
    }
    if (first != NULL)
        write_entry(f);
}

void fleet_append_reset(struct fleet *f)
{
    struct fleet_append *a = f->append;
    while (!TAILQ_EMPTY(&a->entries))
        drop_first(a);
    a->failed = a->in_flight = false;
    a->routes_added = 0; /* some may have gone to the scrap */
    a->retry_ms = 0;
    a->done = a->numbered;
    a->version = 0;
    end_waits(f, UINT64_MAX, STORE_UNAVAILABLE);
    for (struct fleet_append_wait *w; (w = take_due(a)) != NULL;)
        call(w, STORE_UNAVAILABLE);
}

void fleet_append_free(struct fleet *f)
{
    if (f->append == NULL)
        return;
    while (!TAILQ_EMPTY(&f->append->entries))
        drop_first(f->append);
    fleet_bytes_fini(&f->append->scrap.items);
    fleet_bytes_fini(&f->append->scrap.routes);
    free(f->append);
    f->append = NULL;
}
