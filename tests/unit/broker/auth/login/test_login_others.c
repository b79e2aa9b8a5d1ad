/* login: what isn't a line of the table (login_check_by), and what is refused unseen (login_refuse). */
#include "broker/auth/login/login.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <event2/event.h>

#include "broker/auth/files/passwd.h"
#include "common/base/clock.h"
#include "common/net/peer.h"
#include "tests/unit/temp_file.h"

enum { KEY = 7, MAX_WAITING = 4 };

#define HASH                                                                                       \
    "Ptfbf+/UilUk4JMs$ydlQabaPjb0+npFzHtU/4PYdOTDjX3OlejCxbCIG2TmRlCxHF26LkMAV1PTuTy6Xz"           \
    "ZNrXsaK6obQzf2tBrXizQ==\n"

struct bed {
    struct event_base *base;
    struct logins *logins;
    struct passwd *passwd;
};

struct asker {
    struct login_wait wait;
    enum login_verdict verdict;
    struct peer peer;
};

static unsigned released;

static int set_up(void **state)
{
    static struct bed bed;
    bed = (struct bed){.base = event_base_new()};
    bed.logins = logins_new(bed.base, KEY, 1, MAX_WAITING);
    released = 0;
    *state = &bed;
    return bed.logins != NULL ? 0 : -1;
}

static int tear_down(void **state)
{
    struct bed *b = *state;
    logins_free(b->logins);
    passwd_free(b->passwd);
    event_base_free(b->base);
    return 0;
}

/* The table of users from now on. */
static void use(struct bed *b, const char *users)
{
    char err[300];
    temp_file_write(users, strlen(users));
    struct passwd *fresh = passwd_load(temp_file, KEY, err, sizeof(err));
    assert_non_null(fresh);
    login_set_table(b->logins, fresh);
    passwd_free(b->passwd);
    b->passwd = fresh;
}

static struct mqtt_slice slice(const char *text)
{
    return mqtt_slice_of(text, strlen(text));
}

static void on_done(void *arg, enum login_verdict verdict)
{
    ((struct asker *)arg)->verdict = verdict;
}

static struct login_request request(struct asker *a, const char *user, const char *password)
{
    *a = (struct asker){.wait = {.done = on_done, .arg = a}};
    return (struct login_request){
        .username = slice(user), .password = slice(password), .source = &a->peer};
}

/* Its secret is a text. */
static bool is_same(void *secret, struct mqtt_slice password)
{
    return password.len == strlen(secret) && memcmp(password.data, secret, password.len) == 0;
}

static void release(void *secret)
{
    (void)secret;
    released++;
}

static enum login_verdict check_by(struct bed *b, struct asker *a, const char *user,
                                   const char *password)
{
    struct login_request r = request(a, user, password);
    const struct login_test test = {.stamp = 77,
                                    .cost = 64,
                                    .matches = is_same,
                                    .release = release,
                                    .secret = (char *)(uintptr_t) "open sesame"};
    return a->verdict = login_check_by(b->logins, &r, &test, &a->wait);
}

static enum login_verdict refuse(struct bed *b, struct asker *a, const char *user,
                                 const char *password)
{
    struct login_request r = request(a, user, password);
    return a->verdict = login_refuse(b->logins, &r, true, &a->wait);
}

static enum login_verdict settle(struct bed *b, struct asker *a)
{
    while (a->verdict == LOGIN_PENDING)
        assert_int_equal(event_base_loop(b->base, EVLOOP_ONCE), 0);
    return a->verdict;
}

/* ---- login_check_by --------------------------------------------------------------------------- */

static void it_is_checked_once_and_then_known(void **state)
{
    struct bed *b = *state;
    struct asker a;
    assert_int_equal(check_by(b, &a, "dev", "open sesame"), LOGIN_PENDING);
    assert_int_equal(settle(b, &a), LOGIN_OK);
    assert_int_equal(a.wait.stamp, 77);
    assert_int_equal(check_by(b, &a, "dev", "open sesame"), LOGIN_OK);
    assert_int_equal(a.wait.stamp, 77);
    assert_int_equal(check_by(b, &a, "dev", "open barley"), LOGIN_PENDING);
    assert_int_equal(settle(b, &a), LOGIN_BAD);
    assert_int_equal(check_by(b, &a, "dev", "open barley"), LOGIN_BAD);
    assert_int_equal(released, 4); /* each time */
    assert_int_equal(login_stats(b->logins)->hashed, 2);
    assert_int_equal(login_stats(b->logins)->remembered, 1);
    assert_int_equal(login_stats(b->logins)->repeated, 1);
}

static void those_who_wait_for_the_same_get_one_answer(void **state)
{
    struct bed *b = *state;
    struct asker a[20];
    for (size_t i = 0; i < 20; i++)
        assert_int_equal(check_by(b, &a[i], "dev", "open sesame"), LOGIN_PENDING);
    for (size_t i = 0; i < 20; i++)
        assert_int_equal(settle(b, &a[i]), LOGIN_OK);
    assert_int_equal(login_stats(b->logins)->hashed, 1);
    assert_int_equal(released, 20);
}

static void who_goes_away_leaves_nothing(void **state)
{
    struct bed *b = *state;
    struct asker a;
    assert_int_equal(check_by(b, &a, "dev", "open sesame"), LOGIN_PENDING);
    login_cancel(&a.wait);
    while (released == 0)
        assert_int_equal(event_base_loop(b->base, EVLOOP_ONCE), 0);
    assert_int_equal(a.verdict, LOGIN_PENDING);
}

static void what_doesnt_fit_is_busy_and_released(void **state)
{
    struct bed *b = *state;
    struct asker a[200];
    char password[32];
    unsigned busy = 0, pending = 0;
    for (size_t i = 0; i < 200; i++) {
        snprintf(password, sizeof(password), "guess %zu", i);
        check_by(b, &a[i], "dev", password);
    }
    for (size_t i = 0; i < 200; i++) {
        settle(b, &a[i]);
        busy += a[i].verdict == LOGIN_BUSY;
        pending += a[i].verdict == LOGIN_BAD;
    }
    assert_int_equal(busy + pending, 200);
    assert_true(busy > 0);
    assert_int_equal(released, 200);
}

static void a_new_table_forgets_it(void **state)
{
    struct bed *b = *state;
    struct asker a;
    size_t at = 0;
    assert_int_equal(check_by(b, &a, "dev", "open sesame"), LOGIN_PENDING);
    assert_int_equal(settle(b, &a), LOGIN_OK);
    use(b, "bob:$7$101$" HASH);
    while (login_forget_some(b->logins, &at))
        continue;
    assert_int_equal(check_by(b, &a, "dev", "open sesame"), LOGIN_PENDING);
    assert_int_equal(settle(b, &a), LOGIN_OK);
}

/* ---- login_refuse ----------------------------------------------------------------------------- */

/* Although it is his password. */
static void a_user_of_the_table_is_refused_as_well(void **state)
{
    struct bed *b = *state;
    struct asker a;
    use(b, "bob:$7$101$" HASH);
    assert_true(login_knows(b->logins, slice("bob")));
    assert_false(login_knows(b->logins, slice("eve")));
    assert_int_equal(refuse(b, &a, "bob", "builder"), LOGIN_PENDING);
    assert_int_equal(settle(b, &a), LOGIN_BAD);
    assert_int_equal(refuse(b, &a, "bob", "builder"), LOGIN_BAD); /* known to be wrong */
    struct login_request r = request(&a, "bob", "builder");
    a.verdict = login_check(b->logins, &r, &a.wait);
    assert_int_equal(settle(b, &a), LOGIN_OK);
    assert_int_equal(refuse(b, &a, "bob", "builder"), LOGIN_BAD);
}

static void it_takes_as_long_as_a_hash(void **state)
{
    struct bed *b = *state;
    struct asker a, slow;
    use(b, "slow:$7$60000$" HASH);
    struct login_request r = request(&slow, "slow", "wrong");
    slow.verdict = login_check(b->logins, &r, &slow.wait);
    settle(b, &slow);
    uint64_t begun_ms = clock_monotonic_ms();
    assert_int_equal(refuse(b, &a, "eve", "wrong"), LOGIN_PENDING);
    settle(b, &a);
    assert_int_equal(a.verdict, LOGIN_BAD);
    assert_true(clock_monotonic_ms() - begun_ms > 20);
    assert_int_equal(login_stats(b->logins)->hashed, 1);
    assert_int_equal(login_stats(b->logins)->unknown_user, 1);
}

static void without_a_table_it_takes_a_moment_each(void **state)
{
    struct bed *b = *state;
    struct asker a[4];
    uint64_t begun_ms = clock_monotonic_ms();
    char password[32];
    for (size_t i = 0; i < 4; i++) {
        snprintf(password, sizeof(password), "guess %zu", i);
        assert_int_equal(refuse(b, &a[i], "eve", password), LOGIN_PENDING);
    }
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(settle(b, &a[i]), LOGIN_BAD);
    assert_true(clock_monotonic_ms() - begun_ms >= 15); /* one after another: one address */
    assert_int_equal(login_stats(b->logins)->hashed, 0);
}

static void what_cant_be_right_is_refused_at_once(void **state)
{
    struct bed *b = *state;
    struct asker a;
    assert_int_equal(refuse(b, &a, "eve", ""), LOGIN_BAD);
    assert_int_equal(refuse(b, &a, "", "x"), LOGIN_BAD);
    use(b, "alice:$6$6b6crkICA6K11Zv2$Y2nU2aqf5isZLuHD4iPOLhbdVl3cmPnM9qZU8aILKLOJrGzEte0yldsnYV/"
           "4RvBsVlH1igwDtZZsOxXV8hpKaw==\n");
    assert_int_equal(refuse(b, &a, "eve", "x"), LOGIN_BAD); /* so are wrong passwords then */
}

static void argon2_takes_long_passwords_whole(void **state)
{
    struct bed *b = *state;
    struct asker a;
    char password[300];
    use(b, "bob:$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$"
           "nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4\n"); /* "password" */
    struct login_request r = request(&a, "bob", "password");
    a.verdict = login_check(b->logins, &r, &a.wait);
    assert_int_equal(a.verdict, LOGIN_PENDING);
    assert_int_equal(settle(b, &a), LOGIN_OK);
    memset(password, 'x', sizeof(password) - 1);
    password[sizeof(password) - 1] = '\0';
    r = request(&a, "bob", password);
    a.verdict = login_check(b->logins, &r, &a.wait);
    assert_int_equal(settle(b, &a), LOGIN_BAD);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(it_is_checked_once_and_then_known),
        TEST(those_who_wait_for_the_same_get_one_answer),
        TEST(who_goes_away_leaves_nothing),
        TEST(what_doesnt_fit_is_busy_and_released),
        TEST(a_new_table_forgets_it),
        TEST(a_user_of_the_table_is_refused_as_well),
        TEST(it_takes_as_long_as_a_hash),
        TEST(without_a_table_it_takes_a_moment_each),
        TEST(what_cant_be_right_is_refused_at_once),
        TEST(argon2_takes_long_passwords_whole),
    };
    return cmocka_run_group_tests(tests, temp_file_make, temp_file_remove);
}
