/* fleet_name: what a fleet may be called, which holds nothing that a key or pattern could mean. */
#include "broker/base/fleet_name.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void letters_digits_underscore_and_hyphen_are_allowed(void **state)
{
    (void)state;
    assert_null(fleet_name_check("azAZ09_-"));
    assert_null(fleet_name_check("Campus_2-b"));
    assert_null(fleet_name_check("")); /* no name */
}

static void nothing_else_is(void **state)
{
    (void)state;
    static const char *const names[] = {"a b", "a.b", "a:b", "{a}", "a*", "a/b", "\xc3\xa9", "a\n"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        assert_string_equal(fleet_name_check(names[i]), "letters, digits, _ and - only");
}

static void a_name_has_32_characters_at_most(void **state)
{
    (void)state;
    assert_null(fleet_name_check("12345678901234567890123456789012"));
    assert_string_equal(fleet_name_check("123456789012345678901234567890123"),
                        "at most 32 characters");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(letters_digits_underscore_and_hyphen_are_allowed),
        cmocka_unit_test(nothing_else_is),
        cmocka_unit_test(a_name_has_32_characters_at_most),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
