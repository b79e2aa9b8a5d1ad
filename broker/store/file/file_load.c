/* A function for each table, and a list of them in the order in which rows need others. */
#include "broker/store/file/file_load.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker/fleet/wire/fleet_frame.h"
#include "broker/fleet/wire/fleet_options.h"
#include "broker/store/file/file_journal.h"
#include "broker/store/file/file_record.h"
#include "broker/store/file/file_schema.h"
#include "broker/store/memory_restore.h"

/* What rows of other tables name by a number, in the order of the numbers. */
struct numbered {
    uint64_t number;
    void *object;
    bool connected; /* a session's */
    uint64_t group; /* of a message that ended */
};
struct numbers {
    struct numbered *items;
    size_t count, capacity;
};

struct load {
    struct store_memory *store;
    struct file_journal *journal;
    const struct store_host *host;
    struct numbers sessions, messages, groups;
    struct numbers ended; /* messages of groups */
    struct file_loaded loaded;
    bool no_memory; /* otherwise a row that is refused is wrong */
};

static bool note(struct load *l, struct numbers *n, struct numbered item)
{
    if (n->count == n->capacity) {
        size_t more = n->capacity == 0 ? 64 : n->capacity * 2;
        struct numbered *grown = realloc(n->items, more * sizeof(*grown));
        if (grown == NULL) {
            l->no_memory = true;
            return false;
        }
        n->items = grown;
        n->capacity = more;
    }
    n->items[n->count++] = item;
    return true;
}

static struct numbered *find(const struct numbers *n, uint64_t number)
{
    size_t low = 0;
    size_t high = n->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (n->items[middle].number < number)
            low = middle + 1;
        else
            high = middle;
    }
    return low < n->count && n->items[low].number == number ? &n->items[low] : NULL;
}

/* ---- columns --------------------------------------------------------------------------------- */

static uint64_t number_at(sqlite3_stmt *row, int column)
{
    return (uint64_t)sqlite3_column_int64(row, column);
}

static bool is_null(sqlite3_stmt *row, int column)
{
    return sqlite3_column_type(row, column) == SQLITE_NULL;
}

/* Good until the next row. */
static struct mqtt_slice bytes_at(sqlite3_stmt *row, int column)
{
    const void *data = sqlite3_column_blob(row, column);
    int len = sqlite3_column_bytes(row, column);
    return mqtt_slice_of(len > 0 ? data : (const void *)"", len > 0 ? (size_t)len : 0);
}

/* NULL: not one, or out of memory. */
static struct message *message_at(sqlite3_stmt *row, int column)
{
    struct mqtt_slice frame = bytes_at(row, column);
    struct fleet_reader r = fleet_reader_of(frame.data, frame.len);
    bool remember;
    struct message *m = fleet_frame_get(&r, &remember);
    if (m == NULL || r.at == r.end)
        return m;
    message_unref(m);
    return NULL;
}

/* ---- tables ---------------------------------------------------------------------------------- */

static bool take_message(struct load *l, sqlite3_stmt *row)
{
    struct numbered item = {.number = number_at(row, 0), .object = message_at(row, 1)};
    if (item.object == NULL)
        return false;
    if (!note(l, &l->messages, item)) {
        message_unref(item.object);
        return false;
    }
    l->no_memory = !file_journal_know(l->journal, item.object, item.number);
    l->loaded.messages++;
    return !l->no_memory;
}

/* NUL-terminated, NULL: there is none. */
static bool user_at(sqlite3_stmt *row, int column, char **out)
{
    struct mqtt_slice user = bytes_at(row, column);
    *out = NULL;
    if (is_null(row, column))
        return true;
    *out = strndup((const char *)user.data, user.len);
    return *out != NULL && strlen(*out) == user.len;
}

static bool add_session(struct load *l, const struct journal_session *was)
{
    struct memory_session *m = memory_restore_session(l->store, was);
    struct numbered item = {.number = was->number, .object = m, .connected = was->connected};
    l->no_memory = m == NULL;
    if (was->number > l->journal->base.numbered)
        l->journal->base.numbered = was->number;
    l->loaded.sessions += was->durable;
    return m != NULL && note(l, &l->sessions, item);
}

static bool take_session(struct load *l, sqlite3_stmt *row)
{
    uint64_t flags = number_at(row, 3);
    char *user;
    struct message *will = is_null(row, 6) ? NULL : message_at(row, 6);
    bool ok = user_at(row, 2, &user) && (will != NULL || is_null(row, 6));
    struct journal_session was = {.number = number_at(row, 0),
                                  .client_id = bytes_at(row, 1),
                                  .user = user,
                                  .durable = (flags & SESSION_DURABLE) != 0,
                                  .connected = (flags & SESSION_CONNECTED) != 0,
                                  .will_has_grace = (flags & SESSION_GRACE) != 0,
                                  .expiry_s = (uint32_t)number_at(row, 4),
                                  .expires_at_ms = number_at(row, 5),
                                  .will = will,
                                  .will_delay_s = (uint32_t)number_at(row, 7),
                                  .will_due_ms = number_at(row, 8)};
    ok = ok && was.client_id.len > 0 && was.client_id.len <= UINT16_MAX &&
         memory_session_find(l->store, was.client_id) == NULL && add_session(l, &was);
    message_unref(will);
    free(user);
    return ok;
}

static struct memory_session *session_at(const struct load *l, sqlite3_stmt *row)
{
    const struct numbered *n = find(&l->sessions, number_at(row, 0));
    return n != NULL ? n->object : NULL;
}

/* A group that has had no message yet gets its row now. */
static void note_member(struct load *l, struct mqtt_slice filter)
{
    l->journal->base.off = false;
    l->no_memory = !memory_restore_member(l->store, filter);
    l->journal->base.off = true;
}

static bool take_subscription(struct load *l, sqlite3_stmt *row)
{
    const struct memory_session *m = session_at(l, row);
    struct mqtt_slice options = bytes_at(row, 2);
    struct store_subscription sub = {.filter = bytes_at(row, 1)};
    if (m == NULL || options.len == 0 || !mqtt_topic_filter_valid(sub.filter.data, sub.filter.len))
        return false;
    fleet_options_read(options.data, options.len, &sub);
    l->host->durable_subscribed(l->host->arg, memory_session_id(m), &sub);
    if (mqtt_filter_is_shared(sub.filter))
        note_member(l, sub.filter);
    l->loaded.subscriptions++;
    return sub.qos <= 2;
}

static bool take_group(struct load *l, sqlite3_stmt *row)
{
    struct numbered item = {.number = number_at(row, 0)};
    if (!mqtt_filter_is_shared(bytes_at(row, 1)))
        return false;
    item.object = memory_restore_group(l->store, bytes_at(row, 1), item.number);
    l->no_memory = item.object == NULL;
    if (item.number > l->journal->base.numbered)
        l->journal->base.numbered = item.number;
    return item.object != NULL && note(l, &l->groups, item);
}

static bool take_shared(struct load *l, sqlite3_stmt *row)
{
    const struct numbered *group = find(&l->groups, number_at(row, 0));
    const struct numbered *message = find(&l->messages, number_at(row, 2));
    uint64_t number = number_at(row, 1);
    if (group == NULL || message == NULL)
        return false;
    file_journal_refer(l->journal, message->object);
    if (number_at(row, 4) == 0)
        return memory_restore_shared(l->store, group->object, message->object, number,
                                     number_at(row, 3));
    /* QoS 2 that a member without a session was sent ends with its connection (4.8.2-5). */
    return note(
        l, &l->ended,
        (struct numbered){.number = number, .object = message->object, .group = group->number});
}

enum { IDS_MAX = 1 << 16 }; /* as many subscriptions as one session may have */

/* False: not identifiers, or out of memory. */
static bool read_ids(struct mqtt_slice bytes, uint32_t **out, struct mqtt_ids *ids)
{
    struct fleet_reader r = fleet_reader_of(bytes.data, bytes.len);
    *ids = (struct mqtt_ids){0};
    *out = NULL;
    if (bytes.len == 0)
        return true;
    uint32_t *items = malloc(bytes.len * sizeof(*items)); /* each has a byte at least */
    if (items == NULL)
        return false;
    uint32_t count = 0;
    while (fleet_reader_more(&r) && count < IDS_MAX)
        items[count++] = (uint32_t)fleet_reader_varint(&r);
    *out = items;
    *ids = (struct mqtt_ids){.items = items, .count = count};
    return !r.failed && r.at == r.end;
}

static bool take_queued(struct load *l, sqlite3_stmt *row)
{
    struct memory_session *m = session_at(l, row);
    const struct numbered *message = find(&l->messages, number_at(row, 2));
    const struct numbered *group = find(&l->groups, number_at(row, 5));
    uint64_t flags = number_at(row, 3);
    struct journal_entry e = {.sequence = number_at(row, 1),
                              .qos = flags & QUEUED_QOS,
                              .retain = (flags & QUEUED_RETAIN) != 0,
                              .is_value = (flags & QUEUED_VALUE) != 0,
                              .group_number = number_at(row, 6)};
    uint32_t *items = NULL;
    if (number_at(row, 5) >
        l->journal->base.numbered) /* of a group that has ended: isn't given again */
        l->journal->base.numbered = number_at(row, 5);
    bool ok = m != NULL && message != NULL && e.qos > 0 && e.qos <= 2 &&
              read_ids(bytes_at(row, 4), &items, &e.ids) &&
              memory_restore_queued(m, message->object, &e, group != NULL ? group->object : NULL);
    if (ok)
        file_journal_refer(l->journal, message->object);
    free(items);
    return ok;
}

static bool take_fetched(struct load *l, sqlite3_stmt *row)
{
    struct memory_session *m = session_at(l, row);
    return m != NULL && memory_restore_sent(m, number_at(row, 1));
}

static bool take_released(struct load *l, sqlite3_stmt *row)
{
    struct memory_session *m = session_at(l, row);
    if (number_at(row, 2) > l->journal->place)
        l->journal->place = number_at(row, 2);
    return m != NULL && memory_restore_released(m, number_at(row, 1));
}

static bool take_open_qos2(struct load *l, sqlite3_stmt *row)
{
    struct memory_session *m = session_at(l, row);
    uint64_t packet_id = number_at(row, 1);
    return m != NULL && packet_id > 0 && packet_id <= UINT16_MAX &&
           memory_restore_qos2(m, (uint16_t)packet_id);
}

static bool take_retained(struct load *l, sqlite3_stmt *row)
{
    struct message *m = message_at(row, 1);
    bool kept = m != NULL && memory_values_restore(&l->store->values, m);
    message_unref(m);
    l->loaded.retained += kept;
    return kept;
}

static const struct table {
    const char *name, *sql;
    bool (*take)(struct load *l, sqlite3_stmt *row);
} tables[] = {
    {"messages", "SELECT number, frame FROM messages ORDER BY number", take_message},
    {"sessions",
     "SELECT number, client, user, flags, expiry_s, expires_ms, will, will_delay_s, will_due_ms "
     "FROM sessions ORDER BY number",
     take_session},
    {"share_groups", "SELECT number, filter FROM share_groups ORDER BY number", take_group},
    {"subscriptions", "SELECT session, filter, options FROM subscriptions", take_subscription},
    {"shared",
     "SELECT share_group, number, message, since_ms, for_good FROM shared "
     "ORDER BY share_group, number",
     take_shared},
    {"queue",
     "SELECT session, sequence, message, flags, ids, from_group, from_number FROM queue "
     "ORDER BY session, sequence",
     take_queued},
    {"fetched", "SELECT session, after FROM fetched", take_fetched},
    {"released", "SELECT session, sequence, place FROM released ORDER BY session, place",
     take_released},
    {"open_qos2", "SELECT session, packet_id FROM open_qos2", take_open_qos2},
    {"retained", "SELECT hash, frame FROM retained", take_retained},
};

static bool load_table(struct load *l, sqlite3 *db, const char *path, const struct table *t,
                       char *err, size_t errlen)
{
    sqlite3_stmt *row = NULL;
    int code = sqlite3_prepare_v2(db, t->sql, -1, &row, NULL);
    bool taken = true;
    while (code == SQLITE_OK && taken) {
        int step = sqlite3_step(row);
        if (step == SQLITE_DONE)
            break;
        if (step == SQLITE_ROW)
            taken = t->take(l, row);
        else
            code = step;
    }
    sqlite3_finalize(row);
    if (code != SQLITE_OK)
        file_schema_explain(db, path, code, err, errlen);
    else if (l->no_memory)
        snprintf(err, errlen, "store.file %s: no memory for what it holds", path);
    else if (!taken)
        snprintf(
            err, errlen,
            "store.file %s is damaged: a row of its table %s can't be right. Put a copy in its "
            "place (with its -wal file, if there is one), or move both away to begin without "
            "what they hold",
            path, t->name);
    return code == SQLITE_OK && taken && !l->no_memory;
}

/* ---- all of it ------------------------------------------------------------------------------- */

/* The store is as it was; what has changed by the restart itself is told to the journal. */
static void finish(struct load *l)
{
    l->journal->base.off = false;
    for (size_t i = 0; i < l->sessions.count; i++)
        memory_restore_done(l->sessions.items[i].object, l->sessions.items[i].connected);
    for (size_t i = 0; i < l->ended.count; i++)
        journal_shared_gone(&l->journal->base, l->ended.items[i].group, l->ended.items[i].number,
                            l->ended.items[i].object);
    l->loaded.share_ended = l->ended.count;
    for (size_t i = 0; i < l->messages.count; i++)
        file_journal_forget_unused(l->journal, l->messages.items[i].object);
}

static void free_numbers(struct load *l)
{
    for (size_t i = 0; i < l->messages.count; i++)
        message_unref(l->messages.items[i].object);
    free(l->messages.items);
    free(l->sessions.items);
    free(l->groups.items);
    free(l->ended.items);
}

int file_load_about(sqlite3 *db, struct file_about *out)
{
    sqlite3_stmt *row = NULL;
    int code = sqlite3_prepare_v2(db,
                                  "SELECT (SELECT value FROM about WHERE name = 'clock'),"
                                  " (SELECT value FROM about WHERE name = 'retained_key')",
                                  -1, &row, NULL);
    if (code == SQLITE_OK) {
        code = sqlite3_step(row);
        if (code == SQLITE_ROW && bytes_at(row, 1).len == sizeof(out->retained_key)) {
            out->clock_ms = number_at(row, 0);
            memcpy(out->retained_key, bytes_at(row, 1).data, sizeof(out->retained_key));
            code = SQLITE_OK;
        } else if (code == SQLITE_ROW) {
            code = SQLITE_CORRUPT;
        }
    }
    sqlite3_finalize(row);
    return code;
}

bool file_load(sqlite3 *db, const char *path, struct store_memory *s, struct file_journal *j,
               const struct store_host *host, struct file_loaded *out, char *err, size_t errlen)
{
    struct load l = {.store = s, .journal = j, .host = host};
    bool ok = true;
    for (size_t i = 0; ok && i < sizeof(tables) / sizeof(tables[0]); i++)
        ok = load_table(&l, db, path, &tables[i], err, errlen);
    if (ok)
        finish(&l);
    free_numbers(&l);
    *out = l.loaded;
    return ok;
}
