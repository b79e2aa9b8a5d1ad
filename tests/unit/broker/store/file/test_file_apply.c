/* file_journal's records in file_apply's statements: what rows they leave, and that a batch is all or nothing. */
#include "broker/store/file/file_apply.h"

#include "broker/store/file/file_journal.h"
#include "broker/store/file/file_schema.h"
#include "broker/store/share_queue.h"
#include "tests/unit/broker/store/file/file_bed.h"

struct table {
    struct file_bed *bed;
    sqlite3 *db;
    struct file_apply apply;
    struct file_journal journal;
    struct fleet_bytes batch;
};

static void open_table(struct table *t, struct file_bed *b)
{
    *t = (struct table){.bed = b};
    t->db = file_schema_open(b->path, b->err, sizeof(b->err));
    assert_non_null(t->db);
    assert_int_equal(file_apply_init(&t->apply, t->db), SQLITE_OK);
    assert_true(file_journal_init(&t->journal));
    t->journal.base.off = false;
}

static void close_table(struct table *t)
{
    file_apply_fini(&t->apply);
    sqlite3_close(t->db);
    file_journal_fini(&t->journal);
    fleet_bytes_fini(&t->batch);
}

static void apply(struct table *t)
{
    file_journal_take(&t->journal, &t->batch);
    assert_int_equal(file_apply(&t->apply, t->batch.data, t->batch.len), SQLITE_OK);
}

static int64_t count(const struct table *t, const char *sql)
{
    sqlite3_stmt *row;
    assert_int_equal(sqlite3_prepare_v2(t->db, sql, -1, &row, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(row), SQLITE_ROW);
    int64_t n = sqlite3_column_int64(row, 0);
    sqlite3_finalize(row);
    return n;
}

static int64_t rows(const struct table *t, const char *table)
{
    char sql[128];
    snprintf(sql, sizeof(sql), "SELECT count(*) FROM %s", table);
    return count(t, sql);
}

static void queue(struct table *t, uint64_t session, uint64_t sequence, const struct message *m)
{
    struct journal_entry e = {.session = session, .sequence = sequence, .message = m, .qos = 1};
    journal_queued(&t->journal.base, &e);
}

static void a_message_of_many_queues_is_one_row_until_the_last_has_gone(void **state)
{
    struct table t;
    struct message *m = bed_message("t", "1", false);
    open_table(&t, *state);
    for (uint64_t session = 1; session <= 3; session++)
        queue(&t, session, 1, m);
    apply(&t);
    assert_int_equal(rows(&t, "messages"), 1);
    assert_int_equal(rows(&t, "queue"), 3);
    journal_unqueued(&t.journal.base, 1, 1, m);
    journal_session_emptied(&t.journal.base, 2);
    journal_unqueued(&t.journal.base, 0, 1, m); /* of the second, later */
    apply(&t);
    assert_int_equal(rows(&t, "messages"), 1);
    assert_int_equal(rows(&t, "queue"), 1);
    journal_unqueued(&t.journal.base, 3, 1, m);
    apply(&t);
    assert_int_equal(rows(&t, "messages"), 0);
    assert_int_equal(rows(&t, "queue"), 0);
    message_unref(m);
    close_table(&t);
}

static void an_emptied_session_has_no_rows_but_its_own(void **state)
{
    struct table t;
    struct message *m = bed_message("t", "1", false);
    struct journal_session s = {.number = 5, .client_id = bed_text("c"), .durable = true};
    struct store_subscription sub = {.filter = bed_text("a"), .qos = 1};
    static const char *const tables[] = {"subscriptions", "queue", "fetched", "released",
                                         "open_qos2"};
    open_table(&t, *state);
    journal_session(&t.journal.base, &s);
    journal_subscribed(&t.journal.base, 5, &sub);
    queue(&t, 5, 1, m);
    journal_sent(&t.journal.base, 5, 2);
    journal_released(&t.journal.base, 5, 1);
    journal_qos2_opened(&t.journal.base, 5, 9);
    apply(&t);
    for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
        assert_int_equal(rows(&t, tables[i]), 1);
    journal_session_emptied(&t.journal.base, 5);
    apply(&t);
    for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
        assert_int_equal(rows(&t, tables[i]), 0);
    assert_int_equal(rows(&t, "sessions"), 1);
    journal_session_gone(&t.journal.base, 5);
    apply(&t);
    assert_int_equal(rows(&t, "sessions"), 0);
    message_unref(m);
    close_table(&t);
}

static void each_change_is_undone_by_its_opposite(void **state)
{
    struct table t;
    struct message *m = bed_message("t", "1", true);
    struct store_subscription sub = {.filter = bed_text("a"), .qos = 1};
    struct share_entry e = {.message = m, .number = 4, .since_ms = 1};
    open_table(&t, *state);
    journal_subscribed(&t.journal.base, 1, &sub);
    journal_released(&t.journal.base, 1, 3);
    journal_qos2_opened(&t.journal.base, 1, 65535);
    journal_retained(&t.journal.base, m);
    journal_group(&t.journal.base, 2, bed_text("$share/g/t"));
    journal_shared(&t.journal.base, 2, &e);
    journal_shared_taken(&t.journal.base, 2, 4, true);
    apply(&t);
    assert_int_equal(count(&t, "SELECT for_good FROM shared WHERE number = 4"), 1);
    assert_int_equal(rows(&t, "retained"), 1);
    journal_unsubscribed(&t.journal.base, 1, sub.filter);
    journal_completed(&t.journal.base, 1, 3);
    journal_qos2_closed(&t.journal.base, 1, 65535);
    journal_retained_gone(&t.journal.base, m->topic);
    journal_shared_gone(&t.journal.base, 2, 4, m);
    journal_group_gone(&t.journal.base, 2);
    apply(&t);
    static const char *const tables[] = {"subscriptions", "released", "open_qos2",   "retained",
                                         "shared",        "messages", "share_groups"};
    for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
        assert_int_equal(rows(&t, tables[i]), 0);
    message_unref(m);
    close_table(&t);
}

static void a_batch_that_fails_leaves_nothing(void **state)
{
    struct table t;
    struct message *m = bed_message("t", "1", true);
    open_table(&t, *state);
    journal_retained(&t.journal.base, m);
    file_journal_take(&t.journal, &t.batch);
    fleet_bytes_u8(&t.batch, RECORD_COUNT);
    assert_int_not_equal(file_apply(&t.apply, t.batch.data, t.batch.len), SQLITE_OK);
    assert_int_equal(rows(&t, "retained"), 0);
    assert_int_not_equal(file_apply(&t.apply, t.batch.data, t.batch.len - 9), SQLITE_OK);
    assert_int_equal(rows(&t, "retained"), 0);
    assert_int_equal(file_apply(&t.apply, t.batch.data, t.batch.len - 1), SQLITE_OK);
    assert_int_equal(rows(&t, "retained"), 1);
    message_unref(m);
    close_table(&t);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, bed_set_up, bed_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_message_of_many_queues_is_one_row_until_the_last_has_gone),
        TEST(an_emptied_session_has_no_rows_but_its_own),
        TEST(each_change_is_undone_by_its_opposite),
        TEST(a_batch_that_fails_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
