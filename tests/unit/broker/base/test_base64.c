/* base64: RFC 4648's examples, and what OpenSSL would let pass. */
#include "broker/base/base64.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static int decode(const char *text, uint8_t *out, size_t size)
{
    return base64_decode(text, strlen(text), out, size);
}

/* RFC 4648, 10 */
static void there_and_back(void **state)
{
    static const char *const pairs[][2] = {{"f", "Zg=="},         {"fo", "Zm8="},
                                           {"foo", "Zm9v"},       {"foob", "Zm9vYg=="},
                                           {"fooba", "Zm9vYmE="}, {"foobar", "Zm9vYmFy"}};
    char text[BASE64_SIZE(6)];
    uint8_t bytes[6];
    (void)state;
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        size_t len = strlen(pairs[i][0]);
        assert_int_equal(base64_encode((const uint8_t *)pairs[i][0], len, text),
                         strlen(pairs[i][1]));
        assert_string_equal(text, pairs[i][1]);
        assert_true(BASE64_SIZE(len) == strlen(text) + 1);
        assert_int_equal(decode(text, bytes, sizeof(bytes)), len);
        assert_memory_equal(bytes, pairs[i][0], len);
    }
}

static void anything_else_is_refused(void **state)
{
    static const char *const wrong[] = {"",         "Z",    "Zg",    "Zg=",      "====",
                                        "Zg==Zg==", "Z===", " Zg==", "Zg==\n",   "Zm9v Zm9v",
                                        "Zm9-",     "Zm=v", "=m9v",  "Zm9vZm9vA"};
    uint8_t bytes[16];
    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        if (decode(wrong[i], bytes, sizeof(bytes)) >= 0)
            fail_msg("taken: '%s'", wrong[i]);
}

static void it_has_to_fit(void **state)
{
    uint8_t bytes[300];
    uint8_t out[300] = {0};
    char text[BASE64_SIZE(300)];
    (void)state;
    memset(bytes, 7, sizeof(bytes));
    for (size_t len = 1; len < 300; len++) {
        size_t n = base64_encode(bytes, len, text);
        int most = len <= BASE64_DECODED_MAX_BYTES ? (int)len : -1;
        assert_int_equal(base64_decode(text, n, out, sizeof(out)), most);
        assert_int_equal(base64_decode(text, n, out, len - 1), -1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(there_and_back),
        cmocka_unit_test(anything_else_is_refused),
        cmocka_unit_test(it_has_to_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
