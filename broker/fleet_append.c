/* Gathers changes and writes them as entries of the log, one at a time. */
#include "broker/fleet_append.h"

#include <stdlib.h>
#include <string.h>

#include "broker/fleet.h"
#include "common/log.h"

enum { KEEP_SIZE = 65536, RETRY_MS = 300 };

struct fleet_append_wait {
    struct fleet_append_wait *next;
    uint64_t number;
    uint64_t version; /* of the log, once the entry is in it; 0 before */
    store_done_fn *done;
    void *arg;
};

static uint64_t gathering_number(struct fleet *f)
{
    struct fleet_append *a = &f->append;

    if (a->gathering.number == 0)
        a->gathering.number = (a->writing.number > a->done ? a->writing.number : a->done) + 1;
    return a->gathering.number;
}

uint64_t fleet_append_route(struct fleet *f, enum fleet_log_item kind, struct mqtt_slice filter)
{
    struct fleet_entry *e = &f->append.gathering;

    fleet_bytes_u8(&e->items, (uint8_t)kind);
    fleet_bytes_slice(&e->items, filter);
    fleet_bytes_u8(&e->routes, (uint8_t)kind);
    fleet_bytes_slice(&e->routes, filter);
    e->route_count++;
    return gathering_number(f);
}

static struct fleet_bytes *begin_item(struct fleet *f, enum fleet_log_item kind,
                                      struct fleet_session_ref session)
{
    struct fleet_bytes *items = &f->append.gathering.items;

    fleet_bytes_u8(items, (uint8_t)kind);
    fleet_bytes_slice(items, session.client);
    fleet_bytes_varint(items, session.epoch);
    return items;
}

uint64_t fleet_append_subscribed(struct fleet *f, struct fleet_session_ref session,
                                 struct mqtt_slice filter, struct mqtt_slice options)
{
    struct fleet_bytes *items = begin_item(f, LOG_SUBSCRIBED, session);

    fleet_bytes_slice(items, filter);
    fleet_bytes_slice(items, options);
    return gathering_number(f);
}

uint64_t fleet_append_unsubscribed(struct fleet *f, struct fleet_session_ref session,
                                   struct mqtt_slice filter)
{
    fleet_bytes_slice(begin_item(f, LOG_UNSUBSCRIBED, session), filter);
    return gathering_number(f);
}

uint64_t fleet_append_ended(struct fleet *f, struct fleet_session_ref session)
{
    begin_item(f, LOG_SESSION_ENDED, session);
    return gathering_number(f);
}

void fleet_entry_dead(struct fleet_bytes *out, uint64_t node)
{
    fleet_bytes_u8(out, LOG_NODE_DEAD);
    fleet_bytes_u64(out, node);
}

void fleet_append_wait(struct fleet *f, uint64_t number, store_done_fn *done, void *arg)
{
    struct fleet_append_wait *w;

    if (number <= f->append.done) {
        fleet_defer(f, done, arg, STORE_OK);
        return;
    }
    w = calloc(1, sizeof(*w));
    if (w == NULL) {
        fleet_defer(f, done, arg, STORE_UNAVAILABLE);
        return;
    }
    *w = (struct fleet_append_wait){
        .next = f->append.waits, .number = number, .done = done, .arg = arg};
    f->append.waits = w;
}

/* Calls those whose entry has a version up to `applied`. The list is a stack: turned round, the
 * oldest come first. */
static void call_waits(struct fleet *f, uint64_t applied, enum store_status status)
{
    struct fleet_append_wait *list = f->append.waits;
    struct fleet_append_wait *due = NULL;

    f->append.waits = NULL;
    for (struct fleet_append_wait **keep = &f->append.waits; list != NULL;) {
        struct fleet_append_wait *w = list;

        list = w->next;
        if (w->version <= applied && (w->version != 0 || applied == UINT64_MAX)) {
            w->next = due;
            due = w;
        } else {
            w->next = NULL;
            *keep = w;
            keep = &w->next;
        }
    }
    while (due != NULL) {
        struct fleet_append_wait *w = due;

        due = w->next;
        w->done(w->arg, status);
        free(w);
    }
}

/* The entry is in the log. Who waits for it goes on when this node has read it there: the others
 * read the log at the same pace, so their QoS 0 messages reach a subscription that is answered. */
static void entry_written(struct fleet *f, uint64_t version)
{
    struct fleet_append *a = &f->append;

    a->done = a->writing.number;
    a->version = version;
    for (struct fleet_append_wait *w = a->waits; w != NULL; w = w->next)
        if (w->version == 0 && w->number <= a->done)
            w->version = version;
    fleet_append_applied(f);
}

bool fleet_append_waits_for_log(const struct fleet *f)
{
    return f->append.waits != NULL && f->append.version > fleet_log_applied(f);
}

bool fleet_append_is_lost(const struct fleet *f, uint64_t version)
{
    return f->append.version > version;
}

void fleet_append_said_again(struct fleet *f)
{
    struct fleet_append *a = &f->append;
    uint64_t number = gathering_number(f);

    for (struct fleet_append_wait *w = a->waits; w != NULL; w = w->next) {
        if (w->version != 0) {
            w->version = 0;
            w->number = number;
        }
    }
    a->version = 0;
}

void fleet_append_applied(struct fleet *f)
{
    if (f->append.waits != NULL)
        call_waits(f, fleet_log_applied(f), STORE_OK);
}

static void entry_reset(struct fleet_entry *e)
{
    fleet_bytes_reset(&e->items, KEEP_SIZE);
    fleet_bytes_reset(&e->routes, KEEP_SIZE);
    e->route_count = 0;
    e->number = 0;
}

static void on_append(void *arg, const redisReply *r)
{
    struct fleet *f = arg;
    struct fleet_append *a = &f->append;
    const char *word;

    if (!a->in_flight)
        return;
    a->in_flight = false;
    if (r == NULL)
        return; /* being reset */
    if (r->type != REDIS_REPLY_ARRAY) {
        LOG_LIMITED(LOG_LEVEL_WARN, "log_append_failed", KV_STR("err", r->str));
        a->retry_ms = f->now_ms + RETRY_MS;
        return;
    }
    word = r->element[0]->str;
    if (strcmp(word, "dead") == 0) {
        fleet_is_dead(f);
    } else if (strcmp(word, "unknown") == 0) {
        a->retry_ms = f->now_ms + RETRY_MS;
        fleet_reload(f, "Redis doesn't know this node");
    } else {
        entry_written(f, r->elements > 1 ? strtoull(r->element[1]->str, NULL, 10) : 1);
        entry_reset(&a->writing);
    }
}

static void write_entry(struct fleet *f)
{
    struct fleet_entry *e = &f->append.writing;
    struct fleet_reader routes = fleet_reader_of(e->routes.data, e->routes.len);

    scripts_begin(&f->scripts, f->q, SCRIPT_APPEND, f->keys.fleet, 3 + 2 * e->route_count);
    redis_queue_str(f->q, f->hex);
    redis_queue_u64(f->q, f->calls++);
    redis_queue_arg(f->q, e->items.data, e->items.len);
    for (size_t i = 0; i < e->route_count; i++) {
        char sign = (char)fleet_reader_u8(&routes);
        struct mqtt_slice filter = fleet_reader_slice(&routes);

        redis_queue_arg(f->q, &sign, 1);
        redis_queue_arg(f->q, filter.data, filter.len);
    }
    redis_queue_end(f->q, REDIS_REPLAY, on_append, f);
    f->append.in_flight = true;
}

void fleet_append_flush(struct fleet *f)
{
    struct fleet_append *a = &f->append;

    if (a->in_flight || f->now_ms < a->retry_ms)
        return;
    if (a->writing.number == 0) {
        struct fleet_entry empty = a->writing;

        if (a->gathering.number == 0)
            return;
        a->writing = a->gathering;
        a->gathering = empty;
    }
    if (a->writing.items.failed || a->writing.routes.failed) {
        LOG_ERROR("log_append_out_of_memory", KV_UINT("bytes", a->writing.items.len));
        fleet_is_dead(f); /* what others know of this node is wrong now: begin anew */
        return;
    }
    write_entry(f);
}

void fleet_append_reset(struct fleet *f)
{
    struct fleet_append *a = &f->append;
    uint64_t last = gathering_number(f);

    entry_reset(&a->gathering);
    entry_reset(&a->writing);
    a->in_flight = false;
    a->retry_ms = 0;
    a->done = last;
    a->version = 0;
    call_waits(f, UINT64_MAX, STORE_UNAVAILABLE);
}

void fleet_append_free(struct fleet *f)
{
    fleet_bytes_fini(&f->append.gathering.items);
    fleet_bytes_fini(&f->append.gathering.routes);
    fleet_bytes_fini(&f->append.writing.items);
    fleet_bytes_fini(&f->append.writing.routes);
}
