/* When batches go to the writer, and what their outcome means for calls. */
#include "broker/store/file/file_sync.h"

#include <stdio.h>

#include "broker/base/account.h"
#include "broker/store/file/file_writer.h"
#include "broker/store/file/store_file.h"
#include "common/base/clock.h"
#include "common/log/log.h"

enum { BATCH_EARLY = 8 << 20 }; /* bytes with which a batch of `second` doesn't wait longer */

uint64_t file_sync_newest(const struct store_file *f)
{
    return file_journal_is_empty(&f->journal) ? f->batch - 1 : f->batch;
}

uint64_t file_sync_pending(const struct store_file *f)
{
    return f->journal.batch.len + file_writer_bytes(f->writer);
}

bool file_sync_is_safe(const struct store_file *f)
{
    if (!file_waits_is_empty(&f->waits))
        return false;
    if (file_sync_newest(f) <= f->written && !f->lost)
        return true;
    if (f->always || f->failing || f->lost)
        return false;
    uint64_t oldest_ms = f->giving_ms != 0 ? f->giving_ms : f->since_ms;
    return oldest_ms == 0 || clock_monotonic_ms() - oldest_ms < SECOND_BEHIND_MS;
}

bool file_sync_refuses(const struct store_file *f)
{
    return f->lost || file_sync_pending(f) >= 2 * (uint64_t)BYTES_MOST;
}

static void note_failure(struct store_file *f, int code)
{
    metric_add(f->metrics.errors, 1);
    metric_set(f->metrics.failing, 1);
    snprintf(f->trouble, sizeof(f->trouble),
             "the store's file can't be written (%s): nothing is acknowledged until it can",
             sqlite3_errstr(code & 0xff));
    if (!f->failing)
        LOG_ERROR("store_failed", KV_STR("err", sqlite3_errstr(code & 0xff)),
                  KV_UINT("code", (uint64_t)code), KV_UINT("waiting_bytes", file_sync_pending(f)),
                  KV_STR("hint",
                         "make room on the disk, or mend it: it is tried again each second; "
                         "clients aren't answered meanwhile"));
    f->failing = true;
}

void file_sync_written(void *arg, int code, uint64_t took_us)
{
    struct store_file *f = arg;
    if (code != SQLITE_OK) {
        note_failure(f, code);
        return;
    }
    if (f->failing)
        LOG_INFO("store_recovered", KV_UINT("waiting_bytes", file_sync_pending(f)));
    f->failing = false;
    metric_set(f->metrics.failing, 0);
    metric_observe(f->metrics.commit, (double)took_us / 1e6);
    f->written = f->batch - 1;
    f->giving_ms = 0;
}

static void note_lost(struct store_file *f)
{
    if (!f->lost)
        LOG_ERROR("no_memory", KV_STR("where", "store"),
                  KV_STR("effect", "nothing durable is acknowledged any more; restart the broker"));
    f->lost = true;
    snprintf(f->trouble, sizeof(f->trouble),
             "there was no memory for the store's changes: restart the broker");
}

static bool is_due(const struct store_file *f, uint64_t now_ms)
{
    return f->always || f->shutdown_done != NULL || !file_waits_is_empty(&f->waits) ||
           f->journal.batch.len >= BATCH_EARLY || now_ms - f->since_ms >= SECOND_EVERY_MS;
}

static void give(struct store_file *f)
{
    file_journal_take(&f->journal, &f->spare);
    if (f->spare.failed) {
        note_lost(f);
        return;
    }
    metric_add(f->metrics.bytes, f->spare.len);
    f->giving_ms = f->since_ms;
    f->since_ms = 0;
    f->batch++;
    file_writer_give(f->writer, &f->spare);
}

void file_sync_flush(struct store_file *f)
{
    bool empty = file_journal_is_empty(&f->journal);
    if (f->journal.batch.failed)
        note_lost(f);
    if (f->lost || (empty && !file_writer_is_busy(f->writer)))
        return;
    uint64_t now = clock_monotonic_ms();
    if (!empty && f->since_ms == 0)
        f->since_ms = now;
    file_writer_retry(f->writer, now);
    if (!empty && !file_writer_is_busy(f->writer) && is_due(f, now))
        give(f);
    metric_set(f->metrics.waiting, (int64_t)file_sync_pending(f));
    account_set(ACCOUNT_STORE, file_sync_pending(f));
}
