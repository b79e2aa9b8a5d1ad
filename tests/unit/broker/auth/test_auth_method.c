/* auth_method: which methods of 5.0 there are, and the one that is for tests (4.12). */
#include "broker/auth/auth_method.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "broker/base/broker_config.h"

static struct mqtt_slice text(const char *s)
{
    return mqtt_slice_of(s, strlen(s));
}

static bool is(struct mqtt_slice s, const char *expected)
{
    return s.len == strlen(expected) && memcmp(s.data, expected, s.len) == 0;
}

static void a_method_is_found_by_its_name_if_it_is_allowed(void **state)
{
    static char other[] = "X-OTHER", mirror[] = "X-MIRROR", *names[] = {other, mirror};
    static struct broker_config config;
    (void)state;
    assert_null(auth_method_find(&config, text("X-MIRROR"))); /* none is */
    config.auth.methods = (struct config_strings){.items = names, .count = 1};
    assert_null(auth_method_find(&config, text("X-MIRROR")));
    assert_null(auth_method_find(&config, text("X-OTHER"))); /* allowed, and not known */
    config.auth.methods.count = 2;
    assert_ptr_equal(auth_method_find(&config, text("X-MIRROR")), &auth_method_mirror);
    assert_null(auth_method_find(&config, text("X-MIRRO")));
    assert_null(auth_method_find(&config, text("X-MIRRORS")));
    assert_null(auth_method_find(&config, text("x-mirror")));
    assert_null(auth_method_find(&config, text("")));
}

/* ---- X-MIRROR --------------------------------------------------------------------------------- */

/* Says the name; the answer that is right. */
static struct mqtt_slice challenge(struct auth_exchange *x, struct mqtt_slice name)
{
    static uint8_t answer[64];
    struct auth_answer out;
    assert_int_equal(auth_method_mirror.step(x, name, &out), AUTH_STEP_CONTINUE);
    assert_int_equal(out.data.len, 16);
    for (uint32_t i = 0; i < out.data.len; i++)
        answer[i] = out.data.data[out.data.len - 1 - i];
    return mqtt_slice_of(answer, out.data.len);
}

static void a_challenge_back_to_front_is_right(void **state)
{
    (void)state;
    struct auth_exchange *x = auth_method_mirror.begin(NULL);
    struct auth_answer out;
    struct mqtt_slice answer = challenge(x, text("bob"));
    assert_int_equal(auth_method_mirror.step(x, answer, &out), AUTH_STEP_ACCEPTED);
    assert_true(is(out.username, "bob"));
    assert_true(is(out.data, "welcome"));
    auth_method_mirror.end(x);
    auth_method_mirror.end(NULL);
}

static void anything_else_is_wrong(void **state)
{
    (void)state;
    struct auth_exchange *x = auth_method_mirror.begin(NULL);
    struct auth_answer out;
    struct mqtt_slice answer = challenge(x, text("bob"));
    answer.len--;
    assert_int_equal(auth_method_mirror.step(x, answer, &out), AUTH_STEP_REFUSED);
    assert_int_equal(out.username.len, 0);
    answer = challenge(x, text("bob"));
    ((uint8_t *)(uintptr_t)answer.data)[15] ^= 1;
    assert_int_equal(auth_method_mirror.step(x, answer, &out), AUTH_STEP_REFUSED);
    assert_int_equal(out.username.len, 0);
    auth_method_mirror.end(x);
}

/* Or one that was listened to would be good for ever. */
static void each_challenge_is_another_one(void **state)
{
    (void)state;
    struct auth_exchange *x = auth_method_mirror.begin(NULL);
    struct auth_answer out;
    uint8_t first[16];
    memcpy(first, challenge(x, text("bob")).data, sizeof(first));
    auth_method_mirror.step(x, text("wrong"), &out);
    assert_memory_not_equal(challenge(x, text("bob")).data, first, sizeof(first));
    auth_method_mirror.end(x);
}

static void a_name_may_come_later_and_has_256_bytes_at_most(void **state)
{
    static const uint8_t name[257] = "bob";
    (void)state;
    struct auth_exchange *x = auth_method_mirror.begin(NULL);
    struct auth_answer out;
    assert_int_equal(auth_method_mirror.step(x, text(""), &out), AUTH_STEP_CONTINUE);
    assert_int_equal(out.data.len, 0);
    assert_int_equal(auth_method_mirror.step(x, mqtt_slice_of(name, 257), &out), AUTH_STEP_REFUSED);
    struct mqtt_slice answer = challenge(x, mqtt_slice_of(name, 256));
    assert_int_equal(auth_method_mirror.step(x, answer, &out), AUTH_STEP_ACCEPTED);
    assert_int_equal(out.username.len, 256);
    auth_method_mirror.end(x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_method_is_found_by_its_name_if_it_is_allowed),
        cmocka_unit_test(a_challenge_back_to_front_is_right),
        cmocka_unit_test(anything_else_is_wrong),
        cmocka_unit_test(each_challenge_is_another_one),
        cmocka_unit_test(a_name_may_come_later_and_has_256_bytes_at_most),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
