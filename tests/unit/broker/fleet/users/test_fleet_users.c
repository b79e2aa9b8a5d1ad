/* fleet_users: what Redis is asked about users, and what their watcher is told of changes. */
#include "broker/fleet/users/fleet_users.h"
#include "tests/unit/broker/fleet/lone_node.h"

enum { ASK_MS = 500 };

/* A question that tells the node's test its answer. */
struct asker {
    struct user_question question;
    struct lone_node *n;
};

static struct user_store store;

static void on_changed(void *arg, struct mqtt_slice name)
{
    lone_tell(arg, "changed %.*s", (int)name.len, (const char *)name.data);
}

static void on_doubt(void *arg)
{
    lone_tell(arg, "doubt");
}

static void on_found(struct user_question *q, enum user_found found, struct mqtt_slice hash)
{
    static const char *const words[] = {
        [USER_FOUND] = "found", [USER_NONE] = "none", [USER_CANT_TELL] = "can't tell"};
    lone_tell(((struct asker *)(void *)q)->n, "%s %.*s", words[found], (int)hash.len,
              hash.data != NULL ? (const char *)hash.data : "");
}

static void find(struct lone_node *n, struct asker *a, const char *name)
{
    *a = (struct asker){.question.found = on_found, .n = n};
    store.find(store.arg, lone_slice(name), &a->question);
}

/* As at the start. */
static void watch(struct lone_node *n)
{
    struct user_watcher watcher = {.changed = on_changed, .doubt = on_doubt, .arg = n};
    fleet_users_free(&n->f);
    assert_true(fleet_users_init(&n->f));
    store = fleet_users_store(&n->f.store);
    store.watch(store.arg, &watcher);
}

/* Until the next question about the number is there. */
static void ask(struct lone_node *n)
{
    n->f.now_ms += ASK_MS;
    fleet_users_tick(&n->f);
    redis_gets(n, "GET fl:{u}:ver");
}

/* Watched, and the number is 7. */
static void begin(struct lone_node *n)
{
    watch(n);
    ask(n);
    redis_says(n, "'7");
    assert_told(n, "");
}

static void a_user_is_asked_for_by_name(void **state)
{
    struct lone_node *n = *state;
    struct asker a;

    begin(n);
    find(n, &a, "bo b");
    redis_gets(n, "HGET fl:{u}:user:bo\\20b password");
    assert_told(n, "");
    redis_says(n, "'$7$101$x");
    assert_told(n, "found $7$101$x");
    find(n, &a, "eve");
    redis_says(n, "nil");
    assert_told(n, "none ");
    find(n, &a, "list");
    redis_says(n, "!WRONGTYPE");
    assert_told(n, "none ");
    ask(n);
    redis_says(n, "'7");
    assert_told(n, "");
}

static void nobody_watches_nobody_is_asked(void **state)
{
    struct lone_node *n = *state;

    n->f.now_ms += ASK_MS;
    fleet_users_tick(&n->f);
    redis_gets_nothing(n);
}

static void who_was_changed_is_read_from_the_log(void **state)
{
    struct lone_node *n = *state;

    begin(n);
    ask(n);
    redis_says(n, "'9");
    redis_gets(n, "XRANGE fl:{u}:log 8-0 9-0");
    n->f.now_ms += ASK_MS;
    fleet_users_tick(&n->f); /* one after the other */
    assert_int_equal(lone_count(n), 1);
    redis_says(n, "[ [ '8-0 [ 'u 'bob ] ] [ '9-0 [ 'u 'ann ] ] ]");
    assert_told(n, "changed bob; changed ann");
    ask(n);
    redis_says(n, "'9");
    assert_told(n, "");
}

static void a_number_without_an_entry_is_doubt(void **state)
{
    static const char *const logs[] = {
        "[ ]",
        "[ [ '8-0 [ 'u 'bob ] ] ]",
        "[ [ '9-0 [ 'u 'bob ] ] [ '8-0 [ 'u 'ann ] ] ]",
        "[ [ '8-0 [ 'u 'bob ] ] [ '9-1 [ 'u 'ann ] ] ]",
        "[ [ '8-0 [ 'u 'bob ] ] [ '9-0 [ 'x 'ann ] ] ]",
        "[ [ '8-0 [ 'u 'bob ] ] [ '9-0 [ 'u ] ] ]",
        "'what",
    };
    struct lone_node *n = *state;

    for (size_t i = 0; i < sizeof(logs) / sizeof(logs[0]); i++) {
        begin(n);
        ask(n);
        redis_says(n, "'9");
        redis_says(n, logs[i]);
        assert_told(n, "doubt");
        ask(n);
        redis_says(n, "'9");
        assert_told(n, "");
    }
}

static void numbers_that_go_back_or_far_are_doubt(void **state)
{
    struct lone_node *n = *state;

    begin(n);
    ask(n);
    redis_says(n, "nil"); /* Redis lost it */
    assert_told(n, "doubt");
    ask(n);
    redis_says(n, "'1001");
    assert_told(n, "doubt");
    redis_gets_nothing(n);
    ask(n);
    redis_says(n, "'1002");
    redis_gets(n, "XRANGE fl:{u}:log 1002-0 1002-0");
    redis_says(n, "[ [ '1002-0 [ 'u 'bob ] ] ]");
    assert_told(n, "changed bob");
}

static void a_lost_answer_is_asked_for_again_or_doubt(void **state)
{
    struct lone_node *n = *state;
    struct asker a;

    begin(n);
    ask(n);
    redis_says_nothing(n);
    ask(n);
    redis_says(n, "'8");
    redis_says_nothing(n); /* of the log */
    assert_told(n, "");
    ask(n);
    redis_says(n, "'8");
    redis_says(n, "[ [ '8-0 [ 'u 'bob ] ] ]");
    assert_told(n, "changed bob");
    find(n, &a, "bob");
    redis_says_nothing(n);
    assert_told(n, "can't tell ");
    ask(n);
    redis_says(n, "'8");
    assert_told(n, "doubt");
}

/* Who was found before it is known how often users were changed may have changed since. */
static void whoever_came_first_is_in_doubt(void **state)
{
    struct lone_node *n = *state;
    struct asker a;

    watch(n);
    find(n, &a, "bob");
    redis_says(n, "nil");
    assert_told(n, "none ");
    ask(n);
    redis_says(n, "'7");
    assert_told(n, "doubt");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LONE_TEST(a_user_is_asked_for_by_name),
        LONE_TEST(nobody_watches_nobody_is_asked),
        LONE_TEST(who_was_changed_is_read_from_the_log),
        LONE_TEST(a_number_without_an_entry_is_doubt),
        LONE_TEST(numbers_that_go_back_or_far_are_doubt),
        LONE_TEST(a_lost_answer_is_asked_for_again_or_doubt),
        LONE_TEST(whoever_came_first_is_in_doubt),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
