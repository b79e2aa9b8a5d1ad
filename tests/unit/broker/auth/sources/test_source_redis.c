/* source_redis: users of a store that answers when the test wants. */
#include "broker/auth/sources/source_redis.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <event2/event.h>

#include "broker/auth/sources/chain.h"
#include "broker/auth/sources/source_end.h"

enum { KEY = 7, QUESTIONS = 64 };

/* "builder" */
#define BUILDER                                                                                    \
    "$7$101$Ptfbf+/UilUk4JMs$ydlQabaPjb0+npFzHtU/4PYdOTDjX3OlejCxbCIG2TmRlCxHF26LkMAV1PTuTy6Xz"    \
    "ZNrXsaK6obQzf2tBrXizQ=="
/* The same hash with another salt: of no password that is known. */
#define OTHER                                                                                      \
    "$7$101$AAAAAAAAAAAAAAAA$ydlQabaPjb0+npFzHtU/4PYdOTDjX3OlejCxbCIG2TmRlCxHF26LkMAV1PTuTy6Xz"    \
    "ZNrXsaK6obQzf2tBrXizQ=="

struct bed {
    struct event_base *base;
    struct logins *logins;
    struct source_redis redis;
    struct source_end end;
    struct chain chain;
    struct user_watcher watcher;
    struct user_question *asked[QUESTIONS];
    char names[QUESTIONS][16];
    unsigned first, count; /* questions that aren't answered */
    unsigned changes;
};

struct asker {
    struct chain_wait wait;
    enum login_verdict verdict;
    unsigned told;
};

static struct mqtt_slice text(const char *s)
{
    return mqtt_slice_of(s, strlen(s));
}

static void find(void *arg, struct mqtt_slice name, struct user_question *q)
{
    struct bed *b = arg;
    assert_true(b->count < QUESTIONS && name.len < 16);
    memcpy(b->names[b->count], name.data, name.len);
    b->names[b->count][name.len] = '\0';
    b->asked[b->count++] = q;
}

static void watch(void *arg, const struct user_watcher *watcher)
{
    ((struct bed *)arg)->watcher = *watcher;
}

static void on_changed(void *arg)
{
    ((struct bed *)arg)->changes++;
}

static int set_up(void **state)
{
    static struct bed bed;
    struct bed *b = &bed;
    struct user_store store = {.find = find, .watch = watch, .arg = b};
    memset(b, 0, sizeof(*b));
    b->base = event_base_new();
    b->logins = logins_new(b->base, KEY, 1, 100);
    if (b->logins == NULL || !source_redis_init(&b->redis, KEY))
        return -1;
    b->redis.logins = b->logins;
    b->redis.changed = on_changed;
    b->redis.changed_arg = b;
    source_redis_use(&b->redis, &store);
    source_end_init(&b->end, &b->chain);
    b->end.logins = b->logins;
    b->chain.sources[b->chain.count++] = &b->redis.source;
    b->chain.sources[b->chain.count++] = &b->end.source;
    *state = b;
    return 0;
}

static int tear_down(void **state)
{
    struct bed *b = *state;
    logins_free(b->logins);
    source_redis_fini(&b->redis);
    event_base_free(b->base);
    return 0;
}

static void on_done(void *arg, enum login_verdict verdict)
{
    struct asker *a = arg;
    a->verdict = verdict;
    a->told++;
}

static enum login_verdict ask(struct bed *b, struct asker *a, const char *user,
                              const char *password)
{
    const struct source_request r = {
        .has_username = user != NULL, .username = text(user), .password = text(password)};
    *a = (struct asker){.wait = {.done = on_done, .arg = a}};
    a->verdict = chain_ask(&b->chain, &r, &a->wait);
    return a->verdict;
}

/* The oldest question, which is about that user; `hash` NULL: there is none. */
static void answer(struct bed *b, const char *user, enum user_found found, const char *hash)
{
    assert_true(b->first < b->count);
    assert_string_equal(b->names[b->first], user);
    struct user_question *q = b->asked[b->first++];
    q->found(q, found, hash != NULL ? text(hash) : (struct mqtt_slice){0});
}

static enum login_verdict settle(struct bed *b, struct asker *a)
{
    while (a->verdict == LOGIN_PENDING)
        assert_int_equal(event_base_loop(b->base, EVLOOP_ONCE), 0);
    return a->verdict;
}

static enum login_verdict login(struct bed *b, const char *user, const char *password)
{
    struct asker a;
    ask(b, &a, user, password);
    settle(b, &a);
    grant_fini(&a.wait.source.grant);
    return a.verdict;
}

/* He has come in with this password. */
static uint64_t admitted(struct bed *b, const char *user, const char *hash)
{
    struct asker a;
    ask(b, &a, user, "builder");
    answer(b, user, USER_FOUND, hash);
    assert_int_equal(settle(b, &a), LOGIN_OK);
    assert_int_equal(a.wait.source.grant.source, SOURCE_REDIS);
    return a.wait.source.grant.stamp;
}

static bool stays(struct bed *b, const char *user, uint64_t stamp)
{
    return b->redis.source.ops->still_admits(&b->redis.source, text(user), stamp);
}

static void a_user_is_looked_for_once_and_remembered(void **state)
{
    struct bed *b = *state;
    struct asker askers[3];
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(ask(b, &askers[i], "bob", i == 2 ? "wrong" : "builder"), LOGIN_PENDING);
    answer(b, "bob", USER_FOUND, BUILDER);
    assert_int_equal(settle(b, &askers[0]), LOGIN_OK);
    assert_int_equal(settle(b, &askers[1]), LOGIN_OK);
    assert_int_equal(settle(b, &askers[2]), LOGIN_BAD);
    assert_int_equal(login(b, "bob", "builder"), LOGIN_OK);
    assert_int_equal(login(b, "bob", "other"), LOGIN_BAD);
    assert_int_equal(login(b, "bob", ""), LOGIN_BAD);
    assert_int_equal(b->first, b->count);
    assert_true(askers[0].wait.source.grant.stamp != 0);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(askers[i].told, 1);
}

static void who_is_not_there_is_the_next_ones(void **state)
{
    struct bed *b = *state;
    struct asker a;
    assert_int_equal(ask(b, &a, "eve", "builder"), LOGIN_PENDING);
    answer(b, "eve", USER_NONE, NULL);
    assert_int_equal(settle(b, &a), LOGIN_BAD); /* of source_end */
    assert_int_equal(ask(b, &a, "eve", "x"), LOGIN_PENDING);
    assert_int_equal(b->first, b->count); /* it is remembered, too */
    assert_int_equal(settle(b, &a), LOGIN_BAD);
}

static void what_cannot_be_told_is_busy(void **state)
{
    struct bed *b = *state;
    struct asker a;
    ask(b, &a, "bob", "builder");
    answer(b, "bob", USER_CANT_TELL, NULL);
    assert_int_equal(a.verdict, LOGIN_BUSY);
    assert_int_equal(ask(b, &a, "bob", "builder"), LOGIN_PENDING); /* asked again */
    answer(b, "bob", USER_FOUND, BUILDER);
    assert_int_equal(settle(b, &a), LOGIN_OK);
}

static void what_cannot_be_read_is_nobody(void **state)
{
    struct bed *b = *state;
    struct asker a;
    ask(b, &a, "bob", "plain");
    answer(b, "bob", USER_FOUND, "plain");
    assert_int_equal(settle(b, &a), LOGIN_BAD);
}

static void who_leaves_is_told_nothing(void **state)
{
    struct bed *b = *state;
    struct asker a;
    ask(b, &a, "bob", "builder");
    chain_cancel(&a.wait);
    answer(b, "bob", USER_FOUND, BUILDER);
    assert_int_equal(a.told, 0);
    ask(b, &a, "bob", "builder");
    chain_cancel(&a.wait); /* while it is hashed */
    assert_int_equal(a.told, 0);
}

static void a_change_is_looked_for_and_ends_who_came_before(void **state)
{
    struct bed *b = *state;
    uint64_t stamp = admitted(b, "bob", BUILDER);
    b->watcher.changed(b->watcher.arg, text("bob"));
    assert_int_equal(b->changes, 0);
    assert_true(stays(b, "bob", stamp)); /* it isn't known yet */
    answer(b, "bob", USER_FOUND, OTHER);
    assert_int_equal(b->changes, 1);
    assert_false(stays(b, "bob", stamp));
    assert_int_equal(login(b, "bob", "builder"), LOGIN_BAD);
    b->watcher.changed(b->watcher.arg, text("bob"));
    answer(b, "bob", USER_FOUND, OTHER); /* the same again */
    assert_int_equal(b->changes, 1);
    b->watcher.changed(b->watcher.arg, text("bob"));
    answer(b, "bob", USER_NONE, NULL);
    assert_int_equal(b->changes, 2);
    assert_false(stays(b, "bob", stamp));
    assert_true(stays(b, "ann", 5)); /* nobody has said anything about her */
}

static void what_changes_while_it_is_looked_for_is_looked_for_again(void **state)
{
    struct bed *b = *state;
    struct asker a;
    ask(b, &a, "bob", "builder");
    b->watcher.changed(b->watcher.arg, text("bob"));
    answer(b, "bob", USER_FOUND, OTHER);
    assert_int_equal(a.verdict, LOGIN_PENDING);
    answer(b, "bob", USER_FOUND, BUILDER);
    assert_int_equal(settle(b, &a), LOGIN_OK);
}

static void several_changes_are_one_look_at_the_clients(void **state)
{
    struct bed *b = *state;
    b->watcher.changed(b->watcher.arg, text("a"));
    b->watcher.changed(b->watcher.arg, text("b"));
    answer(b, "a", USER_FOUND, BUILDER);
    assert_int_equal(b->changes, 0);
    answer(b, "b", USER_NONE, NULL);
    assert_int_equal(b->changes, 1);
}

static void in_doubt_each_name_is_looked_for(void **state)
{
    struct bed *b = *state;
    uint64_t bob = admitted(b, "bob", BUILDER);
    uint64_t ann = admitted(b, "ann", BUILDER);
    b->watcher.doubt(b->watcher.arg);
    assert_int_equal(b->changes, 1); /* clients are looked at: */
    assert_true(stays(b, "bob", bob));
    assert_true(stays(b, "ann", ann));
    answer(b, "bob", USER_NONE, NULL);
    source_redis_checked(&b->redis);
    assert_int_equal(b->changes, 1);
    answer(b, "ann", USER_FOUND, BUILDER);
    assert_int_equal(b->changes, 2); /* one differed: once more */
    assert_false(stays(b, "bob", bob));
    assert_true(stays(b, "ann", ann));
    source_redis_checked(&b->redis);
    assert_int_equal(b->changes, 2);
    assert_true(stays(b, "carl", 5));
    assert_int_equal(b->first, b->count); /* the doubt is over */
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_user_is_looked_for_once_and_remembered),
        TEST(who_is_not_there_is_the_next_ones),
        TEST(what_cannot_be_told_is_busy),
        TEST(what_cannot_be_read_is_nobody),
        TEST(who_leaves_is_told_nothing),
        TEST(a_change_is_looked_for_and_ends_who_came_before),
        TEST(what_changes_while_it_is_looked_for_is_looked_for_again),
        TEST(several_changes_are_one_look_at_the_clients),
        TEST(in_doubt_each_name_is_looked_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
