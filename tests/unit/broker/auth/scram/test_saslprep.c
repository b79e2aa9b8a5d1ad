/* saslprep: RFC 4013's examples, ASCII, and what is refused. */
#include "broker/auth/scram/saslprep.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct mqtt_slice text(const char *s)
{
    return mqtt_slice_of(s, strlen(s));
}

/* RFC 4013, 3, and a few more. */
static void texts_come_into_one_form(void **state)
{
    static const struct {
        const char *text, *prepared;
    } cases[] = {
        {"I\xc2\xadX", "IX"},   /* SOFT HYPHEN is mapped to nothing */
        {"user", "user"},       /* no transformation */
        {"USER", "USER"},       /* case is preserved */
        {"\xc2\xaa", "a"},      /* NFKC */
        {"\xe2\x85\xa8", "IX"}, /* NFKC */
        {"x\xc2\xa0y", "x y"},  /* a space that isn't ASCII */
        {" ~!\"'", " ~!\"'"},   {"\xd9\x84\xd9\x84", "\xd9\x84\xd9\x84"}, /* from right to left */
    };
    char out[64];
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (!saslprep(text(cases[i].text), SASLPREP_STORED, out, sizeof(out)))
            fail_msg("refused: '%s'", cases[i].text);
        assert_string_equal(out, cases[i].prepared);
    }
}

static void what_is_prohibited_is_refused(void **state)
{
    static const char *const wrong[] = {
        "",
        "\x07", /* RFC 4013, 3: prohibited */
        "a\x7f",
        "a\nb",
        "\xd8\xa7\x31", /* RFC 4013, 3: both directions */
        "\xc2\xad",     /* nothing is left */
        "\xee\x80\x80", /* private use */
        "\xff",
        "\xc3",
        "\xed\xa0\x80",     /* a surrogate */
        "\xf4\x90\x80\x80", /* beyond Unicode */
    };
    char out[64];
    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        if (saslprep(text(wrong[i]), SASLPREP_QUERY, out, sizeof(out)))
            fail_msg("taken: case %zu", i);
    assert_false(saslprep(mqtt_slice_of("a\0b", 3), SASLPREP_QUERY, out, sizeof(out)));
}

/* U+1F600 is younger than Unicode 3.2: it may be asked for, but not kept. */
static void characters_of_later_are_not_kept(void **state)
{
    char out[64];
    (void)state;
    assert_true(saslprep(text("\xf0\x9f\x98\x80"), SASLPREP_QUERY, out, sizeof(out)));
    assert_false(saslprep(text("\xf0\x9f\x98\x80"), SASLPREP_STORED, out, sizeof(out)));
}

static void it_has_to_fit(void **state)
{
    char out[8];
    (void)state;
    assert_true(saslprep(text("1234567"), SASLPREP_STORED, out, sizeof(out)));
    assert_false(saslprep(text("12345678"), SASLPREP_STORED, out, sizeof(out)));
    /* U+FDFA becomes 18 characters. */
    assert_false(saslprep(text("\xef\xb7\xba"), SASLPREP_STORED, out, sizeof(out)));
}

static void a_name_is_prepared_or_not(void **state)
{
    char name[300];
    (void)state;
    assert_true(saslprep_is_prepared_name(text("user")));
    assert_true(saslprep_is_prepared_name(text("J\xc3\xbcrg")));
    assert_false(saslprep_is_prepared_name(text("Ju\xcc\x88rg")));
    assert_false(saslprep_is_prepared_name(text("I\xc2\xadX")));
    assert_false(saslprep_is_prepared_name(text("a\tb")));
    for (int len = 254; len < 260; len++) {
        snprintf(name, sizeof(name), "%0*d", len, 0);
        assert_int_equal(saslprep_is_prepared_name(text(name)), len <= 256);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_come_into_one_form),
        cmocka_unit_test(what_is_prohibited_is_refused),
        cmocka_unit_test(characters_of_later_are_not_kept),
        cmocka_unit_test(it_has_to_fit),
        cmocka_unit_test(a_name_is_prepared_or_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
