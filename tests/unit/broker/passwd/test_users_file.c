/* users_file: what stays, what is found, what is refused. Locks and owners: tests/fleet/test_passwd.py. */
#include "broker/passwd/users_file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "broker/auth/files/passwd.h"
#include "tests/unit/temp_file.h"

#define HASH                                                                                       \
    "$7$101$Ptfbf+/UilUk4JMs$ydlQabaPjb0+npFzHtU/4PYdOTDjX3OlejCxbCIG2TmRlCxHF26LkMAV1PTuTy6Xz"    \
    "ZNrXsaK6obQzf2tBrXizQ=="

static char err[640];

static struct mqtt_slice text(const char *s)
{
    return mqtt_slice_of(s, strlen(s));
}

static struct users_file *open_text(const char *contents, enum users_file_use use)
{
    temp_file_write(contents, strlen(contents));
    return users_file_open(temp_file, use, err, sizeof(err));
}

static void assert_file_is(const char *expected)
{
    static char got[4096];
    FILE *f = fopen(temp_file, "r");
    assert_non_null(f);
    size_t len = fread(got, 1, sizeof(got) - 1, f);
    got[len] = '\0';
    fclose(f);
    assert_string_equal(got, expected);
}

/* Of no password at all, but it can be written. */
static struct passwd_secret made(void)
{
    struct passwd_secret s = {.iterations = 7, .salt_len = 3, .salt = "abc"};
    memset(s.hash, 0, sizeof(s.hash));
    return s;
}
#define ZEROS                                                                                      \
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=="
#define MADE "$7$7$YWJj$" ZEROS

static void only_the_users_line_changes(void **state)
{
    struct passwd_secret s = made();
    struct users_file *f =
        open_text("# head\r\n\nann:" HASH "\n  bob : " HASH "\r\n#carl:x", USERS_FILE_CHANGE);
    (void)state;
    assert_non_null(f);
    assert_true(users_file_put(f, text("bob"), &s));
    assert_true(users_file_put(f, text("dora"), &s));
    assert_true(users_file_save(f, err, sizeof(err)));
    users_file_close(f);
    assert_file_is("# head\r\n\nann:" HASH "\nbob:" MADE "\n#carl:x\ndora:" MADE "\n");
}

static void a_removed_user_is_gone_and_the_rest_stays(void **state)
{
    struct users_entry e;
    struct users_file *f = open_text("# x\nann:" HASH "\nbob:" HASH "\n", USERS_FILE_CHANGE);
    (void)state;
    assert_non_null(f);
    assert_true(users_file_remove(f, text("ann")));
    assert_false(users_file_remove(f, text("ann")));
    assert_false(users_file_find(f, text("ann"), &e));
    assert_true(users_file_find(f, text("bob"), &e));
    assert_true(users_file_save(f, err, sizeof(err)));
    users_file_close(f);
    assert_file_is("# x\nbob:" HASH "\n");
}

static void what_is_not_saved_changes_nothing(void **state)
{
    struct users_file *f = open_text("ann:" HASH "\n", USERS_FILE_CHANGE);
    (void)state;
    assert_true(users_file_remove(f, text("ann")));
    users_file_close(f);
    assert_file_is("ann:" HASH "\n");
    users_file_close(NULL);
}

static void users_are_found_as_the_broker_reads_them(void **state)
{
    struct users_entry e = {0};
    struct users_file *f =
        open_text("\xef\xbb\xbf ann:" HASH "\n#x:y\n\n\tbob\t:\t" HASH " \n", USERS_FILE_LOOK);
    (void)state;
    assert_non_null(f);
    assert_true(users_file_next(f, &e));
    assert_int_equal(e.line, 1);
    assert_string_equal((const char *)e.name.data, "ann");
    assert_string_equal(e.hash, HASH);
    assert_true(users_file_next(f, &e));
    assert_int_equal(e.line, 4);
    assert_string_equal((const char *)e.name.data, "bob");
    assert_string_equal(e.hash, HASH);
    assert_false(users_file_next(f, &e));
    assert_false(users_file_find(f, text("bo"), &e));
    assert_false(users_file_find(f, text("x"), &e));
    users_file_close(f);
}

static void what_the_broker_could_not_read_is_refused(void **state)
{
    static const char *const wrong[] = {"ann\n", "ann:plain\n", "ann:" HASH "\nann:" HASH "\n",
                                        ":" HASH "\n"};
    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_null(open_text(wrong[i], USERS_FILE_CHANGE));
        assert_non_null(strstr(err, temp_file));
        assert_null(open_text(wrong[i], USERS_FILE_LOOK));
    }
    assert_null(open_text("ann:plain\nbob\n", USERS_FILE_CONVERT));
    assert_non_null(strstr(err, ":2: expected user:password"));
    temp_file_write("ann:x\nb\0b:x\n", 12);
    assert_null(users_file_open(temp_file, USERS_FILE_CONVERT, err, sizeof(err)));
    assert_non_null(strstr(err, ":2: "));
    struct users_file *f = open_text("ann:plain\n", USERS_FILE_CONVERT);
    assert_non_null(f);
    users_file_close(f);
}

static void a_new_file_has_nothing_of_the_old_one(void **state)
{
    struct passwd_secret s = made();
    struct users_file *f = open_text("whatever\n", USERS_FILE_NEW);
    (void)state;
    assert_non_null(f);
    assert_true(users_file_put(f, text("ann"), &s));
    assert_true(users_file_save(f, err, sizeof(err)));
    users_file_close(f);
    assert_file_is("ann:" MADE "\n");
}

static void a_file_that_is_not_there(void **state)
{
    (void)state;
    assert_null(users_file_open("/nonexistent/users", USERS_FILE_CHANGE, err, sizeof(err)));
    assert_non_null(strstr(err, "/nonexistent/users: there is no such file"));
    assert_null(users_file_open("/nonexistent/users", USERS_FILE_NEW, err, sizeof(err)));
    assert_null(users_file_open("/tmp", USERS_FILE_LOOK, err, sizeof(err)));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, temp_file_make, temp_file_remove)
    const struct CMUnitTest tests[] = {
        TEST(only_the_users_line_changes),
        TEST(a_removed_user_is_gone_and_the_rest_stays),
        TEST(what_is_not_saved_changes_nothing),
        TEST(users_are_found_as_the_broker_reads_them),
        TEST(what_the_broker_could_not_read_is_refused),
        TEST(a_new_file_has_nothing_of_the_old_one),
        TEST(a_file_that_is_not_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
