/* Reads the fleet's log by a blocking XREAD and applies it: routes and durable
 * subscriptions to the core, deaths to the node table. Versions follow each other without a hole;
 * one that is missing was trimmed away, or belongs to another history: reload.
 *
 * Every entry wakes every node's XREAD, so in a large fleet a storm of changes would cost Redis one
 * wake-up per node and entry. There, entries that come close together are read together: the next
 * XREAD waits a little, unless somebody waits for the log. A small fleet reads at once, since what
 * is published at QoS 0 in that little while may miss the newest subscriptions. */
#include "broker/fleet/log/fleet_log.h"

#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "broker/fleet/exchange/fleet_nodes.h"
#include "broker/fleet/log/fleet_append.h"
#include "broker/fleet/log/fleet_epochs.h"
#include "broker/fleet/log/fleet_retell.h"
#include "broker/fleet/log/fleet_version.h"
#include "broker/fleet/node/fleet.h"
#include "broker/fleet/node/fleet_behalf.h"
#include "broker/fleet/wire/fleet_bytes.h"
#include "broker/fleet/wire/fleet_options.h"
#include "common/base/timebox.h"
#include "common/log/log.h"

enum {
    ENTRIES_AT_ONCE = 32, /* each of up to a piece (fleet_piece.h) */
    BLOCK_MS = 2000,
    CLOSE_MS = 20,
    COALESCE_MS = 5,
    COALESCE_NODES = 12, /* other nodes from which a fleet counts as large */
    STUCK_MS = 3000,
    ENTRY_US = 8, /* about an entry's changes */
};

struct fleet_log {
    bool reading;      /* an XREAD is under way, or its reply isn't applied to its end */
    redisReply *reply; /* what is being applied, owned; NULL: nothing */
    size_t next_entry;
    unsigned readings; /* tells an answer to a former start's XREAD */
    uint64_t last_entry_ms, next_read_ms;
    uint64_t waited_since_ms; /* somebody waits, and nothing has come since; 0: nobody */
    struct event *timer;
};

struct log_reading {
    struct fleet *f;
    unsigned number;
};

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what, (void)arg; /* wakes the loop for fleet_log_tick */
}

bool fleet_log_init(struct fleet *f)
{
    f->log = calloc(1, sizeof(*f->log));
    if (f->log == NULL)
        return false;
    f->log->timer = evtimer_new(f->base, on_timer, f);
    return f->log->timer != NULL;
}

static void drop_reply(struct fleet_log *log)
{
    freeReplyObject(log->reply);
    log->reply = NULL;
}

void fleet_log_free(struct fleet *f)
{
    if (f->log == NULL)
        return;
    if (f->log->timer != NULL)
        event_free(f->log->timer);
    drop_reply(f->log);
    free(f->log);
    f->log = NULL;
}

/* ---- applying -------------------------------------------------------------------------------- */

static void apply_dead(struct fleet *f, uint64_t id)
{
    struct route_node *n;

    if (id == f->id) {
        fleet_is_dead(f);
        return;
    }
    n = fleet_node_find(f, id);
    LOG_INFO("node_dead", KV_STR("node", n != NULL ? n->hex : "unknown"));
    if (n != NULL)
        fleet_node_remove(f, n);
    fleet_sweep_soon(f);
}

static void apply_route(struct fleet *f, struct route_node *n, bool added, struct mqtt_slice filter)
{
    if (n == NULL)
        return;
    if (added)
        f->host.route_added(f->host.arg, n, filter);
    else
        f->host.route_removed(f->host.arg, n, filter);
}

static struct fleet_session_ref read_session(struct fleet_reader *r)
{
    struct fleet_session_ref session = {.client = fleet_reader_slice(r)};

    session.epoch = fleet_reader_varint(r);
    return session;
}

/* False: a newer entry was applied before, or this node wrote the entry itself. */
static bool is_news(struct fleet *f, const struct fleet_reader *r, bool own,
                    struct fleet_session_ref session)
{
    return !r->failed && fleet_session_is_new(f, session) && !own;
}

static void apply_subscribed(struct fleet *f, struct fleet_reader *r, bool own)
{
    struct fleet_session_ref session = read_session(r);
    struct store_subscription sub = {.filter = fleet_reader_slice(r)};
    struct mqtt_slice options = fleet_reader_slice(r);

    if (!is_news(f, r, own, session))
        return;
    fleet_options_read(options.data, options.len, &sub);
    f->host.durable_subscribed(f->host.arg, (const char *)session.client.data, session.client.len,
                               &sub);
}

static void apply_unsubscribed(struct fleet *f, struct fleet_reader *r, bool own)
{
    struct fleet_session_ref session = read_session(r);
    struct mqtt_slice filter = fleet_reader_slice(r);

    if ((!own && fleet_retell_own(f, session)) || !is_news(f, r, own, session))
        return;
    f->host.durable_unsubscribed(f->host.arg, (const char *)session.client.data, session.client.len,
                                 filter);
}

static void apply_ended(struct fleet *f, struct fleet_reader *r, bool own)
{
    struct fleet_session_ref session = read_session(r);

    if ((own || !fleet_retell_own(f, session)) && is_news(f, r, own, session))
        f->host.durable_ended(f->host.arg, (const char *)session.client.data, session.client.len);
}

/* What this node did itself is in its own tables already. */
static void apply_items(struct fleet *f, uint64_t by, struct fleet_reader *r)
{
    bool own = by == f->id;
    struct route_node *n = own ? NULL : fleet_node_get(f, by);

    while (fleet_reader_more(r)) {
        uint8_t kind = fleet_reader_u8(r);

        switch (kind) {
        case LOG_ROUTE_ADDED:
        case LOG_ROUTE_REMOVED:
            apply_route(f, n, kind == LOG_ROUTE_ADDED, fleet_reader_slice(r));
            break;
        case LOG_SUBSCRIBED:
            apply_subscribed(f, r, own);
            break;
        case LOG_UNSUBSCRIBED:
            apply_unsubscribed(f, r, own);
            break;
        case LOG_SESSION_ENDED:
            apply_ended(f, r, own);
            break;
        case LOG_NODE_DEAD:
            apply_dead(f, fleet_reader_u64(r));
            if (n != NULL)
                n = fleet_node_find(f, by); /* it may have been itself */
            break;
        default:
            r->failed = true;
        }
    }
    if (r->failed)
        LOG_LIMITED(LOG_LEVEL_ERROR, "log_entry_malformed", KV_UINT("ver", f->log_applied));
}

/* One entry: id, [n, node, d, items]. False when the log has a hole before it. */
static bool apply_entry(struct fleet *f, const redisReply *entry)
{
    const redisReply *fields = entry->elements == 2 ? entry->element[1] : NULL;
    uint64_t ver = entry->elements == 2 ? strtoull(entry->element[0]->str, NULL, 10) : 0;
    struct fleet_reader r;
    uint64_t by;

    if (ver != f->log_applied + 1)
        return false;
    f->log_applied = ver;
    if (fields == NULL || fields->elements < 4 ||
        !fleet_hex_parse(fields->element[1]->str, fields->element[1]->len, &by))
        return true;
    r = fleet_reader_of(fields->element[3]->str, fields->element[3]->len);
    apply_items(f, by, &r);
    return true;
}

/* ---- reading --------------------------------------------------------------------------------- */

/* All that was read is applied. */
static void end_reading(struct fleet *f)
{
    struct fleet_log *log = f->log;

    drop_reply(log);
    log->reading = false;
    if (f->now_ms - log->last_entry_ms < CLOSE_MS && HASH_COUNT(f->nodes) >= COALESCE_NODES)
        log->next_read_ms = f->now_ms + COALESCE_MS;
    log->last_entry_ms = f->now_ms;
}

/* Applies entries of the kept reply until the box is over. False: it isn't valid any more. */
static bool apply_some(struct fleet *f)
{
    struct fleet_log *log = f->log;
    const redisReply *entries = log->reply->element[0]->element[1];

    while (log->next_entry < entries->elements) {
        const redisReply *entry = entries->element[log->next_entry++];

        if (!apply_entry(f, entry)) {
            fleet_reload(f, "the log has a hole");
            return false;
        }
        if (f->must_start_over)
            return false;
        if (timebox_spend(f->box, ENTRY_US))
            break;
    }
    if (log->next_entry == entries->elements)
        end_reading(f);
    return true;
}

void fleet_log_go_on(struct fleet *f)
{
    struct fleet_log *log = f->log;

    if (log->reply == NULL || !fleet_log_is_valid(f) || !apply_some(f))
        return;
    log->waited_since_ms = 0; /* it comes */
    fleet_versions_applied(f);
    fleet_append_applied(f);
    if (log->reply != NULL)
        fleet_wake(f);
    else
        fleet_log_tick(f);
}

static void on_read(void *arg, const redisReply *r)
{
    struct log_reading *reading = arg;
    struct fleet *f = reading->f;
    bool current = reading->number == f->log->readings;

    free(reading);
    if (!current)
        return;
    if (r != NULL && fleet_log_is_valid(f) && r->type == REDIS_REPLY_ARRAY && r->elements == 1 &&
        r->element[0]->elements == 2) {
        f->log->reply = redis_link_keep_reply(f->log_link);
        f->log->next_entry = 0;
        fleet_log_go_on(f);
        return;
    }
    f->log->reading = false;
    if (r == NULL || !fleet_log_is_valid(f))
        return;
    if (r->type == REDIS_REPLY_ERROR)
        f->log->next_read_ms = f->now_ms + 500;
    fleet_log_tick(f);
}

/* Whether anything waits is looked up in the lists themselves. A flag would have to be cleared on
 * every way out, and one that stays set would reload the node again and again. */
static void watch(struct fleet *f)
{
    struct fleet_log *log = f->log;

    if (!fleet_log_is_valid(f) || !(fleet_versions_wait(f) || fleet_append_waits_for_log(f))) {
        log->waited_since_ms = 0;
    } else if (log->waited_since_ms == 0) {
        log->waited_since_ms = f->now_ms;
    } else if (f->now_ms - log->waited_since_ms > STUCK_MS) {
        log->waited_since_ms = 0;
        fleet_reload(f, "the log doesn't bring a version that Redis has");
    }
}

void fleet_log_tick(struct fleet *f)
{
    struct fleet_log *log = f->log;
    struct redis_queue *q = redis_link_queue(f->log_link);
    struct log_reading *reading;
    char from[32];

    watch(f);
    if (!fleet_log_is_valid(f) || log->reading)
        return;
    if (!fleet_versions_wait(f) && f->now_ms < log->next_read_ms) {
        struct timeval tv = {.tv_usec = (suseconds_t)(log->next_read_ms - f->now_ms) * 1000};

        if (!evtimer_pending(log->timer, NULL))
            evtimer_add(log->timer, &tv);
        return;
    }
    reading = calloc(1, sizeof(*reading));
    if (reading == NULL)
        return;
    *reading = (struct log_reading){.f = f, .number = log->readings};
    log->reading = true;
    evutil_snprintf(from, sizeof(from), "%llu-0", (unsigned long long)f->log_applied);
    redis_queue_begin(q, 8);
    redis_queue_str(q, "XREAD");
    redis_queue_str(q, "COUNT");
    redis_queue_u64(q, ENTRIES_AT_ONCE);
    redis_queue_str(q, "BLOCK");
    redis_queue_u64(q, BLOCK_MS);
    redis_queue_str(q, "STREAMS");
    redis_queue_str(q, f->keys.log);
    redis_queue_str(q, from);
    redis_queue_end(q, REDIS_REPLAY, on_read, reading);
}

void fleet_log_start(struct fleet *f, uint64_t from)
{
    f->log_applied = from;
    f->log_valid = true;
    f->log->reading = false;
    f->log->readings++;
    drop_reply(f->log);
    f->log->next_read_ms = 0;
    f->log->waited_since_ms = 0;
    fleet_log_tick(f);
    fleet_versions_applied(f); /* those who waited while there was no log */
    fleet_append_applied(f);
}

void fleet_log_stop(struct fleet *f)
{
    if (f->log == NULL)
        return;
    f->log_valid = false;
    f->log->waited_since_ms = 0;
    f->log->readings++;
    f->log->reading = false;
    drop_reply(f->log);
    redis_link_reset(f->log_link, "the log is read anew");
}
