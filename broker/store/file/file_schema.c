/* Makes and opens the file. file_load.c reads it then, file_apply.c writes it. */
#include "broker/store/file/file_schema.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Frames are those of fleet_frame.h; times are milliseconds since 1970 by the store's clock, as messages' expiries are.
 * A retained value is found by a hash of its topic with the key in `about`, so that the topic is stored once. */
static const char schema[] =
    "BEGIN;"
    "CREATE TABLE about(name TEXT PRIMARY KEY, value) WITHOUT ROWID;"
    "CREATE TABLE sessions(number INTEGER PRIMARY KEY, client BLOB NOT NULL, user BLOB,"
    " flags INTEGER NOT NULL, expiry_s INTEGER NOT NULL, expires_ms INTEGER NOT NULL, will BLOB,"
    " will_delay_s INTEGER NOT NULL, will_due_ms INTEGER NOT NULL);"
    "CREATE TABLE subscriptions(session INTEGER NOT NULL, filter BLOB NOT NULL, options BLOB NOT "
    "NULL,"
    " PRIMARY KEY(session, filter)) WITHOUT ROWID;"
    "CREATE TABLE messages(number INTEGER PRIMARY KEY, frame BLOB NOT NULL);"
    "CREATE TABLE queue(session INTEGER NOT NULL, sequence INTEGER NOT NULL, message INTEGER NOT "
    "NULL,"
    " flags INTEGER NOT NULL, ids BLOB NOT NULL, from_group INTEGER NOT NULL,"
    " from_number INTEGER NOT NULL, PRIMARY KEY(session, sequence)) WITHOUT ROWID;"
    "CREATE TABLE fetched(session INTEGER PRIMARY KEY, after INTEGER NOT NULL);"
    "CREATE TABLE released(session INTEGER NOT NULL, sequence INTEGER NOT NULL, place INTEGER NOT "
    "NULL,"
    " PRIMARY KEY(session, sequence)) WITHOUT ROWID;"
    "CREATE TABLE open_qos2(session INTEGER NOT NULL, packet_id INTEGER NOT NULL,"
    " PRIMARY KEY(session, packet_id)) WITHOUT ROWID;"
    "CREATE TABLE retained(hash INTEGER PRIMARY KEY, frame BLOB NOT NULL);"
    "CREATE TABLE share_groups(number INTEGER PRIMARY KEY, filter BLOB NOT NULL);"
    "CREATE TABLE shared(share_group INTEGER NOT NULL, number INTEGER NOT NULL, message INTEGER "
    "NOT NULL,"
    " since_ms INTEGER NOT NULL, for_good INTEGER NOT NULL, PRIMARY KEY(share_group, number)) "
    "WITHOUT ROWID;"
    "INSERT INTO about VALUES('clock', 0);"
    "INSERT INTO about VALUES('retained_key', randomblob(16));"
    "COMMIT;";

static bool fail(char *err, size_t errlen, const char *path, const char *what)
{
    snprintf(err, errlen, "store.file %s: %s", path, what);
    return false;
}

void file_schema_explain(sqlite3 *db, const char *path, int code, char *err, size_t errlen)
{
    const char *said = db != NULL ? sqlite3_errmsg(db) : sqlite3_errstr(code);
    switch (code & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        snprintf(err, errlen,
                 "store.file %s is in use: another broker, or another program, has it open. Each "
                 "broker needs a file of its own",
                 path);
        return;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        snprintf(err, errlen,
                 "store.file %s is damaged (%s). Put a copy in its place (with its -wal file, if "
                 "there is one), or move both away to begin without what they hold",
                 path, said);
        return;
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
    case SQLITE_READONLY:
        snprintf(
            err, errlen,
            "store.file %s can't be opened for writing (%s): this user needs to write the file "
            "and its folder",
            path, said);
        return;
    case SQLITE_FULL:
        snprintf(err, errlen, "store.file %s can't be written: the disk is full", path);
        return;
    default:
        snprintf(err, errlen, "store.file %s: %s", path, said);
    }
}

static int exec(sqlite3 *db, const char *sql)
{
    return sqlite3_exec(db, sql, NULL, NULL, NULL);
}

/* ---- a new one ------------------------------------------------------------------------------- */

int file_schema_fill(sqlite3 *db)
{
    char pragmas[128];
    snprintf(pragmas, sizeof(pragmas),
             "PRAGMA synchronous=FULL; PRAGMA application_id=%d; PRAGMA user_version=%d;",
             (int)FILE_APPLICATION, (int)FILE_VERSION);
    int code = exec(db, pragmas);
    return code == SQLITE_OK ? exec(db, schema) : code;
}

static bool write_new(const char *begun, const char *path, char *err, size_t errlen)
{
    sqlite3 *db = NULL;
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    int code = sqlite3_open_v2(begun, &db, flags, NULL);
    if (code == SQLITE_OK)
        code = file_schema_fill(db);
    if (code != SQLITE_OK)
        file_schema_explain(db, path, code, err, errlen);
    sqlite3_close(db);
    if (code == SQLITE_OK && chmod(begun, 0600) != 0)
        return fail(err, errlen, path, strerror(errno));
    return code == SQLITE_OK;
}

/* So that the file's name is on the disk, too. */
static void sync_folder(const char *path)
{
    char copy[4096];
    snprintf(copy, sizeof(copy), "%s", path);
    int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return;
    fsync(fd);
    close(fd);
}

/* Under another name first: a file of the right name is whole, whenever the process ends. If another broker is faster,
 * its file is taken. */
static bool create(const char *path, char *err, size_t errlen)
{
    char begun[4096];
    int len = snprintf(begun, sizeof(begun), "%s.new.%ld", path, (long)getpid());
    if (len < 0 || (size_t)len >= sizeof(begun))
        return fail(err, errlen, path, "the name is too long");
    unlink(begun);
    bool written = write_new(begun, path, err, errlen);
    if (written && link(begun, path) != 0 && errno != EEXIST)
        written = fail(err, errlen, path, strerror(errno));
    unlink(begun);
    sync_folder(path);
    return written;
}

/* ---- one that is there ----------------------------------------------------------------------- */

static bool is_there(const char *path, const struct stat *st, char *err, size_t errlen)
{
    if (!S_ISREG(st->st_mode))
        return fail(err, errlen, path, "isn't a regular file");
    if (st->st_size == 0)
        return fail(err, errlen, path,
                    "is empty, which a store never is. Put a copy in its place, or remove it to "
                    "begin without what it held");
    return true;
}

static int read_number(sqlite3 *db, const char *sql, sqlite3_int64 *out)
{
    sqlite3_stmt *stmt = NULL;
    int code = sqlite3_prepare_v2(db, sql, -1, &stmt, NULL);
    if (code == SQLITE_OK && sqlite3_step(stmt) == SQLITE_ROW)
        *out = sqlite3_column_int64(stmt, 0);
    int ended = sqlite3_finalize(stmt);
    return code != SQLITE_OK ? code : ended;
}

static bool is_ours(sqlite3 *db, const char *path, char *err, size_t errlen)
{
    sqlite3_int64 application = 0;
    sqlite3_int64 version = 0;
    int code = read_number(db, "PRAGMA application_id", &application);
    if (code == SQLITE_OK)
        code = read_number(db, "PRAGMA user_version", &version);
    if (code != SQLITE_OK) {
        file_schema_explain(db, path, code, err, errlen);
        return false;
    }
    if (application != FILE_APPLICATION)
        return fail(err, errlen, path,
                    "is another program's database. Name a file that isn't there yet");
    if (version == FILE_VERSION)
        return true;
    snprintf(
        err, errlen,
        "store.file %s was written by another version of flotilla-broker (layout %lld, this one "
        "reads %d). Run that version, or name another file",
        path, (long long)version, FILE_VERSION);
    return false;
}

/* The tables are whole as far as SQLite can tell. */
static int quick_check(sqlite3 *db)
{
    sqlite3_stmt *stmt = NULL;
    int code = sqlite3_prepare_v2(db, "PRAGMA quick_check(1)", -1, &stmt, NULL);
    if (code == SQLITE_OK) {
        code = sqlite3_step(stmt);
        if (code == SQLITE_ROW) {
            const char *said = (const char *)sqlite3_column_text(stmt, 0);
            code = said != NULL && strcmp(said, "ok") == 0 ? SQLITE_OK : SQLITE_CORRUPT;
        }
    }
    int ended = sqlite3_finalize(stmt);
    return code == SQLITE_OK ? ended : code;
}

/* The first access takes the lock, the first write shows that it can be written. */
static bool prepare(sqlite3 *db, const char *path, char *err, size_t errlen)
{
    int code = exec(db, "PRAGMA locking_mode=EXCLUSIVE");
    if (code == SQLITE_OK && !is_ours(db, path, err, errlen))
        return false;
    if (code == SQLITE_OK)
        code = exec(db, "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
                        "PRAGMA cache_size=-8192; PRAGMA wal_autocheckpoint=2000; PRAGMA "
                        "journal_size_limit=67108864;"
                        "BEGIN IMMEDIATE;"
                        "UPDATE about SET value = value WHERE name = 'clock';"
                        "COMMIT");
    if (code == SQLITE_OK)
        code = quick_check(db);
    if (code != SQLITE_OK)
        file_schema_explain(code == SQLITE_CORRUPT ? NULL : db, path, code, err, errlen);
    return code == SQLITE_OK;
}

sqlite3 *file_schema_open(const char *path, char *err, size_t errlen)
{
    struct stat st;
    sqlite3 *db = NULL;
    if (stat(path, &st) != 0) {
        if (errno != ENOENT) {
            fail(err, errlen, path, strerror(errno));
            return NULL;
        }
        if (!create(path, err, errlen))
            return NULL;
    } else if (!is_there(path, &st, err, errlen)) {
        return NULL;
    }
    int code = sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
    if (code != SQLITE_OK)
        file_schema_explain(db, path, code, err, errlen);
    else if (prepare(db, path, err, errlen))
        return db;
    sqlite3_close(db);
    return NULL;
}

bool file_schema_check_path(const char *path, char *err, size_t errlen)
{
    struct stat st;
    char copy[4096];
    if (stat(path, &st) == 0) {
        if (!is_there(path, &st, err, errlen))
            return false;
        if (access(path, R_OK | W_OK) != 0)
            return fail(err, errlen, path, strerror(errno));
    } else if (errno != ENOENT) {
        return fail(err, errlen, path, strerror(errno));
    }
    int len = snprintf(copy, sizeof(copy), "%s", path);
    if (len < 0 || (size_t)len >= sizeof(copy))
        return fail(err, errlen, path, "the name is too long");
    if (access(dirname(copy), W_OK | X_OK) == 0)
        return true;
    snprintf(err, errlen, "store.file %s: its folder can't be written: %s", path, strerror(errno));
    return false;
}
