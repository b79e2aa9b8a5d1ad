/* jwt_base64: RFC 4648's examples, and one text for each sequence of bytes. */
#include "broker/auth/jwt/jwt_base64.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static bool reads(const char *text, const char *bytes, size_t size)
{
    uint8_t out[64];
    size_t len = 0;
    return jwt_base64_read((const uint8_t *)text, strlen(text), out, size, &len) &&
           len == strlen(bytes) && memcmp(out, bytes, len) == 0;
}

static void the_examples_are_read(void **state)
{
    (void)state;
    assert_true(reads("", "", 0));
    assert_true(reads("Zg", "f", 1));
    assert_true(reads("Zm8", "fo", 2));
    assert_true(reads("Zm9v", "foo", 3));
    assert_true(reads("Zm9vYg", "foob", 4));
    assert_true(reads("Zm9vYmE", "fooba", 5));
    assert_true(reads("Zm9vYmFy", "foobar", 6));
    assert_true(reads("-_-_", "\xfb\xff\xbf", 3));
}

static void all_else_is_refused(void **state)
{
    static const char *const texts[] = {
        "Zg==", "Zg=", "Zm8=", "Z",   "Zm9vY", "Zm9v\n",   " Zm9v",  "Zm+v",
        "Zm/v", "Zh",  "Zm9",  "Zm.", "Zm9v=", "\xc3\xa9", "Zm9vYh",
    };
    uint8_t out[64];
    size_t len;
    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        if (jwt_base64_read((const uint8_t *)texts[i], strlen(texts[i]), out, sizeof(out), &len))
            fail_msg("'%s' was read", texts[i]);
}

static void nothing_is_written_beyond_the_room(void **state)
{
    uint8_t out[4] = {0, 0, 0, 9};
    size_t len;
    (void)state;
    assert_false(jwt_base64_read((const uint8_t *)"Zm9vYg", 6, out, 3, &len));
    assert_true(jwt_base64_read((const uint8_t *)"Zm9v", 4, out, 3, &len));
    assert_int_equal(out[3], 9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_examples_are_read),
        cmocka_unit_test(all_else_is_refused),
        cmocka_unit_test(nothing_is_written_beyond_the_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
