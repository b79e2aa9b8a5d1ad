/* A pool of one thread, and one piece of work that is submitted again and again. */
#include "broker/store/file/file_writer.h"

#include <stdlib.h>

#include "broker/fleet/wire/fleet_bytes.h"
#include "broker/store/file/file_apply.h"
#include "common/base/clock.h"
#include "common/process/work_pool.h"

enum { RETRY_MS = 1000, KEPT_BYTES = 1 << 20 };

struct file_writer {
    struct work work; /* first member */
    struct work_pool *pool;
    struct file_writer_host host;
    struct file_apply apply; /* the thread's while the work is submitted, as all that follows */
    struct fleet_bytes batch;
    int code;
    uint64_t took_us;
    bool busy;         /* it has a batch */
    bool submitted;    /* the thread has it */
    bool stopping;     /* the host isn't told any more */
    uint64_t retry_ms; /* CLOCK_MONOTONIC */
};

/* In the thread. */
static void run(struct work *work)
{
    struct file_writer *w = (struct file_writer *)work;
    uint64_t began_us = clock_monotonic_us();
    w->code = file_apply(&w->apply, w->batch.data, w->batch.len);
    w->took_us = clock_monotonic_us() - began_us;
}

static void done(struct work *work)
{
    struct file_writer *w = (struct file_writer *)work;
    w->submitted = false;
    if (!work->ran)
        w->code = SQLITE_ABORT;
    if (w->code == SQLITE_OK) {
        w->busy = false;
        fleet_bytes_reset(&w->batch, KEPT_BYTES);
    } else {
        w->retry_ms = clock_monotonic_ms() + RETRY_MS;
    }
    if (!w->stopping)
        w->host.written(w->host.arg, w->code, w->took_us);
}

static void submit(struct file_writer *w)
{
    w->submitted = true;
    work_pool_submit(w->pool, &w->work);
}

bool file_writer_is_busy(const struct file_writer *w)
{
    return w->busy;
}

uint64_t file_writer_bytes(const struct file_writer *w)
{
    return w->busy ? w->batch.len : 0; /* the thread only reads it */
}

void file_writer_give(struct file_writer *w, struct fleet_bytes *batch)
{
    struct fleet_bytes spare = w->batch;
    w->batch = *batch;
    *batch = spare;
    w->busy = true;
    submit(w);
}

void file_writer_retry(struct file_writer *w, uint64_t now_ms)
{
    if (w->busy && !w->submitted && now_ms >= w->retry_ms)
        submit(w);
}

static void stop(struct file_writer *w)
{
    w->stopping = true;
    work_pool_free(w->pool);
    w->pool = NULL;
}

bool file_writer_finish(struct file_writer *w, const struct fleet_bytes *last)
{
    stop(w);
    if (w->busy && file_apply(&w->apply, w->batch.data, w->batch.len) != SQLITE_OK)
        return false;
    w->busy = false;
    return last->len == 0 || file_apply(&w->apply, last->data, last->len) == SQLITE_OK;
}

struct file_writer *file_writer_new(struct event_base *base, sqlite3 *db,
                                    const struct file_writer_host *host)
{
    static const struct work_pool_config config = {.name = "store", .threads = 1};
    struct file_writer *w = calloc(1, sizeof(*w));
    if (w == NULL) {
        sqlite3_close(db);
        return NULL;
    }
    w->host = *host;
    w->work.run = run;
    w->work.done = done;
    w->apply.db = db;
    if (file_apply_init(&w->apply, db) == SQLITE_OK)
        w->pool = work_pool_new(base, &config);
    if (w->pool != NULL)
        return w;
    file_writer_free(w);
    return NULL;
}

void file_writer_free(struct file_writer *w)
{
    if (w == NULL)
        return;
    stop(w);
    sqlite3 *db = w->apply.db;
    file_apply_fini(&w->apply);
    sqlite3_close(db);
    fleet_bytes_fini(&w->batch);
    free(w);
}
