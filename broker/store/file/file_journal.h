/*
 * file_journal - what the memory store tells of its changes (store/journal.h), gathered as records for the next
 * transaction.
 *
 * Data flow: the memory store's modules call the journal; at the end of a turn store_file.c takes the batch and gives it
 *            to the writer (file_writer.h).
 * Messages:  one that is in many queues is stored once. Its row goes with the last queue's entry, which is counted here.
 * Order:     a batch is a stretch of the changes, without a gap, and ends between two calls of the store. So the file
 *            always has what the memory store had at one moment.
 * Ownership: embedded. A message that is counted here is alive: a queue has it.
 * Errors:    out of memory: `batch.failed`, and from then on the file would lack something; see store_file.c.
 */
#ifndef FLOTILLA_BROKER_STORE_FILE_FILE_JOURNAL_H
#define FLOTILLA_BROKER_STORE_FILE_FILE_JOURNAL_H

#include "broker/fleet/wire/fleet_bytes.h"
#include "broker/store/journal.h"
#include "common/base/hash_table.h"

struct file_journal {
    struct journal base; /* first member */
    struct fleet_bytes batch, scratch;
    struct hash_table messages; /* stored ones, by address */
    uint64_t message_numbered;
    uint64_t place;           /* of what is released, in order */
    uint8_t retained_key[16]; /* values are found by a hash of their topics */
    uint64_t clock_ms;        /* the store's clock is so much ahead of CLOCK_BOOTTIME */
};

/* Off until its user turns it on. False: out of memory. */
bool file_journal_init(struct file_journal *j);
void file_journal_fini(struct file_journal *j);

/* A message that the file has under this number; nothing refers to it yet. False: out of memory. */
bool file_journal_know(struct file_journal *j, const struct message *m, uint64_t number);
/* One more entry of a queue has it. */
void file_journal_refer(struct file_journal *j, const struct message *m);
/* Removes one to which nothing refers. */
void file_journal_forget_unused(struct file_journal *j, const struct message *m);

/* Nothing is waiting to be taken. */
static inline bool file_journal_is_empty(const struct file_journal *j)
{
    return j->batch.len == 0;
}
/* Moves what is gathered into *out, and goes on with the memory of *out. */
void file_journal_take(struct file_journal *j, struct fleet_bytes *out);

#endif
