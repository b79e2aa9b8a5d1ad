/* What regular_file opens, and what it refuses without waiting. */
#include "common/process/regular_file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "tests/unit/temp_file.h"

static void refused(const char *path, const char *why)
{
    const char *cause = NULL;
    assert_null(regular_file_open(path, &cause));
    assert_string_equal(cause, why);
}

static void what_is_no_file_is_refused_at_once(void **state)
{
    (void)state;
    alarm(10); /* an open or a read that waits ends the test */
    refused("/nowhere/file", "No such file or directory");
    refused("/tmp", "Is a directory");
    refused("/dev/zero", "it isn't a regular file");
    assert_int_equal(unlink(temp_file), 0);
    assert_int_equal(mkfifo(temp_file, 0600), 0);
    refused(temp_file, "it isn't a regular file");
    alarm(0);
}

static void reads(const char *text, size_t len, const char *expected)
{
    const char *cause;
    char got[16] = "";
    temp_file_write(text, len);
    FILE *file = regular_file_open(temp_file, &cause);
    assert_non_null(file);
    assert_true(regular_file_skip_mark(file));
    size_t n = fread(got, 1, sizeof(got) - 1, file);
    assert_int_equal(n, strlen(expected));
    assert_string_equal(got, expected);
    fclose(file);
}

static void a_byte_order_mark_is_no_text(void **state)
{
    (void)state;
    reads("\xef\xbb\xbftext", 7, "text");
    reads("text", 4, "text");
    reads("\xef\xbb", 2, "\xef\xbb");
    reads("\xef\xbb\xbf", 3, "");
    reads("", 0, "");
    reads("\xef\xbb\xbf\xef\xbb\xbf", 6, "\xef\xbb\xbf");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_no_file_is_refused_at_once, temp_file_make,
                                        temp_file_remove),
        cmocka_unit_test_setup_teardown(a_byte_order_mark_is_no_text, temp_file_make,
                                        temp_file_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
