/*
 * file_load - what the file holds, into a new memory store, before anybody is let in.
 *
 * Data flow: file_schema.c has opened the file; each table is read once, in order of its key; memory_restore.h takes the
 *            rows, and struct store_host.durable_subscribed the subscriptions. Messages that the file has for nobody, and
 *            what ended with the process, become records of the journal's first batch.
 * Cost:      a million retained values take two to three seconds, nearly all of it in the tree of topics.
 * Errors:    a row that can't be right means that the file is damaged: a sentence that says where. Nothing is written
 *            then.
 */
#ifndef FLOTILLA_BROKER_STORE_FILE_FILE_LOAD_H
#define FLOTILLA_BROKER_STORE_FILE_FILE_LOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sqlite3.h>

struct file_journal;
struct store_host;
struct store_memory;

/* What the store needs before there is one. SQLITE_OK, or what SQLite says. */
struct file_about {
    uint64_t clock_ms; /* of the last transaction */
    uint8_t retained_key[16];
};
int file_load_about(sqlite3 *db, struct file_about *out);

struct file_loaded {
    uint64_t sessions, subscriptions, messages, retained;
    uint64_t share_ended; /* messages of groups that ended with their member's connection */
};
/* `path`: for the sentence in err. Turns the journal on at the end. */
bool file_load(sqlite3 *db, const char *path, struct store_memory *s, struct file_journal *j,
               const struct store_host *host, struct file_loaded *out, char *err, size_t errlen);

#endif
