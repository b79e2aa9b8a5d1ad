/* login: what is hashed and what isn't, who is told what. Real threads; a clock only where it must
 * take as long as a hash. */
#include "broker/auth/login/login.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
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
    "ZNrXsaK6obQzf2tBrXizQ=="
#define BOB "bob:$7$101$" HASH "\n" /* builder */
/* The same, told to be of many iterations: wrong, but as slow. */
#define SLOW "slow:$7$60000$" HASH "\n"

struct fixture {
    struct event_base *base;
    struct logins *logins;
    struct passwd *passwd;
};

struct asker {
    struct login_wait wait;
    enum login_verdict verdict;
    unsigned told;
    struct peer peer;
};

static struct passwd *load(const char *text)
{
    char err[300];
    temp_file_write(text, strlen(text));
    struct passwd *p = passwd_load(temp_file, KEY, err, sizeof(err));
    if (p == NULL)
        fail_msg("%s", err);
    return p;
}

static void begin(struct fixture *f, const char *users)
{
    f->base = event_base_new();
    f->logins = logins_new(f->base, KEY, 1, MAX_WAITING);
    f->passwd = load(users);
    assert_non_null(f->logins);
    login_set_table(f->logins, f->passwd);
}

static void end(struct fixture *f)
{
    logins_free(f->logins);
    passwd_free(f->passwd);
    event_base_free(f->base);
}

static void on_done(void *arg, enum login_verdict verdict)
{
    struct asker *a = arg;
    a->verdict = verdict;
    a->told++;
}

static struct mqtt_slice slice(const char *text)
{
    return (struct mqtt_slice){(const uint8_t *)text, (uint32_t)strlen(text)};
}

static enum login_verdict ask(struct fixture *f, struct asker *a, const char *user,
                              const char *password)
{
    struct login_request r = {.username = slice(user), .password = slice(password)};
    *a = (struct asker){.wait = {.done = on_done, .arg = a}};
    r.source = &a->peer;
    a->verdict = login_check(f->logins, &r, &a->wait);
    return a->verdict;
}

static enum login_verdict settle(struct fixture *f, struct asker *a)
{
    while (a->verdict == LOGIN_PENDING)
        assert_int_equal(event_base_loop(f->base, EVLOOP_ONCE), 0);
    return a->verdict;
}

static void a_password_is_hashed_once_and_then_known(void **state)
{
    struct fixture f;
    struct asker a;
    (void)state;
    begin(&f, BOB);
    assert_int_equal(ask(&f, &a, "bob", "builder"), LOGIN_PENDING);
    assert_int_equal(settle(&f, &a), LOGIN_OK);
    assert_true(a.wait.stamp == passwd_stamp(f.passwd, slice("bob")));
    for (int i = 0; i < 500; i++)
        assert_int_equal(ask(&f, &a, "bob", "builder"), LOGIN_OK);
    assert_int_equal(ask(&f, &a, "bob", "wrong"), LOGIN_PENDING);
    assert_int_equal(settle(&f, &a), LOGIN_BAD);
    assert_int_equal(ask(&f, &a, "bob", "wrong"), LOGIN_BAD);
    assert_int_equal(ask(&f, &a, "bob", ""), LOGIN_BAD);
    assert_int_equal(ask(&f, &a, "", "builder"), LOGIN_BAD);
    assert_int_equal(login_stats(f.logins)->hashed, 2);
    assert_int_equal(login_stats(f.logins)->remembered, 500);
    end(&f);
}

static void clients_with_one_password_wait_for_one_hash(void **state)
{
    struct fixture f;
    struct asker askers[100];
    (void)state;
    begin(&f, BOB);
    for (size_t i = 0; i < 100; i++)
        assert_int_equal(ask(&f, &askers[i], "bob", "builder"), LOGIN_PENDING);
    for (size_t i = 0; i < 100; i++) {
        assert_int_equal(settle(&f, &askers[i]), LOGIN_OK);
        assert_int_equal(askers[i].told, 1);
    }
    assert_int_equal(login_stats(f.logins)->hashed, 1);
    end(&f);
}

static void who_goes_away_takes_its_login_along(void **state)
{
    struct fixture f;
    struct asker first;
    struct asker gone[3];
    struct asker stays;
    (void)state;
    begin(&f, SLOW BOB);
    ask(&f, &first, "slow", "x"); /* the thread has it */
    ask(&f, &gone[0], "slow", "y");
    ask(&f, &gone[1], "slow", "z");
    ask(&f, &stays, "slow", "z");
    ask(&f, &gone[2], "nobody", "z");
    for (size_t i = 0; i < 3; i++)
        login_cancel(&gone[i].wait);
    login_cancel(&first.wait);
    assert_int_equal(settle(&f, &stays), LOGIN_BAD);
    assert_int_equal(first.told + gone[0].told + gone[1].told + gone[2].told, 0);
    assert_int_equal(login_stats(f.logins)->hashed, 2);
    assert_int_equal(login_waiting(f.logins), 0);
    end(&f);
}

static void too_many_are_told_so_and_a_clean_one_goes_before_guesses(void **state)
{
    struct fixture f;
    struct asker guesses[MAX_WAITING + 3];
    struct asker bob;
    unsigned busy = 0;
    char text[16];
    (void)state;
    begin(&f, SLOW BOB);
    for (size_t i = 0; i < MAX_WAITING + 3; i++) { /* one runs */
        snprintf(text, sizeof(text), "guess-%zu", i);
        ask(&f, &guesses[i], "slow", text);
    }
    assert_int_equal(guesses[MAX_WAITING + 1].verdict, LOGIN_BUSY);
    assert_int_equal(guesses[MAX_WAITING + 2].verdict, LOGIN_BUSY);
    assert_int_equal(settle(&f, &guesses[0]), LOGIN_BAD);
    ask(&f, &guesses[0], "slow", "one more");
    assert_int_equal(ask(&f, &bob, "bob", "builder"), LOGIN_PENDING);
    for (size_t i = 0; i < MAX_WAITING + 1; i++)
        busy += guesses[i].verdict == LOGIN_BUSY;
    assert_int_equal(busy, 1);
    assert_int_equal(settle(&f, &bob), LOGIN_OK);
    for (size_t i = 0; i < MAX_WAITING + 1; i++)
        settle(&f, &guesses[i]);
    end(&f);
}

/* Time of one answer. */
static uint64_t answer_ms(struct fixture *f, const char *user, const char *password)
{
    struct asker a;
    uint64_t begun = clock_monotonic_ms();
    ask(f, &a, user, password);
    assert_int_equal(settle(f, &a), LOGIN_BAD);
    return clock_monotonic_ms() - begun;
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static void unknown_users_take_as_long_and_cost_no_hash(void **state)
{
    struct fixture f;
    (void)state;
    uint64_t wrong_least = UINT64_MAX, unknown_most = 0, repeat_least = UINT64_MAX;
    begin(&f, SLOW BOB);
    for (int i = 0; i < 3; i++) {
        char text[16];
        snprintf(text, sizeof(text), "guess-%d", i);
        wrong_least = least(wrong_least, answer_ms(&f, "slow", text));
        uint64_t hashed = login_stats(f.logins)->hashed;
        uint64_t unknown_ms = answer_ms(&f, "nobody", text);
        unknown_most = unknown_ms > unknown_most ? unknown_ms : unknown_most;
        assert_int_equal(login_stats(f.logins)->hashed, hashed);
        repeat_least = least(repeat_least, answer_ms(&f, "nobody", text));
    }
    /* The best of three: others use the machine, too, and only make times longer. */
    assert_true(unknown_most > wrong_least / 4);
    assert_true(repeat_least < 5 + wrong_least / 2); /* a repeat, as wrong ones */
    end(&f);
}

static void a_new_file_counts_for_who_waits(void **state)
{
    struct fixture f;
    struct asker running;
    struct asker waiting;
    struct asker known;
    (void)state;
    begin(&f, SLOW BOB);
    ask(&f, &known, "bob", "builder");
    assert_int_equal(settle(&f, &known), LOGIN_OK);
    ask(&f, &running, "slow", "builder"); /* wrong by the old line, right by the new one */
    ask(&f, &waiting, "slow", "wrong");
    struct passwd *fresh = load("slow:$7$101$" HASH "\n");
    login_set_table(f.logins, fresh);
    size_t at = 0;
    while (login_forget_some(f.logins, &at))
        ;
    assert_int_equal(settle(&f, &running), LOGIN_OK);
    assert_int_equal(settle(&f, &waiting), LOGIN_BAD);
    ask(&f, &known, "bob", "builder");
    assert_int_equal(settle(&f, &known), LOGIN_BAD); /* no user any more */
    passwd_free(f.passwd);
    f.passwd = fresh;
    end(&f);
}

/* ---- what somebody else has found out --------------------------------------------------------- */

static enum login_verdict settled(struct fixture *f, struct asker *a, const char *user, bool right,
                                  uint64_t stamp)
{
    struct login_request r = {.username = slice(user)};
    *a = (struct asker){.wait = {.done = on_done, .arg = a}};
    r.source = &a->peer;
    a->verdict = login_settle(f->logins, &r, right, stamp, &a->wait);
    return a->verdict;
}

static void who_is_right_is_told_at_once_and_who_is_wrong_later(void **state)
{
    struct fixture f;
    struct asker a;
    (void)state;
    begin(&f, SLOW BOB);
    assert_int_equal(settled(&f, &a, "bob", true, 5), LOGIN_OK);
    assert_true(a.wait.stamp == 5);
    assert_int_equal(settled(&f, &a, "bob", false, 5), LOGIN_PENDING);
    assert_int_equal(settle(&f, &a), LOGIN_BAD);
    assert_int_equal(settled(&f, &a, "bob", true, 7), LOGIN_PENDING); /* name and source failed */
    assert_int_equal(settle(&f, &a), LOGIN_OK);
    assert_true(a.wait.stamp == 7);
    assert_int_equal(a.told, 1);
    assert_int_equal(settled(&f, &a, "slow", true, 5), LOGIN_OK); /* the source only */
    assert_int_equal(login_stats(f.logins)->settled, 4);
    assert_int_equal(login_stats(f.logins)->hashed, 0);
    end(&f);
}

/* Or names could be made up without end. */
static void a_name_that_isnt_known_is_not_counted(void **state)
{
    struct fixture f;
    struct asker a;
    (void)state;
    begin(&f, SLOW BOB);
    assert_int_equal(settled(&f, &a, "nobody", false, 0), LOGIN_PENDING);
    assert_int_equal(settle(&f, &a), LOGIN_BAD);
    assert_int_equal(settled(&f, &a, "nobody", true, 5), LOGIN_OK);
    end(&f);
}

static void what_nobody_waits_for_is_counted(void **state)
{
    struct fixture f;
    struct asker a;
    struct login_request r = {.username = slice("bob"), .source = &a.peer};
    (void)state;
    begin(&f, SLOW BOB);
    memset(&a, 0, sizeof(a));
    assert_int_equal(login_settle(f.logins, &r, false, 5, NULL), LOGIN_BAD);
    assert_int_equal(settled(&f, &a, "bob", true, 5), LOGIN_PENDING);
    login_cancel(&a.wait);
    assert_int_equal(a.told, 0);
    end(&f);
}

/* The end comes while a hash runs and others wait. */
static void the_end_waits_for_threads_only(void **state)
{
    struct fixture f;
    struct asker a[3];
    (void)state;
    begin(&f, SLOW);
    for (size_t i = 0; i < 3; i++)
        ask(&f, &a[i], "slow", i == 0 ? "x" : i == 1 ? "y" : "z");
    for (size_t i = 0; i < 3; i++)
        login_cancel(&a[i].wait);
    end(&f);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, temp_file_make, temp_file_remove)
    const struct CMUnitTest tests[] = {
        TEST(a_password_is_hashed_once_and_then_known),
        TEST(clients_with_one_password_wait_for_one_hash),
        TEST(who_goes_away_takes_its_login_along),
        TEST(too_many_are_told_so_and_a_clean_one_goes_before_guesses),
        TEST(unknown_users_take_as_long_and_cost_no_hash),
        TEST(a_new_file_counts_for_who_waits),
        TEST(who_is_right_is_told_at_once_and_who_is_wrong_later),
        TEST(a_name_that_isnt_known_is_not_counted),
        TEST(what_nobody_waits_for_is_counted),
        TEST(the_end_waits_for_threads_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
