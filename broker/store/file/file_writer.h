/*
 * file_writer - writes one batch after another in a thread of its own, so that no turn of the loop waits for a disk.
 *
 * Data flow: store_file.c gives a batch when the writer is idle; `written` is called in the loop's thread once it is on
 *            the disk. What comes meanwhile is one batch again: so the slower the disk, the larger the transactions.
 * Errors:    a batch that can't be written (disk full, I/O error) stays, whole, and is tried again each second; `failing`
 *            says why meanwhile. Nothing is lost, and nothing counts as written.
 * Ownership: takes the connection; file_writer_free waits for what has begun, then closes it.
 */
#ifndef FLOTILLA_BROKER_STORE_FILE_FILE_WRITER_H
#define FLOTILLA_BROKER_STORE_FILE_FILE_WRITER_H

#include <stdbool.h>
#include <stdint.h>

#include <sqlite3.h>

struct event_base;
struct file_writer;
struct fleet_bytes;

struct file_writer_host {
    void *arg;
    /* In the loop's thread. `code`: SQLITE_OK, or why the batch isn't written yet. */
    void (*written)(void *arg, int code, uint64_t took_us);
};

/* NULL: out of memory, or no thread; the connection is closed. */
struct file_writer *file_writer_new(struct event_base *base, sqlite3 *db,
                                    const struct file_writer_host *host);
/* A batch that isn't written yet is dropped, unless file_writer_finish came before. */
void file_writer_free(struct file_writer *w);

/* It has a batch. */
bool file_writer_is_busy(const struct file_writer *w);
/* Bytes of it. */
uint64_t file_writer_bytes(const struct file_writer *w);
/* While it is idle: swaps the batch for the memory of the last one. */
void file_writer_give(struct file_writer *w, struct fleet_bytes *batch);
/* Tries again what failed, once a second has passed since. */
void file_writer_retry(struct file_writer *w, uint64_t now_ms);
/* The end: waits for what has begun, and writes what is left in the caller's thread, this last batch after it. The host
 * isn't told any more. False: it can't be written. */
bool file_writer_finish(struct file_writer *w, const struct fleet_bytes *last);

#endif
