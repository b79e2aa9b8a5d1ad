/* line_file: which lines of a file are entries, and how its mistakes are told. */
#include "broker/auth/files/line_file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/temp_file.h"

enum { LONGEST = 256 * 1024 };

static struct line_file f;
static char err[256];

static void begin(const char *text, size_t len)
{
    temp_file_write(text, len);
    assert_true(line_file_open(&f, temp_file, err, sizeof(err)));
}
#define BEGIN(literal) begin(literal, sizeof(literal) - 1)

/* There are no more entries, and no mistake. */
static void expect_end(void)
{
    assert_null(line_file_next(&f));
    assert_true(line_file_ok(&f));
    line_file_fini(&f);
}

/* The next line is a mistake, and nothing comes after it. */
static void expect_mistake(unsigned line, const char *text)
{
    char expected[256];
    assert_null(line_file_next(&f));
    assert_false(line_file_ok(&f));
    snprintf(expected, sizeof(expected), "%s:%u: %s", temp_file, line, text);
    assert_string_equal(err, expected);
    assert_null(line_file_next(&f));
    line_file_fini(&f);
}

static void entries_come_without_blanks_comments_and_empty_lines(void **state)
{
    (void)state;
    BEGIN("# a comment\n\n  one \t\r\n \t \n #another\ntwo words\n");
    assert_string_equal(line_file_next(&f), "one");
    assert_int_equal(f.number, 3);
    assert_string_equal(line_file_next(&f), "two words");
    assert_int_equal(f.number, 6);
    expect_end();
}

static void the_last_line_needs_no_end(void **state)
{
    (void)state;
    BEGIN("one\ntwo");
    assert_string_equal(line_file_next(&f), "one");
    assert_string_equal(line_file_next(&f), "two");
    expect_end();
    BEGIN("");
    expect_end();
}

static void a_byte_order_mark_may_begin_the_file_only(void **state)
{
    (void)state;
    BEGIN("\xef\xbb\xbfone\n");
    assert_string_equal(line_file_next(&f), "one");
    expect_end();
    BEGIN("one\n\xef\xbb\xbftwo\n");
    assert_string_equal(line_file_next(&f), "one");
    expect_mistake(2, "expected no byte order mark but at the start of the file");
}

static void control_characters_are_mistakes(void **state)
{
    (void)state;
    static const char *const lines[] = {"a\x01z\n", "a\rz\n", "a\x1fz\n", "a\x7fz\n"};
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        begin(lines[i], strlen(lines[i]));
        expect_mistake(1, "expected no control characters, and lines that end with \"\\n\"");
    }
    BEGIN("a\tb c~\xc3\xa9\n");
    assert_string_equal(line_file_next(&f), "a\tb c~\xc3\xa9");
    expect_end();
    BEGIN("a\0z\n");
    expect_mistake(1, "expected text in UTF-8, got a NUL character");
}

static void a_line_has_256_kib_at_most(void **state)
{
    (void)state;
    char *text = malloc(LONGEST + 2);
    memset(text, 'x', LONGEST + 1);
    text[LONGEST] = '\n';
    begin(text, LONGEST + 1);
    assert_int_equal(strlen(line_file_next(&f)), LONGEST);
    expect_end();
    text[LONGEST] = 'x';
    text[LONGEST + 1] = '\n';
    begin(text, LONGEST + 2);
    expect_mistake(1, "expected a line of at most 256 KiB");
    free(text);
}

static void a_readers_mistake_has_its_place_and_the_first_one_stays(void **state)
{
    (void)state;
    char expected[256];
    BEGIN("one\ntwo\nthree\n");
    assert_non_null(line_file_next(&f));
    assert_non_null(line_file_next(&f));
    assert_false(line_file_fail(&f, "expected %d, got \"%s\"", 2, "a\nb\x7f"));
    assert_false(line_file_fail(&f, "another"));
    snprintf(expected, sizeof(expected), "%s:2: expected 2, got \"a?b?\"", temp_file);
    assert_string_equal(err, expected); /* one line, whatever the file holds */
    assert_null(line_file_next(&f));
    assert_false(line_file_ok(&f));
    line_file_fini(&f);
}

static void a_file_that_cant_be_read_is_named(void **state)
{
    (void)state;
    assert_false(line_file_open(&f, "/nonexistent/file", err, sizeof(err)));
    assert_false(line_file_ok(&f));
    assert_non_null(strstr(err, "/nonexistent/file: cannot be read: "));
    line_file_fini(&f);
    assert_false(line_file_open(&f, "/tmp", err, sizeof(err)));
    line_file_fini(&f);
}

static void blanks_are_cut_off_both_ends(void **state)
{
    (void)state;
    static const char *const texts[][2] = {
        {"", ""}, {" \t\r\n", ""}, {"a", "a"}, {" a b\t", "a b"}, {"\r\na\r\n", "a"}};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        char text[16];
        strcpy(text, texts[i][0]);
        assert_string_equal(line_trim(text), texts[i][1]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entries_come_without_blanks_comments_and_empty_lines),
        cmocka_unit_test(the_last_line_needs_no_end),
        cmocka_unit_test(a_byte_order_mark_may_begin_the_file_only),
        cmocka_unit_test(control_characters_are_mistakes),
        cmocka_unit_test(a_line_has_256_kib_at_most),
        cmocka_unit_test(a_readers_mistake_has_its_place_and_the_first_one_stays),
        cmocka_unit_test(a_file_that_cant_be_read_is_named),
        cmocka_unit_test(blanks_are_cut_off_both_ends),
    };
    return cmocka_run_group_tests(tests, temp_file_make, temp_file_remove);
}
