/* From the file to a store that is ready, and its end. file_calls.c has its functions. */
#include "broker/store/file/store_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include "broker/base/broker_config.h"
#include "broker/store/file/file_load.h"
#include "broker/store/file/file_schema.h"
#include "broker/store/file/file_sync.h"
#include "broker/store/file/file_writer.h"
#include "broker/store/memory_sessions.h"
#include "common/base/clock.h"
#include "common/log/log.h"

static void on_again(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    (void)arg; /* the turn that follows does it */
}

/* The wall clock, but never before the last transaction: a machine may start without knowing the time. */
static uint64_t clock_ahead_ms(const struct file_about *about)
{
    uint64_t now = clock_realtime_ms();
    if (now < about->clock_ms)
        now = about->clock_ms;
    return now - clock_boottime_ms();
}

static bool make_parts(struct store_file *f, struct event_base *base, struct metrics *metrics)
{
    f->again = event_new(base, -1, 0, on_again, NULL);
    return f->again != NULL && file_metrics_init(&f->metrics, metrics) &&
           file_journal_init(&f->journal);
}

/* The memory store, with what the file has. */
static bool load(struct store_file *f, sqlite3 *db, const struct store_file_config *cfg, char *err,
                 size_t errlen)
{
    struct store_memory_config memory = cfg->memory;
    struct file_about about;
    struct file_loaded loaded;
    uint64_t began_ms = clock_monotonic_ms();
    int code = file_load_about(db, &about);
    if (code != SQLITE_OK) {
        file_schema_explain(NULL, cfg->path, code, err, errlen);
        return false;
    }
    f->journal.clock_ms = clock_ahead_ms(&about);
    memcpy(f->journal.retained_key, about.retained_key, sizeof(about.retained_key));
    memory.journal = &f->journal.base;
    memory.clock_ms = f->journal.clock_ms;
    f->memory = (struct store_memory *)store_memory_new(&memory, &f->host);
    if (f->memory == NULL)
        return false;
    file_waits_init(&f->waits, f->memory, &f->host);
    if (!file_load(db, cfg->path, f->memory, &f->journal, &f->host, &loaded, err, errlen))
        return false;
    LOG_INFO("store_loaded", KV_STR("file", cfg->path), KV_UINT("sessions", loaded.sessions),
             KV_UINT("subscriptions", loaded.subscriptions), KV_UINT("messages", loaded.messages),
             KV_UINT("retained", loaded.retained), KV_UINT("share_ended", loaded.share_ended),
             KV_UINT("took_ms", clock_monotonic_ms() - began_ms));
    return true;
}

struct store *store_file_new(struct event_base *base, const struct store_file_config *cfg,
                             const struct store_host *host, struct metrics *metrics, char *err,
                             size_t errlen)
{
    struct store_file *f = calloc(1, sizeof(*f));
    snprintf(err, errlen, "out of memory");
    if (f == NULL)
        return NULL;
    f->base.ops = &store_file_ops;
    f->host = *host;
    f->stats = cfg->memory.stats;
    f->always = cfg->sync == STORE_SYNC_ALWAYS;
    f->batch = 1;
    if (!make_parts(f, base, metrics)) {
        store_file_free(&f->base);
        return NULL;
    }
    sqlite3 *db = file_schema_open(cfg->path, err, errlen);
    if (db == NULL || !load(f, db, cfg, err, errlen)) {
        sqlite3_close(db);
        store_file_free(&f->base);
        return NULL;
    }
    struct file_writer_host writer = {.arg = f, .written = file_sync_written};
    f->writer = file_writer_new(base, db, &writer);
    if (f->writer == NULL) {
        snprintf(err, errlen, "no thread for the store's file");
        store_file_free(&f->base);
        return NULL;
    }
    return &f->base;
}

void store_file_free(struct store *store)
{
    struct store_file *f = (struct store_file *)store;
    if (f->writer != NULL && !f->lost && !file_writer_finish(f->writer, &f->journal.batch))
        LOG_ERROR("store_unwritten", KV_UINT("bytes", file_sync_pending(f)),
                  KV_STR("effect", "what wasn't acknowledged is lost"));
    if (f->memory != NULL)
        file_waits_fail(&f->waits);
    f->journal.base.off = true;
    if (f->memory != NULL)
        store_free(&f->memory->base);
    file_writer_free(f->writer);
    file_journal_fini(&f->journal);
    fleet_bytes_fini(&f->spare);
    file_metrics_fini(&f->metrics);
    if (f->again != NULL)
        event_free(f->again);
    free(f);
}
