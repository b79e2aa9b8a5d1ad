/*
 * The rows of a store's file, made from records as the broker writes them, but by the fuzzer: they are loaded or refused,
 * and what is loaded works for a while.
 */
#include <stdlib.h>
#include <string.h>

#include "broker/base/broker_stats.h"
#include "broker/store/file/file_apply.h"
#include "broker/store/file/file_journal.h"
#include "broker/store/file/file_load.h"
#include "broker/store/file/file_schema.h"
#include "broker/store/memory_sessions.h"
#include "common/base/timebox.h"
#include "common/log/log.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool on_share_wake(void *arg, struct mqtt_slice filter, uint32_t messages)
{
    (void)arg, (void)filter, (void)messages;
    return false;
}

static void on_client(void *arg, struct mqtt_slice client_id)
{
    (void)arg, (void)client_id;
}

static void on_will(void *arg, struct message *m, store_done_fn *done, void *done_arg)
{
    (void)arg, (void)m;
    done(done_arg, STORE_OK);
}

static void on_subscribed(void *arg, struct mqtt_slice client_id,
                          const struct store_subscription *s)
{
    (void)arg, (void)client_id, (void)s;
}

static const struct store_host host = {.publish_will = on_will,
                                       .wake = on_client,
                                       .share_wake = on_share_wake,
                                       .durable_subscribed = on_subscribed,
                                       .durable_ended = on_client};

/* A queue with a few wide holes takes more memory than a fuzzer may have. */
static bool is_small(sqlite3 *db)
{
    static const char sql[] =
        "SELECT max(w) FROM (SELECT max(sequence) - min(sequence) AS w FROM queue"
        " GROUP BY session UNION ALL SELECT max(after) FROM fetched)";
    sqlite3_stmt *row = NULL;
    bool small = sqlite3_prepare_v2(db, sql, -1, &row, NULL) == SQLITE_OK &&
                 sqlite3_step(row) == SQLITE_ROW && sqlite3_column_int64(row, 0) >= 0 &&
                 sqlite3_column_int64(row, 0) < 100000;
    sqlite3_finalize(row);
    return small;
}

static void load(sqlite3 *db)
{
    struct broker_stats stats = {0};
    struct file_journal journal;
    struct file_loaded loaded;
    char err[512];
    if (!file_journal_init(&journal))
        abort();
    struct store_memory_config config = {.hash_key = 1,
                                         .queue_limit = 1000,
                                         .queue_limit_bytes = 1 << 20,
                                         .redispatch_after_ms = 1000,
                                         .retained_limit = 1000,
                                         .stats = &stats,
                                         .journal = &journal.base,
                                         .clock_ms = 1700000000000};
    journal.clock_ms = config.clock_ms;
    struct store *store = store_memory_new(&config, &host);
    if (store == NULL)
        abort();
    if (file_load(db, "fuzzed", (struct store_memory *)store, &journal, &host, &loaded, err,
                  sizeof(err))) {
        struct timebox box;
        timebox_open(&box, 100000);
        store_input(store, &box);
    }
    journal.base.off = true;
    store_free(store);
    file_journal_fini(&journal);
}

/* One database for all inputs: to make its tables takes longer than what follows. */
static void open_database(sqlite3 **db, struct file_apply *apply)
{
    log_init("fuzz", LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
    if (sqlite3_open(":memory:", db) != SQLITE_OK || file_schema_fill(*db) != SQLITE_OK ||
        file_apply_init(apply, *db) != SQLITE_OK)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static sqlite3 *db;
    static struct file_apply apply;
    if (db == NULL)
        open_database(&db, &apply);
    if (sqlite3_exec(db,
                     "DELETE FROM sessions; DELETE FROM subscriptions; DELETE FROM messages;"
                     "DELETE FROM queue; DELETE FROM fetched; DELETE FROM released;"
                     "DELETE FROM open_qos2; DELETE FROM retained; DELETE FROM share_groups;"
                     "DELETE FROM shared",
                     NULL, NULL, NULL) != SQLITE_OK)
        abort();
    if (file_apply(&apply, data, size) == SQLITE_OK && is_small(db))
        load(db);
    return 0;
}
