/* scram_keys: RFC 7677's user, plain passwords, and keys that are made up. */
#include "broker/auth/scram/scram_keys.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "broker/base/base64.h"

static struct mqtt_slice text(const char *s)
{
    return mqtt_slice_of(s, strlen(s));
}

static struct scram_secret fresh(void)
{
    struct scram_secret s = {.iterations = 4096};
    s.salt_len = (uint32_t)base64_decode("W22ZaJ0SNY7soEsUEjb6gQ==", 24, s.salt, sizeof(s.salt));
    return s;
}

/* As hashlib and hmac of Python compute them. */
static void keys_of_a_known_password(void **state)
{
    struct scram_secret s = fresh();
    char stored[BASE64_SIZE(SCRAM_KEY_BYTES)];
    char server[BASE64_SIZE(SCRAM_KEY_BYTES)];
    (void)state;
    assert_true(scram_keys_make(&s, text("pencil")));
    base64_encode(s.keys.stored, SCRAM_KEY_BYTES, stored);
    base64_encode(s.keys.server, SCRAM_KEY_BYTES, server);
    assert_string_equal(stored, "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=");
    assert_string_equal(server, "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=");
}

static void only_the_password_matches(void **state)
{
    struct scram_secret s = fresh();
    char longer[SCRAM_PASSWORD_MAX_BYTES + 2];
    (void)state;
    assert_true(scram_keys_make(&s, text("I\xc2\xadX")));
    assert_true(scram_keys_match(&s, text("IX")));
    assert_true(scram_keys_match(&s, text("\xe2\x85\xa8")));
    assert_false(scram_keys_match(&s, text("ix")));
    assert_false(scram_keys_match(&s, text("")));
    assert_false(scram_keys_match(&s, text("\xff")));
    memset(longer, 'x', sizeof(longer));
    assert_false(scram_keys_make(&s, mqtt_slice_of(longer, SCRAM_PASSWORD_MAX_BYTES + 1)));
    assert_true(scram_keys_make(&s, mqtt_slice_of(longer, SCRAM_PASSWORD_MAX_BYTES)));
    assert_true(scram_keys_match(&s, mqtt_slice_of(longer, SCRAM_PASSWORD_MAX_BYTES)));
    assert_false(scram_keys_match(&s, mqtt_slice_of(longer, SCRAM_PASSWORD_MAX_BYTES - 1)));
}

static void what_is_made_up_is_the_same_each_time(void **state)
{
    static const uint8_t secrets[2][SCRAM_KEY_BYTES] = {{1}, {2}};
    struct scram_secret first;
    struct scram_secret again;
    (void)state;
    assert_true(scram_keys_make_up(&first, secrets[0], text("nobody"), 4096));
    assert_true(scram_keys_make_up(&again, secrets[0], text("nobody"), 4096));
    assert_memory_equal(&first, &again, sizeof(first));
    assert_int_equal(first.salt_len, SCRAM_SALT_USUAL_BYTES);
    assert_int_equal(first.iterations, 4096);
    assert_true(scram_keys_make_up(&again, secrets[0], text("nobody2"), 4096));
    assert_memory_not_equal(first.salt, again.salt, SCRAM_SALT_USUAL_BYTES);
    assert_memory_not_equal(&first.keys, &again.keys, sizeof(first.keys));
    assert_true(scram_keys_make_up(&again, secrets[1], text("nobody"), 4096));
    assert_memory_not_equal(first.salt, again.salt, SCRAM_SALT_USUAL_BYTES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_of_a_known_password),
        cmocka_unit_test(only_the_password_matches),
        cmocka_unit_test(what_is_made_up_is_the_same_each_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
