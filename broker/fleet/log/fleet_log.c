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
#include "broker/fleet/log/fleet_reannounce.h"
#include "broker/fleet/log/fleet_version.h"
#include "broker/fleet/node/fleet.h"
#include "broker/fleet/node/fleet_behalf.h"
#include "broker/fleet/node/fleet_stream.h"
#include "broker/fleet/wire/fleet_bytes.h"
#include "broker/fleet/wire/fleet_options.h"
#include "common/base/timebox.h"
#include "common/log/log.h"

enum {
    ENTRIES_AT_ONCE = 32, /* each of up to a piece (fleet_piece.h) */
    CLOSE_MS = 20,
    COALESCE_MS = 5,
    COALESCE_NODES = 12, /* other nodes from which a fleet counts as large */
    STUCK_MS = 3000,
    ENTRY_US = 8, /* about an entry's changes */
};

struct fleet_log {
    struct fleet_stream stream;
    uint64_t last_entry_ms, next_read_ms;
    uint64_t waited_since_ms; /* somebody waits, and nothing has come since; 0: nobody */
    struct event *timer;
};

/* ---- applying -------------------------------------------------------------------------------- */

static void apply_dead(struct fleet *f, uint64_t id)
{
    if (id == f->id) {
        fleet_declared_dead(f);
        return;
    }
    struct route_node *n = fleet_node_find(f, id);
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

static void apply_members(struct fleet *f, struct route_node *n, struct fleet_reader *r)
{
    struct mqtt_slice filter = fleet_reader_slice(r);
    uint64_t members = fleet_reader_varint(r);
    uint8_t qos = fleet_reader_u8(r);
    if (n != NULL && !r->failed)
        f->host.route_members(f->host.arg, n, filter, (uint32_t)members, qos);
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
    f->host.durable_subscribed(f->host.arg, session.client, &sub);
}

static void apply_unsubscribed(struct fleet *f, struct fleet_reader *r, bool own)
{
    struct fleet_session_ref session = read_session(r);
    struct mqtt_slice filter = fleet_reader_slice(r);
    if ((!own && fleet_reannounce_own(f, session)) || !is_news(f, r, own, session))
        return;
    f->host.durable_unsubscribed(f->host.arg, session.client, filter);
}

static void apply_ended(struct fleet *f, struct fleet_reader *r, bool own)
{
    struct fleet_session_ref session = read_session(r);
    if ((own || !fleet_reannounce_own(f, session)) && is_news(f, r, own, session))
        f->host.durable_ended(f->host.arg, session.client);
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
        case LOG_ROUTE_MEMBERS:
            apply_members(f, n, r);
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

/* One entry, which has the fields n: the node that wrote it, and d: the items. False when the log has a
 * hole before it. */
static bool apply_entry(struct fleet *f, const struct fleet_stream_entry *entry)
{
    uint64_t ver = strtoull(entry->id, NULL, 10);
    struct mqtt_slice node = fleet_stream_value(entry, "n");
    struct mqtt_slice items = fleet_stream_value(entry, "d");
    uint64_t by;
    if (ver != f->log_applied + 1)
        return false;
    f->log_applied = ver;
    if (items.data == NULL || !fleet_hex_parse((const char *)node.data, node.len, &by))
        return true;
    struct fleet_reader r = fleet_reader_of(items.data, items.len);
    apply_items(f, by, &r);
    return true;
}

/* ---- reading --------------------------------------------------------------------------------- */

/* All that was read is applied. */
static void end_reading(struct fleet *f)
{
    struct fleet_log *log = f->log;
    if (f->now_ms - log->last_entry_ms < CLOSE_MS && HASH_COUNT(f->nodes) >= COALESCE_NODES)
        log->next_read_ms = f->now_ms + COALESCE_MS;
    log->last_entry_ms = f->now_ms;
}

/* Applies entries until the box is over. False: what was read isn't valid any more. */
static bool apply_some(struct fleet *f)
{
    struct fleet_log *log = f->log;
    struct fleet_stream_entry entry;
    while (fleet_stream_next(&log->stream, &entry)) {
        if (!apply_entry(f, &entry)) {
            fleet_reload(f, "the log has a hole");
            return false;
        }
        if (f->state == FLEET_DEAD)
            return false;
        if (timebox_spend(f->box, ENTRY_US) && !fleet_stream_is_at_end(&log->stream))
            return true;
    }
    end_reading(f);
    return true;
}

void fleet_log_go_on(struct fleet *f)
{
    struct fleet_log *log = f->log;
    if (!fleet_stream_has_entries(&log->stream) || !fleet_log_is_valid(f) || !apply_some(f))
        return;
    log->waited_since_ms = 0; /* it comes */
    fleet_versions_applied(f);
    fleet_append_applied(f);
    if (fleet_stream_has_entries(&log->stream))
        fleet_wake(f);
    else
        fleet_log_tick(f);
}

static void on_read(void *arg, enum fleet_stream_result result)
{
    struct fleet *f = arg;
    if (!fleet_log_is_valid(f)) {
        fleet_stream_restart(&f->log->stream);
        return;
    }
    switch (result) {
    case FLEET_STREAM_ENTRIES:
        fleet_log_go_on(f);
        return;
    case FLEET_STREAM_LOST:
        return;
    case FLEET_STREAM_FAILED:
        f->log->next_read_ms = f->now_ms + FLEET_STREAM_RETRY_MS;
        break;
    case FLEET_STREAM_NOTHING:
        break;
    }
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
    watch(f);
    if (!fleet_log_is_valid(f) || log->stream.is_reading)
        return;
    if (!fleet_versions_wait(f) && f->now_ms < log->next_read_ms) {
        struct timeval tv = {.tv_usec = (suseconds_t)(log->next_read_ms - f->now_ms) * 1000};
        if (!evtimer_pending(log->timer, NULL))
            evtimer_add(log->timer, &tv);
        return;
    }
    char from[32];
    evutil_snprintf(from, sizeof(from), "%llu-0", (unsigned long long)f->log_applied);
    fleet_stream_read(&log->stream, f->log_link, f->keys.log, from, ENTRIES_AT_ONCE);
}

void fleet_log_start(struct fleet *f, uint64_t from)
{
    f->log_applied = from;
    f->log_valid = true;
    fleet_stream_restart(&f->log->stream);
    f->log->next_read_ms = 0;
    f->log->waited_since_ms = 0;
    fleet_log_tick(f);
    fleet_versions_applied(f); /* those who waited while there was no log */
    fleet_append_applied(f);
}

void fleet_log_stop(struct fleet *f)
{
    if (f->log == NULL || f->log_link == NULL)
        return;
    f->log_valid = false;
    f->log->waited_since_ms = 0;
    fleet_stream_restart(&f->log->stream);
    redis_link_reset(f->log_link, "the log is read anew");
}

/* ---- begin and end --------------------------------------------------------------------------- */

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what, (void)arg; /* wakes the loop for fleet_log_tick */
}

bool fleet_log_init(struct fleet *f)
{
    f->log = calloc(1, sizeof(*f->log));
    if (f->log == NULL)
        return false;
    fleet_stream_init(&f->log->stream, on_read, f);
    f->log->timer = evtimer_new(f->base, on_timer, f);
    return f->log->timer != NULL;
}

void fleet_log_free(struct fleet *f)
{
    if (f->log == NULL)
        return;
    if (f->log->timer != NULL)
        event_free(f->log->timer);
    fleet_stream_fini(&f->log->stream);
    free(f->log);
    f->log = NULL;
}
