/* auth with certificates: who is let in by a name in one, and who isn't for lack of one. */
#include "broker/auth/auth.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <event2/event.h>

#include "broker/auth/certificate/peer_certificate.h"
#include "broker/base/broker_config.h"

struct bed {
    struct event_base *base;
    struct broker_config config;
    struct auth *auth;
    struct chain_wait wait;
    struct peer_certificate *certificate;
    int changes;
};

static int set_up(void **state)
{
    struct bed *b = calloc(1, sizeof(*b));
    b->base = event_base_new();
    b->certificate = peer_certificate_new("truck-17", NULL, 0);
    b->config.auth.max_waiting_logins = 4;
    b->config.auth.hash_threads = 1;
    b->config.auth.certificate.identity = CERTIFICATE_CN;
    *state = b;
    return 0;
}

static int tear_down(void **state)
{
    struct bed *b = *state;
    chain_cancel(&b->wait);
    auth_free(b->auth);
    peer_certificate_free(b->certificate);
    event_base_free(b->base);
    free(b);
    return 0;
}

static void begin(struct bed *b)
{
    char err[256];
    b->auth = auth_new(b->base, &b->config, false, 7, err, sizeof(err));
    if (b->auth == NULL)
        fail_msg("%s", err);
}

static enum login_verdict login(struct bed *b, const char *user,
                                const struct peer_certificate *certificate)
{
    struct source_request r = {.has_username = user != NULL, .certificate = certificate};
    if (user != NULL)
        r.username = mqtt_slice_of(user, strlen(user));
    chain_cancel(&b->wait);
    b->wait = (struct chain_wait){0};
    return auth_login(b->auth, NULL, &r, &b->wait);
}

static void its_name_is_the_user_name(void **state)
{
    struct bed *b = *state;
    begin(b);
    assert_true(auth_wants_certificate(b->auth, NULL));
    assert_int_equal(login(b, NULL, b->certificate), LOGIN_OK);
    const struct grant *g = &b->wait.source.grant;
    assert_string_equal(g->username, "truck-17");
    assert_int_equal(g->source, SOURCE_CERTIFICATE);
    assert_true(auth_still_admits(b->auth, NULL, SOURCE_CERTIFICATE, "truck-17", g->stamp));
    assert_int_equal(login(b, "admin", b->certificate),
                     LOGIN_OK); /* what CONNECT says doesn't count */
    assert_string_equal(b->wait.source.grant.username, "truck-17");
}

static void without_one_the_next_is_asked_or_nobody(void **state)
{
    struct bed *b = *state;
    b->config.auth.anonymous = true;
    begin(b);
    assert_int_equal(login(b, NULL, NULL), LOGIN_OK);
    assert_null(b->wait.source.grant.username);
    assert_int_equal(login(b, "admin", NULL), LOGIN_BAD);
    auth_free(b->auth);
    b->config.auth.certificate.require = true;
    begin(b);
    assert_int_equal(login(b, NULL, NULL), LOGIN_NOT_AUTHORIZED);
    assert_int_equal(login(b, "admin", NULL), LOGIN_NOT_AUTHORIZED);
    assert_int_equal(login(b, NULL, b->certificate), LOGIN_OK);
    auth_free(b->auth);
    b->config.auth.certificate.identity = CERTIFICATE_SAN_DNS; /* which it hasn't */
    begin(b);
    assert_int_equal(login(b, NULL, b->certificate), LOGIN_NOT_AUTHORIZED);
}

static void a_method_doesnt_get_around_it(void **state)
{
    struct bed *b = *state;
    begin(b);
    assert_true(auth_allows_method(b->auth, NULL, NULL));
    auth_free(b->auth);
    b->config.auth.certificate.require = true;
    begin(b);
    assert_false(auth_allows_method(b->auth, NULL, NULL));
    assert_true(auth_allows_method(b->auth, NULL, b->certificate));
}

static void note_change(void *arg)
{
    ((struct bed *)arg)->changes++;
}

static void other_names_close_who_came_by_these(void **state)
{
    struct bed *b = *state;
    begin(b);
    assert_int_equal(login(b, NULL, b->certificate), LOGIN_OK);
    uint64_t stamp = b->wait.source.grant.stamp;
    b->config.auth.certificate.identity = CERTIFICATE_SAN_URI;
    auth_on_change(b->auth, note_change, b);
    auth_reload(b->auth);
    while (b->changes == 0)
        event_base_loop(b->base, EVLOOP_ONCE);
    assert_false(auth_still_admits(b->auth, NULL, SOURCE_CERTIFICATE, "truck-17", stamp));
}

static void where_it_is_off_nobody_looks(void **state)
{
    struct bed *b = *state;
    b->config.auth.certificate.identity = CERTIFICATE_OFF;
    begin(b);
    assert_false(auth_wants_certificate(b->auth, NULL));
    assert_int_equal(login(b, NULL, b->certificate), LOGIN_NOT_AUTHORIZED);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(its_name_is_the_user_name),     TEST(without_one_the_next_is_asked_or_nobody),
        TEST(a_method_doesnt_get_around_it), TEST(other_names_close_who_came_by_these),
        TEST(where_it_is_off_nobody_looks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
