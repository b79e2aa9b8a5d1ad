/*
 * Which texts are values of a kind, and what is stored of them. The words for what was expected:
 * test_config_scalar_words.c.
 */
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

static void durations_need_units(void **state)
{
    static const struct {
        const char *text;
        bool good;
        uint64_t ms;
    } cases[] = {
        {"0", true, 0},
        {"500ms", true, 500},
        {"2s", true, 2000},
        {"5m", true, 300000},
        {"1h", true, 3600000},
        {"2d", true, 172800000},
        {"0s", true, 0},
        {"5", false, 0},
        {"", false, 0},
        {"s", false, 0},
        {"-1s", false, 0},
        {"1.5s", false, 0},
        {"1 s", false, 0},
        {"1S", false, 0},
        {"1sec", false, 0},
        {"18446744073709551615ms", true, UINT64_MAX},
        {"18446744073709551616ms", false, 0},
        {"18446744073709551615s", false, 0},
        {" 1s", false, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint64_t ms = 0;
        assert_int_equal(config_parse_duration(cases[i].text, &ms), cases[i].good);
        assert_true(!cases[i].good || ms == cases[i].ms);
    }
}

static void sizes_take_powers_of_1024(void **state)
{
    static const struct {
        const char *text;
        bool good;
        uint64_t bytes;
    } cases[] = {
        {"0", true, 0},       {"100", true, 100},    {"64k", true, 65536},
        {"64K", true, 65536}, {"1M", true, 1 << 20}, {"2G", true, UINT64_C(2) << 30},
        {"1T", false, 0},     {"", false, 0},        {"k", false, 0},
        {"1kB", false, 0},    {"-1", false, 0},      {"17179869184G", false, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint64_t bytes = 0;
        assert_int_equal(config_parse_size(cases[i].text, &bytes), cases[i].good);
        assert_true(!cases[i].good || bytes == cases[i].bytes);
    }
}

/* Of `text` as that field: what is stored, or -1. */
static long long stored(const struct config_field *field, const char *text)
{
    union {
        bool truth;
        uint32_t number;
        uint64_t large;
        int word;
    } value;
    if (config_scalar_store(field, text, &value) != CONFIG_SCALAR_OK)
        return -1;
    switch (field->kind) {
    case CONFIG_BOOL:
        return value.truth;
    case CONFIG_UINT:
        return value.number;
    case CONFIG_ENUM:
        return value.word;
    default:
        return (long long)value.large;
    }
}

static void a_truth_has_three_pairs_of_words_in_any_case(void **state)
{
    (void)state;
    const struct config_field f = {.kind = CONFIG_BOOL};
    assert_int_equal(stored(&f, "true"), 1);
    assert_int_equal(stored(&f, "YES"), 1);
    assert_int_equal(stored(&f, "On"), 1);
    assert_int_equal(stored(&f, "false"), 0);
    assert_int_equal(stored(&f, "no"), 0);
    assert_int_equal(stored(&f, "OFF"), 0);
    assert_int_equal(stored(&f, "1"), -1);
    assert_int_equal(stored(&f, ""), -1);
    assert_int_equal(stored(&f, "truely"), -1);
}

static void numbers_are_stored_from_their_least_to_their_most(void **state)
{
    (void)state;
    const struct config_field f = {.kind = CONFIG_UINT, .min = 2, .max = 5};
    assert_int_equal(stored(&f, "1"), -1);
    assert_int_equal(stored(&f, "2"), 2);
    assert_int_equal(stored(&f, "5"), 5);
    assert_int_equal(stored(&f, "6"), -1);
    assert_int_equal(stored(&f, "5x"), -1);
    assert_int_equal(stored(&f, "+5"), -1);
    assert_int_equal(stored(&f, ""), -1);
}

static void without_an_upper_limit_a_number_has_32_bits(void **state)
{
    (void)state;
    const struct config_field f = {.kind = CONFIG_UINT};
    assert_int_equal(stored(&f, "0"), 0);
    assert_int_equal(stored(&f, "4294967295"), 4294967295);
    assert_int_equal(stored(&f, "4294967296"), -1);
}

static void a_word_of_the_field_is_0_whatever_the_least_is(void **state)
{
    (void)state;
    const struct config_field f = {
        .kind = CONFIG_DURATION, .min = 1000, .max = 5000, .names = word_off};
    assert_int_equal(stored(&f, "never"), 0);
    assert_int_equal(stored(&f, "off"), 0);
    assert_int_equal(stored(&f, "0"), -1);
    assert_int_equal(stored(&f, "999ms"), -1);
    assert_int_equal(stored(&f, "1s"), 1000);
    assert_int_equal(stored(&f, "5s"), 5000);
    assert_int_equal(stored(&f, "5001ms"), -1);
    assert_int_equal(stored(&f, "OFF"), -1);
}

static void sizes_and_durations_have_units_of_their_own(void **state)
{
    (void)state;
    const struct config_field size = {.kind = CONFIG_SIZE};
    const struct config_field duration = {.kind = CONFIG_DURATION};
    assert_int_equal(stored(&size, "1m"), 1 << 20);
    assert_int_equal(stored(&duration, "1m"), 60000);
    assert_int_equal(stored(&size, "7"), 7);
    assert_int_equal(stored(&duration, "7"), -1);
}

static void a_word_of_an_enumeration_is_stored_as_its_index(void **state)
{
    (void)state;
    const struct config_field f = {.kind = CONFIG_ENUM, .names = words};
    assert_int_equal(stored(&f, "low"), 0);
    assert_int_equal(stored(&f, "high"), 1);
    assert_int_equal(stored(&f, "High"), -1);
    assert_int_equal(stored(&f, "hig"), -1);
    assert_int_equal(stored(&f, ""), -1);
}

static void a_text_is_stored_as_a_copy(void **state)
{
    (void)state;
    const struct config_field f = {.kind = CONFIG_STRING};
    char text[] = "word";
    char *value = NULL;
    assert_int_equal(config_scalar_store(&f, text, &value), CONFIG_SCALAR_OK);
    text[0] = 'l';
    assert_string_equal(value, "word");
    free(value);
}

static void the_fields_own_check_refuses_before_anything_is_stored(void **state)
{
    (void)state;
    const struct config_field f = {.kind = CONFIG_STRING, .check = check_even};
    char *value = NULL;
    assert_int_equal(config_scalar_store(&f, "odd", &value), CONFIG_SCALAR_WRONG);
    assert_null(value);
    assert_int_equal(config_scalar_store(&f, "even", &value), CONFIG_SCALAR_OK);
    free(value);
}

static void what_is_no_scalar_is_not_stored(void **state)
{
    (void)state;
    for (int kind = CONFIG_BOOL; kind <= CONFIG_POSITION; kind++) {
        const struct config_field f = {.kind = (enum config_kind)kind, .names = words};
        bool is_scalar = kind == CONFIG_BOOL || kind == CONFIG_UINT || kind == CONFIG_SIZE ||
                         kind == CONFIG_DURATION || kind == CONFIG_STRING || kind == CONFIG_ENUM;
        assert_int_equal(config_kind_is_scalar(f.kind), is_scalar);
        if (!is_scalar)
            assert_int_equal(stored(&f, "low"), -1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(durations_need_units),
        cmocka_unit_test(sizes_take_powers_of_1024),
        cmocka_unit_test(a_truth_has_three_pairs_of_words_in_any_case),
        cmocka_unit_test(numbers_are_stored_from_their_least_to_their_most),
        cmocka_unit_test(without_an_upper_limit_a_number_has_32_bits),
        cmocka_unit_test(a_word_of_the_field_is_0_whatever_the_least_is),
        cmocka_unit_test(sizes_and_durations_have_units_of_their_own),
        cmocka_unit_test(a_word_of_an_enumeration_is_stored_as_its_index),
        cmocka_unit_test(a_text_is_stored_as_a_copy),
        cmocka_unit_test(the_fields_own_check_refuses_before_anything_is_stored),
        cmocka_unit_test(what_is_no_scalar_is_not_stored),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
