/* auth: who is let in, with and without a password file, and what a reload changes. What clients may do:
 * test_auth_rules.c. */
#include "broker/auth/auth.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <event2/event.h>

#include "broker/base/broker_config.h"

#define HASH                                                                                       \
    "$7$101$Ptfbf+/UilUk4JMs$ydlQabaPjb0+npFzHtU/4PYdOTDjX3OlejCxbCIG2TmRlCxHF26LkMAV1PTuTy6Xz"    \
    "ZNrXsaK6obQzf2tBrXizQ==\n"
#define BOB "bob:" HASH /* builder */
#define EVE "eve:" HASH

struct bed {
    struct event_base *base;
    struct broker_config config;
    struct auth *auth;
    char users[32], rules[32]; /* paths */
    char err[256];
    int changes;
    struct chain_wait wait;
    enum login_verdict verdict; /* of the last login */
};

static void write_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static int set_up(void **state)
{
    struct bed *b = calloc(1, sizeof(*b));
    strcpy(b->users, "/tmp/flotilla-users-XXXXXX");
    strcpy(b->rules, "/tmp/flotilla-rules-XXXXXX");
    close(mkstemp(b->users));
    close(mkstemp(b->rules));
    b->base = event_base_new();
    b->config.auth.max_waiting_logins = 4;
    b->config.auth.hash_threads = 1;
    *state = b;
    return 0;
}

static int tear_down(void **state)
{
    struct bed *b = *state;
    auth_free(b->auth);
    event_base_free(b->base);
    unlink(b->users);
    unlink(b->rules);
    free(b);
    return 0;
}

/* With these files; NULL: none. False with a sentence in b->err. */
static bool begin(struct bed *b, const char *users, const char *rules)
{
    if (users != NULL)
        write_file(b->users, users);
    if (rules != NULL)
        write_file(b->rules, rules);
    b->config.auth.password_file = users != NULL ? b->users : NULL;
    b->config.auth.acl_file = rules != NULL ? b->rules : NULL;
    b->auth = auth_new(b->base, &b->config, false, 7, b->err, sizeof(b->err));
    return b->auth != NULL;
}

static struct mqtt_slice text(const char *s)
{
    return (struct mqtt_slice){.data = (const uint8_t *)s, .len = (uint32_t)strlen(s)};
}

static void judged(void *arg, enum login_verdict verdict)
{
    ((struct bed *)arg)->verdict = verdict;
}

/* `user` may be NULL. */
static enum login_verdict login(struct bed *b, const char *user, const char *password)
{
    struct source_request r = {.has_username = user != NULL, .password = text(password)};
    if (user != NULL)
        r.username = text(user);
    b->wait = (struct chain_wait){.done = judged, .arg = b};
    b->verdict = auth_login(b->auth, NULL, &r, &b->wait);
    while (b->verdict == LOGIN_PENDING)
        event_base_loop(b->base, EVLOOP_ONCE);
    return b->verdict;
}

static bool still_admits(struct bed *b, enum source_kind source, const char *user, uint64_t stamp)
{
    return auth_still_admits(b->auth, NULL, source, user, stamp);
}

/* Of the last login. */
static uint64_t stamp_of(const struct bed *b)
{
    return b->wait.source.grant.stamp;
}

/* ---- who comes in ----------------------------------------------------------------------------- */

static void without_a_password_file_nobody_or_anybody_comes_in(void **state)
{
    struct bed *b = *state;
    assert_true(begin(b, NULL, NULL));
    assert_null(auth_logins(b->auth));
    assert_int_equal(login(b, NULL, ""), LOGIN_NOT_AUTHORIZED);
    assert_int_equal(login(b, "bob", "builder"), LOGIN_NOT_AUTHORIZED);
    assert_false(still_admits(b, SOURCE_NOBODY, NULL, 0));
    auth_free(b->auth);
    b->config.auth.anonymous = true;
    assert_true(begin(b, NULL, NULL));
    assert_int_equal(login(b, NULL, ""), LOGIN_OK);
    assert_int_equal(login(b, "bob", "whatever"), LOGIN_OK);
    assert_true(still_admits(b, SOURCE_NOBODY, "bob", 0));
}

static void anyone_comes_in_where_the_command_line_says_so(void **state)
{
    struct bed *b = *state;
    b->auth = auth_new(b->base, &b->config, true, 7, b->err, sizeof(b->err));
    assert_int_equal(login(b, NULL, ""), LOGIN_OK);
}

static void with_one_the_password_must_be_right(void **state)
{
    struct bed *b = *state;
    assert_true(begin(b, BOB, NULL));
    assert_int_equal(login(b, "bob", "builder"), LOGIN_OK);
    assert_int_not_equal(stamp_of(b), 0);
    assert_true(still_admits(b, SOURCE_FILE, "bob", stamp_of(b)));
    assert_false(still_admits(b, SOURCE_FILE, "bob", stamp_of(b) + 1));
    assert_false(still_admits(b, SOURCE_NOBODY, "bob", 0));
    assert_false(still_admits(b, SOURCE_FILE, "eve", stamp_of(b)));
    assert_int_equal(login(b, "bob", "wrong"), LOGIN_BAD);
    assert_int_equal(login(b, "eve", "builder"), LOGIN_BAD);
    assert_int_equal(login(b, NULL, ""), LOGIN_NOT_AUTHORIZED);
    assert_int_equal(stamp_of(b), 0);
}

static void beside_one_clients_without_a_name_may_be_allowed(void **state)
{
    struct bed *b = *state;
    b->config.auth.anonymous = true;
    assert_true(begin(b, BOB, NULL));
    assert_int_equal(login(b, NULL, ""), LOGIN_OK);
    assert_int_equal(login(b, "eve", "builder"), LOGIN_BAD);
    assert_true(still_admits(b, SOURCE_NOBODY, NULL, 0));
    assert_false(still_admits(b, SOURCE_NOBODY, "eve", 0));
}

static void bad_files_are_named(void **state)
{
    struct bed *b = *state;
    assert_false(begin(b, "bob\n", NULL));
    assert_non_null(strstr(b->err, b->users));
    assert_false(begin(b, BOB, "topic\n"));
    assert_non_null(strstr(b->err, b->rules));
}

/* ---- reloads ---------------------------------------------------------------------------------- */

static void note_change(void *arg)
{
    ((struct bed *)arg)->changes++;
}

/* The password file has this text now. */
static void reload(struct bed *b, const char *users)
{
    auth_on_change(b->auth, note_change, b);
    b->config.auth.password_file = b->users;
    write_file(b->users, users);
    auth_reload(b->auth);
}

static void wait_for_change(struct bed *b)
{
    while (b->changes == 0)
        event_base_loop(b->base, EVLOOP_ONCE);
    assert_int_equal(b->changes, 1);
}

static void a_reload_changes_the_users_and_says_so(void **state)
{
    struct bed *b = *state;
    size_t at = 0;
    assert_true(begin(b, BOB, NULL));
    assert_int_equal(login(b, "bob", "builder"), LOGIN_OK);
    uint64_t stamp = stamp_of(b);
    reload(b, EVE);
    wait_for_change(b);
    assert_false(still_admits(b, SOURCE_FILE, "bob", stamp));
    assert_int_equal(login(b, "bob", "builder"), LOGIN_BAD);
    assert_int_equal(login(b, "eve", "builder"), LOGIN_OK);
    while (auth_forget_some(b->auth, &at))
        continue;
}

static void a_password_file_may_come_with_it(void **state)
{
    struct bed *b = *state;
    size_t at = 0;
    assert_true(begin(b, NULL, NULL));
    assert_false(auth_forget_some(b->auth, &at));
    reload(b, BOB);
    wait_for_change(b);
    assert_int_equal(login(b, "bob", "builder"), LOGIN_OK);
}

/* The second one shows that the first one is over. */
static void a_bad_one_changes_nothing(void **state)
{
    struct bed *b = *state;
    assert_true(begin(b, BOB, NULL));
    reload(b, "nonsense\n");
    event_base_loop(b->base, EVLOOP_ONCE);
    assert_int_equal(b->changes, 0);
    assert_int_equal(login(b, "bob", "builder"), LOGIN_OK);
    reload(b, EVE);
    wait_for_change(b);
    assert_int_equal(login(b, "eve", "builder"), LOGIN_OK);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(without_a_password_file_nobody_or_anybody_comes_in),
        TEST(anyone_comes_in_where_the_command_line_says_so),
        TEST(with_one_the_password_must_be_right),
        TEST(beside_one_clients_without_a_name_may_be_allowed),
        TEST(bad_files_are_named),
        TEST(a_reload_changes_the_users_and_says_so),
        TEST(a_password_file_may_come_with_it),
        TEST(a_bad_one_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
