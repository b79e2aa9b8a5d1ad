/*
 * store_file - the store of a lone broker that keeps its state: the memory store decides everything, and what it changes
 * is written to an SQLite file by a thread of its own.
 *
 * Data flow: a call changes the memory store at once; file_journal.h gathers the changes; at the end of the turn they are
 *            one transaction (file_writer.h). At the start file_load.h reads the file before anybody is let in.
 * Promise:   `always`: a call completes when its changes, and those that it has seen, are on the disk. So what a client
 *            was told is there after a crash, and what it was sent isn't sent to it as new: nothing leaves the broker that
 *            the file doesn't know (but QoS 0, and messages to sessions that end with the connection).
 *            `second`: calls complete at once, and the file follows twice per second; while it is a second behind, or
 *            can't be written, they wait as with `always`.
 * Sequences: a session's are marked as fetched before its messages are sent, in blocks with `second`. After a crash they
 *            go on behind the mark, so that no packet id that its client still has means another message.
 * Bounds:    BYTES_MOST of changes that aren't written: publishers wait from then on (store_accepts). Twice as many: calls
 *            that would add to them fail with STORE_UNAVAILABLE, and retained values of QoS 0 are dropped (counted).
 * Trouble:   a full disk or an I/O error is named in the log and by /readyz, and counted; the batch is tried again each
 *            second. Nothing completes meanwhile, and no new clients are let in.
 */
#ifndef FLOTILLA_BROKER_STORE_FILE_STORE_FILE_H
#define FLOTILLA_BROKER_STORE_FILE_STORE_FILE_H

#include "broker/store/file/file_journal.h"
#include "broker/store/file/file_metrics.h"
#include "broker/store/file/file_waits.h"
#include "broker/store/store.h"

struct event;
struct file_writer;
struct store_memory;

enum {
    BYTES_MOST = 64 << 20,
    SECOND_EVERY_MS = 500,   /* between two batches of `second` */
    SECOND_BEHIND_MS = 1000, /* then its calls wait, too */
};

struct store_file {
    struct store base; /* first member */
    struct store_memory *memory;
    struct store_host host;
    struct broker_stats *stats;
    struct file_journal journal;
    struct fleet_bytes spare; /* memory for the next batch */
    struct file_writer *writer;
    struct file_waits waits;
    struct file_metrics metrics;
    struct event *again; /* makes the loop turn once more */
    bool always;
    uint64_t batch;     /* the number of the one that is gathered, from 1 */
    uint64_t written;   /* and of the last that is on the disk */
    uint64_t since_ms;  /* when the first change of what is gathered was seen; 0: there is none */
    uint64_t giving_ms; /* the same of the batch that the writer has; 0: it has none */
    bool failing;       /* the batch that the writer has can't be written */
    bool lost;          /* no memory for a change: the file can't go on */
    char trouble[256];
    store_done_fn *shutdown_done;
    void *shutdown_arg;
};

extern const struct store_ops store_file_ops;
/* Copes with a store that isn't whole. */
void store_file_free(struct store *store);

#endif
