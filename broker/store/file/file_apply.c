/* A statement for each kind of record. */
#include "broker/store/file/file_apply.h"

#include <string.h>

#include "broker/fleet/wire/fleet_bytes.h"

/* `fields`, in the order of the parameters: n is a number, b are bytes, o are bytes that may be missing. */
static const struct record_kind {
    const char *fields, *sql;
} kinds[RECORD_COUNT] = {
    [RECORD_CLOCK] = {"n", "UPDATE about SET value = ?1 WHERE name = 'clock'"},
    [RECORD_SESSION] = {"nbonnnonn", "REPLACE INTO sessions VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9)"},
    [RECORD_SESSION_GONE] = {"n", "DELETE FROM sessions WHERE number = ?1"},
    [RECORD_SUBSCRIBED] = {"nbb", "REPLACE INTO subscriptions VALUES(?1,?2,?3)"},
    [RECORD_UNSUBSCRIBED] = {"nb", "DELETE FROM subscriptions WHERE session = ?1 AND filter = ?2"},
    [RECORD_SUBSCRIPTIONS_GONE] = {"n", "DELETE FROM subscriptions WHERE session = ?1"},
    [RECORD_MESSAGE] = {"nb", "REPLACE INTO messages VALUES(?1,?2)"},
    [RECORD_MESSAGE_GONE] = {"n", "DELETE FROM messages WHERE number = ?1"},
    [RECORD_QUEUED] = {"nnnnbnn", "REPLACE INTO queue VALUES(?1,?2,?3,?4,?5,?6,?7)"},
    [RECORD_UNQUEUED] = {"nn", "DELETE FROM queue WHERE session = ?1 AND sequence = ?2"},
    [RECORD_QUEUE_GONE] = {"n", "DELETE FROM queue WHERE session = ?1"},
    [RECORD_FETCHED] = {"nn", "REPLACE INTO fetched VALUES(?1,?2)"},
    [RECORD_FETCHED_GONE] = {"n", "DELETE FROM fetched WHERE session = ?1"},
    [RECORD_RELEASED] = {"nnn", "REPLACE INTO released VALUES(?1,?2,?3)"},
    [RECORD_COMPLETED] = {"nn", "DELETE FROM released WHERE session = ?1 AND sequence = ?2"},
    [RECORD_RELEASED_GONE] = {"n", "DELETE FROM released WHERE session = ?1"},
    [RECORD_QOS2_OPENED] = {"nn", "REPLACE INTO open_qos2 VALUES(?1,?2)"},
    [RECORD_QOS2_CLOSED] = {"nn", "DELETE FROM open_qos2 WHERE session = ?1 AND packet_id = ?2"},
    [RECORD_QOS2_GONE] = {"n", "DELETE FROM open_qos2 WHERE session = ?1"},
    [RECORD_RETAINED] = {"nb", "REPLACE INTO retained VALUES(?1,?2)"},
    [RECORD_RETAINED_GONE] = {"n", "DELETE FROM retained WHERE hash = ?1"},
    [RECORD_GROUP] = {"nb", "REPLACE INTO share_groups VALUES(?1,?2)"},
    [RECORD_GROUP_GONE] = {"n", "DELETE FROM share_groups WHERE number = ?1"},
    [RECORD_SHARED] = {"nnnn", "REPLACE INTO shared VALUES(?1,?2,?3,?4,0)"},
    [RECORD_SHARED_TAKEN] = {"nnn", "UPDATE shared SET for_good = ?3"
                                    " WHERE share_group = ?1 AND number = ?2"},
    [RECORD_SHARED_GONE] = {"nn", "DELETE FROM shared WHERE share_group = ?1 AND number = ?2"},
};

static int prepare(sqlite3 *db, const char *sql, sqlite3_stmt **out)
{
    return sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, out, NULL);
}

int file_apply_init(struct file_apply *a, sqlite3 *db)
{
    *a = (struct file_apply){.db = db};
    int code = prepare(db, "BEGIN IMMEDIATE", &a->begin);
    if (code == SQLITE_OK)
        code = prepare(db, "COMMIT", &a->commit);
    if (code == SQLITE_OK)
        code = prepare(db, "ROLLBACK", &a->rollback);
    for (size_t i = 0; code == SQLITE_OK && i < RECORD_COUNT; i++)
        code = prepare(db, kinds[i].sql, &a->statements[i]);
    return code;
}

void file_apply_fini(struct file_apply *a)
{
    for (size_t i = 0; i < RECORD_COUNT; i++)
        sqlite3_finalize(a->statements[i]);
    sqlite3_finalize(a->begin);
    sqlite3_finalize(a->commit);
    sqlite3_finalize(a->rollback);
    memset(a, 0, sizeof(*a));
}

static int run(sqlite3_stmt *stmt)
{
    int code = sqlite3_step(stmt);
    int reset = sqlite3_reset(stmt);
    if (code == SQLITE_DONE || code == SQLITE_ROW)
        return reset;
    return code;
}

/* The bytes stay where they are until the statement has run. */
static int bind_bytes(sqlite3_stmt *stmt, int at, struct mqtt_slice s)
{
    return s.len > 0 ? sqlite3_bind_blob(stmt, at, s.data, (int)s.len, SQLITE_STATIC)
                     : sqlite3_bind_zeroblob(stmt, at, 0);
}

static int bind(sqlite3_stmt *stmt, int at, char field, struct fleet_reader *r)
{
    if (field == 'n')
        return sqlite3_bind_int64(stmt, at, (sqlite3_int64)fleet_reader_varint(r));
    if (field == 'o' && fleet_reader_u8(r) == 0)
        return sqlite3_bind_null(stmt, at);
    return bind_bytes(stmt, at, fleet_reader_slice(r));
}

static int apply_one(struct file_apply *a, struct fleet_reader *r)
{
    uint8_t kind = fleet_reader_u8(r);
    if (kind >= RECORD_COUNT)
        return SQLITE_INTERNAL;
    sqlite3_stmt *stmt = a->statements[kind];
    int code = SQLITE_OK;
    int at = 1;
    for (const char *field = kinds[kind].fields; *field != '\0' && code == SQLITE_OK; field++)
        code = bind(stmt, at++, *field, r);
    if (r->failed)
        return SQLITE_INTERNAL;
    return code == SQLITE_OK ? run(stmt) : code;
}

int file_apply(struct file_apply *a, const void *records, size_t len)
{
    struct fleet_reader r = fleet_reader_of(records, len);
    int code = run(a->begin);
    while (code == SQLITE_OK && fleet_reader_more(&r))
        code = apply_one(a, &r);
    if (code == SQLITE_OK)
        code = run(a->commit);
    if (code != SQLITE_OK && sqlite3_get_autocommit(a->db) == 0)
        (void)run(a->rollback);
    return code;
}
