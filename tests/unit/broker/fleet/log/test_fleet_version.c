/* fleet_version: who asks goes on when this node has applied everything that Redis had at that moment. */
#include "broker/fleet/log/fleet_version.h"
#include "tests/unit/broker/fleet/lone_node.h"

#define ASKED "GET fl:{r}:ver"

struct wait {
    struct fleet_version_wait w; /* first */
    struct lone_node *n;
    const char *name;
};

static void on_version(struct fleet_version_wait *w, bool ok)
{
    const struct wait *wait = (const struct wait *)w;
    lone_tell(wait->n, "%s %s %llu", wait->name, ok ? "ok" : "over",
              (unsigned long long)w->version);
}

static void ask(struct lone_node *n, struct wait *w, const char *name)
{
    *w = (struct wait){.n = n, .name = name};
    w->w.version = 99; /* of an earlier question */
    fleet_version_check(&n->f, &w->w, on_version);
}

static void answer(struct lone_node *n, const char *text)
{
    fleet_versions_flush(&n->f);
    redis_gets(n, ASKED);
    if (text != NULL)
        redis_says(n, text);
    else
        redis_says_nothing(n);
}

static void those_of_a_turn_share_a_question_and_are_called_in_order(void **state)
{
    struct lone_node *n = *state;
    struct wait a;
    struct wait b;
    struct wait c;
    fleet_versions_flush(&n->f);
    redis_gets_nothing(n);
    n->f.log_applied = 7;
    ask(n, &a, "a");
    ask(n, &b, "b");
    ask(n, &c, "c");
    answer(n, "'7");
    assert_told(n, "a ok 7; b ok 7; c ok 7");
    redis_gets_nothing(n);
    assert_false(fleet_versions_wait(&n->f));
}

static void a_newer_version_is_waited_for(void **state)
{
    struct lone_node *n = *state;
    struct wait a;
    struct wait b;
    n->f.log_applied = 7;
    ask(n, &a, "a");
    answer(n, "'9");
    ask(n, &b, "b");
    answer(n, "'8");
    assert_told(n, "");
    assert_true(fleet_versions_wait(&n->f));
    n->f.log_applied = 8;
    fleet_versions_applied(&n->f);
    assert_told(n, "b ok 8");
    assert_true(fleet_versions_wait(&n->f));
    n->f.log_applied = 9;
    fleet_versions_applied(&n->f);
    assert_told(n, "a ok 9");
    assert_false(fleet_versions_wait(&n->f));
}

/* What was applied says nothing while everything is loaded anew. */
static void a_log_that_isnt_valid_is_waited_for(void **state)
{
    struct lone_node *n = *state;
    struct wait a;
    n->f.log_applied = 7;
    n->f.log_valid = false;
    ask(n, &a, "a");
    answer(n, "'7");
    fleet_versions_applied(&n->f);
    assert_told(n, "");
    n->f.log_valid = true;
    fleet_versions_applied(&n->f);
    assert_told(n, "a ok 7");
}

static void an_error_or_no_answer_is_over(void **state)
{
    struct lone_node *n = *state;
    struct wait a;
    ask(n, &a, "a");
    answer(n, "!ERR");
    assert_told(n, "a over 0");
    ask(n, &a, "a");
    answer(n, NULL);
    assert_told(n, "a over 0");
    assert_null(n->f.reload_why);
}

/* Redis has lost something, if what it has is older than what this node had applied when it asked. */
static void an_older_version_means_a_reload(void **state)
{
    struct lone_node *n = *state;
    struct wait a;
    n->f.log_applied = 7;
    ask(n, &a, "a");
    fleet_versions_flush(&n->f);
    n->f.log_applied = 8; /* by an entry that came meanwhile */
    redis_says(n, "'7");
    assert_null(n->f.reload_why);
    assert_told(n, "a ok 7");
    ask(n, &a, "a");
    answer(n, "'7");
    assert_non_null(n->f.reload_why);
    assert_told(n, ""); /* after the reload */
    n->f.reload_why = NULL;
    fleet_versions_applied(&n->f);
    assert_told(n, "a ok 7");
}

static void a_version_that_is_gone_means_a_reload(void **state)
{
    struct lone_node *n = *state;
    struct wait a;
    struct wait b;
    n->f.log_applied = 7;
    ask(n, &a, "a");
    answer(n, "nil");
    assert_non_null(n->f.reload_why);
    n->f.reload_why = NULL;
    n->f.log_valid = false; /* while it is loading, it is known */
    ask(n, &b, "b");
    answer(n, "nil");
    assert_null(n->f.reload_why);
    fleet_versions_reset(&n->f);
}

/* A version of before that will never come. */
static void after_a_loss_nobody_waits_for_more_than_redis_has(void **state)
{
    struct lone_node *n = *state;
    struct wait a;
    struct wait b;
    n->f.log_applied = 7;
    ask(n, &a, "a");
    answer(n, "'20");
    ask(n, &b, "b");
    answer(n, "'9");
    fleet_versions_rejoined(&n->f, 10);
    n->f.log_applied = 10;
    fleet_versions_applied(&n->f);
    assert_told(n, "a ok 10; b ok 9");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LONE_TEST(those_of_a_turn_share_a_question_and_are_called_in_order),
        LONE_TEST(a_newer_version_is_waited_for),
        LONE_TEST(a_log_that_isnt_valid_is_waited_for),
        LONE_TEST(an_error_or_no_answer_is_over),
        LONE_TEST(an_older_version_means_a_reload),
        LONE_TEST(a_version_that_is_gone_means_a_reload),
        LONE_TEST(after_a_loss_nobody_waits_for_more_than_redis_has),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
