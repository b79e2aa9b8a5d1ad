/* file_schema: which files are opened, and what is said of those that aren't. */
#include "broker/store/file/file_schema.h"

#include <fcntl.h>

#include "tests/unit/broker/store/file/file_bed.h"

static void refused(struct file_bed *b, const char *why)
{
    assert_null(bed_try_open(b));
    if (strstr(b->err, why) == NULL)
        fail_msg("'%s' doesn't say '%s'", b->err, why);
    assert_non_null(strstr(b->err, b->path));
}

static void write_file(const char *path, const void *bytes, size_t len, off_t at)
{
    int fd = open(path, O_WRONLY | O_CREAT, 0600);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, bytes, len, at), (ssize_t)len);
    close(fd);
}

static void change(const struct file_bed *b, const char *sql)
{
    sqlite3 *db;
    assert_int_equal(sqlite3_open(b->path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

static void make_file(struct file_bed *b)
{
    bed_open(b);
    store_free(b->store);
    b->store = NULL;
}

static off_t size_of(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 ? st.st_size : -1;
}

static void a_new_file_is_its_owner_s_alone(void **state)
{
    struct file_bed *b = *state;
    struct stat st;
    make_file(b);
    assert_int_equal(stat(b->path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    bed_open(b);
}

static void two_stores_dont_share_a_file(void **state)
{
    struct file_bed *b = *state;
    bed_open(b);
    refused(b, "in use");
}

static void an_empty_file_isnt_begun_anew(void **state)
{
    struct file_bed *b = *state;
    write_file(b->path, "", 0, 0);
    refused(b, "is empty");
    assert_int_equal(size_of(b->path), 0);
}

static void a_file_of_something_else_is_left_alone(void **state)
{
    static const char text[] =
        "this is a letter, long enough to be taken for a database by its size";
    struct file_bed *b = *state;
    write_file(b->path, text, sizeof(text), 0);
    refused(b, "is damaged");
    assert_int_equal(size_of(b->path), sizeof(text));
    unlink(b->path);
    change(b, "CREATE TABLE letters(text)");
    refused(b, "another program's database");
}

static void another_version_is_refused(void **state)
{
    struct file_bed *b = *state;
    make_file(b);
    change(b, "PRAGMA user_version = 7");
    refused(b, "layout 7, this one reads 1");
}

static void a_damaged_file_is_refused(void **state)
{
    uint8_t noise[4096];
    struct file_bed *b = *state;
    make_file(b);
    memset(noise, 0xa5, sizeof(noise));
    write_file(b->path, noise, sizeof(noise), 3 * 4096);
    refused(b, "is damaged");
}

static void a_row_that_cant_be_right_is_refused_by_its_table(void **state)
{
    static const char *const rows[][2] = {
        {"INSERT INTO retained VALUES(1, x'00')", "retained"},
        {"INSERT INTO messages VALUES(1, x'ffff')", "messages"},
        {"INSERT INTO queue VALUES(9, 1, 1, 1, x'', 0, 0)", "queue"},
        {"INSERT INTO sessions VALUES(1, x'', NULL, 1, 0, 0, NULL, 0, 0)", "sessions"},
        {"INSERT INTO subscriptions VALUES(9, x'61', x'00')", "subscriptions"},
        {"INSERT INTO open_qos2 VALUES(9, 1)", "open_qos2"},
        {"INSERT INTO released VALUES(9, 1, 1)", "released"},
        {"INSERT INTO fetched VALUES(9, 1)", "fetched"},
        {"INSERT INTO share_groups VALUES(1, x'61')", "share_groups"},
        {"INSERT INTO shared VALUES(1, 1, 1, 0, 0)", "shared"}};
    struct file_bed *b = *state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char table[64];
        make_file(b);
        change(b, rows[i][0]);
        snprintf(table, sizeof(table), "a row of its table %s ", rows[i][1]);
        refused(b, table);
        unlink(b->path);
    }
}

static void a_folder_that_isnt_there_is_named(void **state)
{
    struct file_bed *b = *state;
    snprintf(b->path, sizeof(b->path), "%s/no/store.db", b->folder);
    refused(b, "can't be opened for writing");
    assert_false(file_schema_check_path(b->path, b->err, sizeof(b->err)));
    assert_non_null(strstr(b->err, "its folder can't be written"));
    assert_false(file_schema_check_path(b->folder, b->err, sizeof(b->err)));
    assert_non_null(strstr(b->err, "isn't a regular file"));
    snprintf(b->path, sizeof(b->path), "%s/store.db", b->folder);
    assert_true(file_schema_check_path(b->path, b->err, sizeof(b->err)));
    assert_int_equal(size_of(b->path), -1);
}

/* What a create that was interrupted left behind is in nobody's way. */
static void a_begun_file_is_made_again(void **state)
{
    struct file_bed *b = *state;
    char begun[160];
    snprintf(begun, sizeof(begun), "%s.new.%ld", b->path, (long)getpid());
    write_file(begun, "SQLite", 6, 0);
    make_file(b);
    assert_int_equal(size_of(begun), -1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, bed_set_up, bed_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_new_file_is_its_owner_s_alone),
        TEST(two_stores_dont_share_a_file),
        TEST(an_empty_file_isnt_begun_anew),
        TEST(a_file_of_something_else_is_left_alone),
        TEST(another_version_is_refused),
        TEST(a_damaged_file_is_refused),
        TEST(a_row_that_cant_be_right_is_refused_by_its_table),
        TEST(a_folder_that_isnt_there_is_named),
        TEST(a_begun_file_is_made_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
