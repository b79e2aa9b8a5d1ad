/* What the text of a value stands for: the environment's values, and files of secrets. */
#include "common/config/config_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static void stands_for(const char *text, const char *expected)
{
    char why[320] = "";
    char *found = config_text_of_environment(text, why, sizeof(why));
    if (found == NULL)
        fail_msg("'%s': %s", text, why);
    assert_string_equal(found, expected);
    free(found);
}

static void is_refused(const char *text, const char *reason)
{
    char why[320] = "";
    assert_null(config_text_of_environment(text, why, sizeof(why)));
    if (strstr(why, reason) == NULL)
        fail_msg("'%s': '%s' doesn't say '%s'", text, why, reason);
}

static void variables_are_replaced(void **state)
{
    (void)state;
    setenv("FLOTILLA_TEST_HOST", "redis-1", 1);
    setenv("FLOTILLA_TEST_EMPTY", "", 1);
    unsetenv("FLOTILLA_TEST_NONE");
    stands_for("plain", "plain");
    stands_for("", "");
    stands_for("${FLOTILLA_TEST_HOST}", "redis-1");
    stands_for("redis://${FLOTILLA_TEST_HOST}:6379/${FLOTILLA_TEST_HOST}",
               "redis://redis-1:6379/redis-1");
    stands_for("a${FLOTILLA_TEST_EMPTY}b", "ab");
    stands_for("${FLOTILLA_TEST_NONE:-7}", "7");
    stands_for("${FLOTILLA_TEST_NONE:-}", "");
    stands_for("${FLOTILLA_TEST_HOST:-7}", "redis-1");
}

static void a_dollar_alone_stays(void **state)
{
    (void)state;
    setenv("FLOTILLA_TEST_HOST", "redis-1", 1);
    stands_for("$7$101$salt", "$7$101$salt");
    stands_for("$FLOTILLA_TEST_HOST", "$FLOTILLA_TEST_HOST");
    stands_for("$${FLOTILLA_TEST_HOST}", "${FLOTILLA_TEST_HOST}");
    stands_for("$${a}${FLOTILLA_TEST_HOST}$", "${a}redis-1$");
    stands_for("}", "}");
}

static void what_a_variable_has_is_not_looked_into(void **state)
{
    (void)state;
    setenv("FLOTILLA_TEST_NESTED", "${FLOTILLA_TEST_NONE}", 1);
    stands_for("${FLOTILLA_TEST_NESTED}", "${FLOTILLA_TEST_NONE}");
}

static void mistakes_name_the_variable(void **state)
{
    (void)state;
    unsetenv("FLOTILLA_TEST_NONE");
    is_refused("a${FLOTILLA_TEST_NONE}", "'FLOTILLA_TEST_NONE' to be set");
    is_refused("${FLOTILLA_TEST_NONE", "expected '}'");
    is_refused("${}", "'${}'");
    is_refused("${7UP}", "'${7UP}'");
    is_refused("${A B}", "'${A B}'");
    is_refused("${:-x}", "'${:-x}'");
}

static void text_has_a_limit(void **state)
{
    (void)state;
    char *large = malloc(70000);
    assert_non_null(large);
    memset(large, 'x', 69999);
    large[69999] = '\0';
    setenv("FLOTILLA_TEST_LARGE", large, 1);
    is_refused("${FLOTILLA_TEST_LARGE}", "at most 64 kB");
    unsetenv("FLOTILLA_TEST_LARGE");
    free(large);
}

/* ---- files ----------------------------------------------------------------------------------- */

static char folder[] = "/tmp/flotilla-config-text-XXXXXX";

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) == NULL ? -1 : 0;
}

static int remove_folder(void **state)
{
    (void)state;
    return rmdir(folder);
}

static void read_of(const char *contents, size_t len, const char *expected)
{
    char path[128];
    char from[128];
    char why[320] = "";
    snprintf(path, sizeof(path), "%s/secret", folder);
    snprintf(from, sizeof(from), "%s/broker.yaml", folder);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(contents, 1, len, f), len);
    fclose(f);
    char *found = config_text_of_file("@secret", from, why, sizeof(why));
    if (expected == NULL) {
        assert_null(found);
        assert_non_null(strstr(why, "'secret'"));
    } else {
        assert_non_null(found);
        assert_string_equal(found, expected);
    }
    free(found);
    unlink(path);
}

static void a_secret_is_what_the_file_beside_has(void **state)
{
    (void)state;
    read_of("hunter2", 7, "hunter2");
    read_of("hunter2\n", 8, "hunter2");
    read_of("hunter2\r\n", 9, "hunter2");
    read_of(" with blanks ", 13, " with blanks ");
    read_of("", 0, NULL);
    read_of("\n", 1, NULL);
    read_of("a\0b", 3, NULL);
    char *large = malloc(70000);
    assert_non_null(large);
    memset(large, 'x', 70000);
    read_of(large, 70000, NULL);
    read_of(large, 65537, NULL);
    large[65536] = '\0';
    read_of(large, 65536, large);
    free(large);
}

static void a_file_that_isnt_there_is_named(void **state)
{
    (void)state;
    char why[320] = "";
    assert_null(config_text_of_file("@/nowhere/at/all", "broker.yaml", why, sizeof(why)));
    assert_non_null(strstr(why, "/nowhere/at/all"));
    assert_non_null(strstr(why, "No such file"));
}

static void relative_names_count_from_the_folder(void **state)
{
    (void)state;
    static const char *const cases[][3] = {
        {"/etc/flotilla/broker.yaml", "secret", "/etc/flotilla/secret"},
        {"/etc/flotilla/broker.yaml", "../secret", "/etc/flotilla/../secret"},
        {"/etc/flotilla/broker.yaml", "/run/secret", "/run/secret"},
        {"broker.yaml", "secret", "secret"},
        {"conf/broker.yaml", "secret", "conf/secret"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *found = config_text_beside(cases[i][0], cases[i][1]);
        assert_non_null(found);
        assert_string_equal(found, cases[i][2]);
        free(found);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(variables_are_replaced),
        cmocka_unit_test(a_dollar_alone_stays),
        cmocka_unit_test(what_a_variable_has_is_not_looked_into),
        cmocka_unit_test(mistakes_name_the_variable),
        cmocka_unit_test(text_has_a_limit),
        cmocka_unit_test(a_secret_is_what_the_file_beside_has),
        cmocka_unit_test(a_file_that_isnt_there_is_named),
        cmocka_unit_test(relative_names_count_from_the_folder),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
