/* The words for what a scalar should have been: ranges, words, nouns. */
#include "common/config/config_scalar.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *const words[] = {"low", "high", NULL};
static const char *const word_off[] = {"off", "never", NULL};

static const char *check_even(const char *text)
{
    return strlen(text) % 2 == 0 ? NULL : "an even number of letters";
}

static void a_range_is_told_in_the_largest_unit_that_divides_it(void **state)
{
    static const struct {
        enum config_kind kind;
        uint64_t min, max;
        const char *range;
    } cases[] = {
        {CONFIG_UINT, 0, 0, ""},
        {CONFIG_UINT, 1, 0, "at least 1"},
        {CONFIG_UINT, 0, 86400000, "0 to 86400000"},
        {CONFIG_DURATION, 1000, 5400000, "1s to 90m"},
        {CONFIG_DURATION, 1500, 172800000, "1500ms to 2d"},
        {CONFIG_DURATION, 0, 3600000, "0 to 1h"},
        {CONFIG_SIZE, 1025, 1u << 30, "1025 to 1G"},
        {CONFIG_SIZE, 65536, 0, "at least 64k"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct config_field f = {
            .kind = cases[i].kind, .min = cases[i].min, .max = cases[i].max};
        char text[64];
        config_scalar_range(&f, text, sizeof(text));
        assert_string_equal(text, cases[i].range);
    }
}

static void words_are_joined_and_cut_when_they_do_not_fit(void **state)
{
    (void)state;
    const struct config_field f = {.names = words};
    const struct config_field none = {.names = NULL};
    char text[32] = "left over";
    config_scalar_words(&f, ", ", text, sizeof(text));
    assert_string_equal(text, "low, high");
    config_scalar_words(&f, ", ", text, 7);
    assert_string_equal(text, "low, h");
    config_scalar_words(&none, ", ", text, sizeof(text));
    assert_string_equal(text, "");
}

static void what_was_expected_is_a_noun(void **state)
{
    static const struct {
        struct config_field field;
        const char *noun;
    } cases[] = {
        {{.kind = CONFIG_BOOL}, "true or false"},
        {{.kind = CONFIG_UINT}, "a number"},
        {{.kind = CONFIG_UINT, .min = 1}, "a number of at least 1"},
        {{.kind = CONFIG_UINT, .max = 9, .names = word_off},
         "a number from 0 to 9 or off or never"},
        {{.kind = CONFIG_SIZE}, "a size like 64k, 1M or a number of bytes"},
        {{.kind = CONFIG_DURATION}, "a duration like 500ms, 2s, 5m or 1h"},
        {{.kind = CONFIG_DURATION, .min = 1000}, "a duration of at least 1s"},
        {{.kind = CONFIG_STRING}, "text"},
        {{.kind = CONFIG_ENUM, .names = words}, "one of low, high"},
        {{.kind = CONFIG_STRINGS}, "a list of text"},
        {{.kind = CONFIG_OPTIONAL}, "a mapping"},
        {{.kind = CONFIG_LIST}, "a list of mappings"},
        {{.kind = CONFIG_MAP}, "a mapping of names to mappings"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[100] = "left over";
        config_scalar_expected(&cases[i].field, NULL, text, sizeof(text));
        assert_string_equal(text, cases[i].noun);
    }
}

static void the_fields_own_check_says_what_it_expected(void **state)
{
    (void)state;
    const struct config_field f = {.kind = CONFIG_STRING, .check = check_even};
    char text[64];
    config_scalar_expected(&f, "odd", text, sizeof(text));
    assert_string_equal(text, "an even number of letters");
    config_scalar_expected(&f, "even", text, sizeof(text));
    assert_string_equal(text, "text");
    config_scalar_expected(&f, NULL, text, sizeof(text));
    assert_string_equal(text, "text");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_range_is_told_in_the_largest_unit_that_divides_it),
        cmocka_unit_test(words_are_joined_and_cut_when_they_do_not_fit),
        cmocka_unit_test(what_was_expected_is_a_noun),
        cmocka_unit_test(the_fields_own_check_says_what_it_expected),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
