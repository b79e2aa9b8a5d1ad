/*
 * file_apply - a batch of records into the file, as one transaction.
 *
 * Ownership: keeps prepared statements of the connection; file_apply_fini before that is closed.
 * Threads:   the caller's; one at a time.
 */
#ifndef FLOTILLA_BROKER_STORE_FILE_FILE_APPLY_H
#define FLOTILLA_BROKER_STORE_FILE_FILE_APPLY_H

#include "broker/store/file/file_record.h"

#include <stdbool.h>
#include <stddef.h>

#include <sqlite3.h>

struct file_apply {
    sqlite3 *db;
    sqlite3_stmt *statements[RECORD_COUNT];
    sqlite3_stmt *begin, *commit, *rollback;
};

/* SQLITE_OK, or what SQLite says. */
int file_apply_init(struct file_apply *a, sqlite3 *db);
void file_apply_fini(struct file_apply *a);
/* All of it is on the disk, or (another code than SQLITE_OK) nothing is. */
int file_apply(struct file_apply *a, const void *records, size_t len);

#endif
