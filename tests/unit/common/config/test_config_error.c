/* One line for whoever wrote the file: where, which key, what was expected. */
#include "common/config/config_error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void a_message_has_place_key_and_wish(void **state)
{
    (void)state;
    struct config_error err;
    assert_false(config_fail(&err, "t.yaml", (struct config_position){.line = 8, .column = 14},
                             "listeners[0].backend", "no backend '%s'", "x"));
    assert_string_equal(err.text, "t.yaml:8:14: listeners[0].backend: no backend 'x'");
    assert_int_equal(err.line, 8);
    assert_int_equal(err.column, 14);
}

static void without_a_place_the_file_is_named_alone(void **state)
{
    (void)state;
    struct config_error err;
    assert_false(config_fail(&err, "t.yaml", (struct config_position){.line = 0, .column = 0},
                             "key", "missing"));
    assert_string_equal(err.text, "t.yaml: key: missing");
    assert_int_equal(err.line, 0);
    (void)config_fail(&err, "t.yaml", (struct config_position){.line = 1, .column = 1}, "key",
                      "missing");
    assert_string_equal(err.text, "t.yaml:1:1: key: missing"); /* the file's first byte */
}

static void without_a_key_none_is_named(void **state)
{
    (void)state;
    struct config_error err;
    (void)config_fail(&err, "t.yaml", (struct config_position){.line = 0, .column = 0}, NULL,
                      "wrong");
    assert_string_equal(err.text, "t.yaml: wrong");
    (void)config_fail(&err, "t.yaml", (struct config_position){.line = 0, .column = 0}, "",
                      "wrong");
    assert_string_equal(err.text, "t.yaml: wrong");
}

static void a_message_is_one_line_whatever_the_file_holds(void **state)
{
    (void)state;
    struct config_error err;
    (void)config_fail(&err, "t.yaml", (struct config_position){.line = 0, .column = 0}, "a\nb",
                      "got '%s'", "\x1b[1m\x1f\x7f ~\xc3\xa9");
    assert_string_equal(err.text, "t.yaml: a?b: got '?[1m?? ~\xc3\xa9'");
}

static void what_is_too_long_is_cut(void **state)
{
    (void)state;
    struct config_error err;
    char path[600];
    memset(path, 'k', sizeof(path) - 1);
    path[sizeof(path) - 1] = '\0';
    assert_false(config_fail(&err, "t.yaml", (struct config_position){.line = 1, .column = 1}, path,
                             "%s", path));
    assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
    assert_false(
        config_fail(&err, path, (struct config_position){.line = 1, .column = 1}, "key", "wrong"));
    assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_has_place_key_and_wish),
        cmocka_unit_test(without_a_place_the_file_is_named_alone),
        cmocka_unit_test(without_a_key_none_is_named),
        cmocka_unit_test(a_message_is_one_line_whatever_the_file_holds),
        cmocka_unit_test(what_is_too_long_is_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
