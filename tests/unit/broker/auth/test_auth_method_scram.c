/* auth_method_scram: the steps of an exchange with users of a password file. The messages: test_scram. */
#include "broker/auth/auth_method.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <event2/event.h>

#include "broker/auth/auth.h"
#include "broker/auth/files/passwd.h"
#include "broker/base/broker_config.h"
#include "tests/unit/broker/auth/scram_client.h"
#include "tests/unit/temp_file.h"

struct fixture {
    struct event_base *base;
    struct broker_config config;
    struct auth *auth;
    struct auth_exchange *x;
};

static struct mqtt_slice text(const char *s)
{
    return mqtt_slice_of(s, strlen(s));
}

static int set_up(void **state)
{
    static const char users[] = SCRAM_ANN SCRAM_BOB;
    static struct fixture f;
    struct config_error error;
    char err[300];
    *state = &f;
    if (temp_file_make(state) != 0)
        return -1;
    temp_file_write(users, strlen(users));
    f = (struct fixture){.base = event_base_new()};
    if (!broker_config_default(&f.config, &error))
        return -1;
    f.config.auth.password_file = strdup(temp_file);
    f.auth = auth_new(f.base, &f.config, false, 1, err, sizeof(err));
    if (f.auth == NULL)
        return -1;
    f.x = auth_method_scram.begin(f.auth);
    return f.x != NULL ? 0 : -1;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    auth_method_scram.end(f->x);
    auth_method_scram.end(NULL);
    auth_free(f->auth);
    broker_config_free(&f->config);
    event_base_free(f->base);
    return temp_file_remove(state);
}

static enum auth_step step(struct fixture *f, struct mqtt_slice data, struct auth_answer *out)
{
    memset(out, 0x55, sizeof(*out)); /* it fills all of it */
    return auth_method_scram.step(f->x, data, out);
}

static void the_right_password_names_user_and_stamp(void **state)
{
    struct fixture *f = *state;
    struct auth_answer out;
    assert_int_equal(step(f, text(SCRAM_FIRST("ann")), &out), AUTH_STEP_CONTINUE);
    assert_int_equal(out.username.len, 0);
    assert_int_equal(step(f, scram_client_final("ann", "secret", out.data), &out),
                     AUTH_STEP_ACCEPTED);
    assert_int_equal(out.username.len, 3);
    assert_memory_equal(out.username.data, "ann", 3);
    struct grant grant;
    assert_true(auth_admit_user(f->auth, NULL, "ann", &grant));
    assert_true(out.stamp == grant.stamp);
    assert_memory_equal(out.data.data, "v=", 2);
}

static void a_wrong_one_names_the_user_and_says_nothing(void **state)
{
    struct fixture *f = *state;
    struct auth_answer out;
    step(f, text(SCRAM_FIRST("ann")), &out);
    assert_int_equal(step(f, scram_client_final("ann", "builder", out.data), &out),
                     AUTH_STEP_REFUSED);
    assert_int_equal(out.username.len, 3);
    assert_true(out.stamp != 0);
    assert_int_equal(out.data.len, 0);
    /* It is over, whatever comes. */
    assert_int_equal(step(f, text(SCRAM_FIRST("ann")), &out), AUTH_STEP_REFUSED);
    assert_int_equal(out.username.len, 0);
}

static void an_unknown_user_is_asked_and_refused(void **state)
{
    struct fixture *f = *state;
    struct auth_answer out;
    assert_int_equal(step(f, text(SCRAM_FIRST("eve")), &out), AUTH_STEP_CONTINUE);
    assert_int_equal(step(f, scram_client_final("eve", "secret", out.data), &out),
                     AUTH_STEP_REFUSED);
    assert_int_equal(out.stamp, 0);
    assert_int_equal(out.username.len, 3);
}

static void the_client_begins_if_it_said_nothing(void **state)
{
    struct fixture *f = *state;
    struct auth_answer out;
    assert_int_equal(step(f, text(""), &out), AUTH_STEP_CONTINUE);
    assert_int_equal(out.data.len, 0);
    assert_int_equal(step(f, text(SCRAM_FIRST("bob")), &out), AUTH_STEP_CONTINUE);
    assert_int_equal(step(f, scram_client_final("bob", "builder", out.data), &out),
                     AUTH_STEP_ACCEPTED);
}

static void nothing_twice_is_refused(void **state)
{
    struct fixture *f = *state;
    struct auth_answer out;
    assert_int_equal(step(f, text(""), &out), AUTH_STEP_CONTINUE);
    assert_int_equal(step(f, text(""), &out), AUTH_STEP_REFUSED);
    assert_int_equal(out.username.len, 0);
}

static void each_nonce_is_another_one(void **state)
{
    struct fixture *f = *state;
    struct auth_answer first, second;
    struct auth_exchange *x = auth_method_scram.begin(f->auth);
    assert_int_equal(step(f, text(SCRAM_FIRST("ann")), &first), AUTH_STEP_CONTINUE);
    assert_int_equal(auth_method_scram.step(x, text(SCRAM_FIRST("ann")), &second),
                     AUTH_STEP_CONTINUE);
    assert_int_equal(first.data.len, second.data.len);
    assert_memory_not_equal(first.data.data, second.data.data, first.data.len);
    auth_method_scram.end(x);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(the_right_password_names_user_and_stamp),
        TEST(a_wrong_one_names_the_user_and_says_nothing),
        TEST(an_unknown_user_is_asked_and_refused),
        TEST(the_client_begins_if_it_said_nothing),
        TEST(nothing_twice_is_refused),
        TEST(each_nonce_is_another_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
