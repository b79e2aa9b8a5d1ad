/*
 * file_sync - how far the file is: which changes are on the disk, and whether a call may complete.
 *
 * Data flow: store_file.c asks per call, and flushes once per turn; the writer tells the outcome of each batch.
 * Batches:   are numbered from 1. One is gathered (`batch`), at most one is the writer's (`batch` - 1), all up to
 *            `written` are on the disk.
 */
#ifndef FLOTILLA_BROKER_STORE_FILE_FILE_SYNC_H
#define FLOTILLA_BROKER_STORE_FILE_FILE_SYNC_H

#include <stdbool.h>
#include <stdint.h>

struct store_file;

/* The batch that has the newest change. */
uint64_t file_sync_newest(const struct store_file *f);
/* Bytes that aren't on the disk. */
uint64_t file_sync_pending(const struct store_file *f);
/* A call that comes now may complete before it returns. */
bool file_sync_is_safe(const struct store_file *f);
/* So much isn't written that nothing may add to it. */
bool file_sync_refuses(const struct store_file *f);
/* Last in a turn: gives the writer what is due. */
void file_sync_flush(struct store_file *f);
/* As struct file_writer_host has it; `arg` is the store_file. */
void file_sync_written(void *arg, int code, uint64_t took_us);

#endif
