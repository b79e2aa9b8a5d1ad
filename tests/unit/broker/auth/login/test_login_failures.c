/* login_failures: who failed of late, bounded and for a time. */
#include "broker/auth/login/login_failures.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static struct login_failures *fresh(void)
{
    struct login_failures *f = calloc(1, sizeof(*f));
    assert_non_null(f);
    return f;
}

static void a_failure_counts_for_a_while_and_for_its_key_only(void **state)
{
    struct login_failures *f = fresh();
    (void)state;
    login_failures_note(f, 17, 1000);
    assert_true(login_failures_recent(f, 17, 1000));
    assert_true(login_failures_recent(f, 17, 1000 + LOGIN_FAILURE_LASTS_MS - 1));
    assert_false(login_failures_recent(f, 17, 1000 + LOGIN_FAILURE_LASTS_MS));
    assert_false(login_failures_recent(f, 18, 1000));
    login_failures_note(f, 17, 2000);
    assert_true(login_failures_recent(f, 17, 1999 + LOGIN_FAILURE_LASTS_MS));
    free(f);
}

static void nobody_never_has_failures(void **state)
{
    struct login_failures *f = fresh();
    (void)state;
    login_failures_note(f, 0, 1000);
    assert_false(login_failures_recent(f, 0, 1000));
    assert_int_equal(login_failures_line_up(f, 0, 1000, 300), 1300);
    assert_int_equal(login_failures_line_up(f, 0, 1000, 300), 1300);
    free(f);
}

/* Keys of one set: the one that failed longest ago makes place. */
static void what_is_full_forgets_the_oldest(void **state)
{
    struct login_failures *f = fresh();
    const uint64_t step = (uint64_t)LOGIN_FAILURE_SETS << 16;
    (void)state;
    for (uint64_t i = 1; i <= LOGIN_FAILURE_WAYS + 1; i++)
        login_failures_note(f, i * step, 1000 + i);
    assert_false(login_failures_recent(f, step, 2000));
    for (uint64_t i = 2; i <= LOGIN_FAILURE_WAYS + 1; i++)
        assert_true(login_failures_recent(f, i * step, 2000));
    free(f);
}

static void what_is_not_hashed_lines_up_as_if(void **state)
{
    struct login_failures *f = fresh();
    (void)state;
    assert_int_equal(login_failures_line_up(f, 5, 1000, 300), 1300);
    assert_int_equal(login_failures_line_up(f, 5, 1100, 300), 1600);
    assert_int_equal(login_failures_line_up(f, 6, 1100, 300), 1400);
    assert_int_equal(login_failures_line_up(f, 5, 9000, 300), 9300);
    assert_true(login_failures_recent(f, 5, 9000));
    for (int i = 0; i < 10000; i++)
        login_failures_line_up(f, 5, 10000, 300);
    assert_int_equal(login_failures_line_up(f, 5, 10000, 300), 10000 + LOGIN_LINE_MS + 300);
    free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_failure_counts_for_a_while_and_for_its_key_only),
        cmocka_unit_test(nobody_never_has_failures),
        cmocka_unit_test(what_is_full_forgets_the_oldest),
        cmocka_unit_test(what_is_not_hashed_lines_up_as_if),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
