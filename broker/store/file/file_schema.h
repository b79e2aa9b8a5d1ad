/*
 * file_schema - the store's file: an SQLite database with tables of its own layout, made if it isn't there, and opened by
 * one broker at a time.
 *
 * Layout:    the tables below; PRAGMA user_version is FILE_VERSION. Another version is refused: what it means isn't
 *            known here.
 * Lock:      SQLite's exclusive lock on the file, held until it is closed; it goes with the process, however that ends.
 * Threads:   a connection belongs to one thread at a time: the loop's until it has loaded, then the writer's.
 * Errors:    a sentence that says what to do. A damaged file, an empty one or another program's is never written to.
 */
#ifndef FLOTILLA_BROKER_STORE_FILE_FILE_SCHEMA_H
#define FLOTILLA_BROKER_STORE_FILE_FILE_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>

#include <sqlite3.h>

enum { FILE_VERSION = 1, FILE_APPLICATION = 0x466c6f74 /* "Flot" */ };

/* NULL with a sentence in err. */
sqlite3 *file_schema_open(const char *path, char *err, size_t errlen);
/* Makes the tables in an empty database. SQLITE_OK, or what SQLite says. */
int file_schema_fill(sqlite3 *db);
/* The sentence for what SQLite says about this file. */
void file_schema_explain(sqlite3 *db, const char *path, int code, char *err, size_t errlen);
/* For --check: whether the file is, or could be made, one that a broker may write. Opens nothing. */
bool file_schema_check_path(const char *path, char *err, size_t errlen);

#endif
