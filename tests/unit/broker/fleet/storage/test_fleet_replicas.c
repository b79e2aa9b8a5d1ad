/* fleet_replicas: who waits goes on when a replica has everything, in the order of the questions, and not before. */
#include "broker/fleet/storage/fleet_replicas.h"
#include "tests/unit/broker/fleet/lone_node.h"

enum { RETRY_MS = 100 };

struct wait {
    struct fleet_replica_wait w; /* first */
    struct lone_node *n;
    const char *name;
};

static void on_replica(struct fleet_replica_wait *w, bool ok)
{
    const struct wait *wait = (const struct wait *)w;
    lone_tell(wait->n, "%s %s", wait->name, ok ? "ok" : "over");
}

static void ask(struct lone_node *n, struct wait *w, const char *name)
{
    *w = (struct wait){.n = n, .name = name};
    fleet_replicas_wait(&n->f, &w->w, on_replica);
}

/* Something is asked, and answered so. */
static void answer(struct lone_node *n, const char *text)
{
    fleet_replicas_flush(&n->f);
    redis_gets(n, "PING");
    redis_says(n, "'PONG");
    redis_gets(n, "WAIT 1 1000");
    if (text != NULL)
        redis_says(n, text);
    else
        redis_says_nothing(n);
}

static void nobody_is_asked_for_nothing(void **state)
{
    struct lone_node *n = *state;
    fleet_replicas_flush(&n->f);
    redis_gets_nothing(n);
}

/* There may be no replica, which is to be known before anybody waits for it. */
static void a_new_connection_is_asked_once(void **state)
{
    struct lone_node *n = *state;
    strcpy(n->f.run_id, "r1");
    fleet_replicas_greeted(&n->f, "r1");
    answer(n, ":1");
    assert_false(fleet_replicas_missing(&n->f));
    fleet_replicas_flush(&n->f);
    redis_gets_nothing(n);
}

static void those_who_ask_meanwhile_share_the_next_question(void **state)
{
    struct lone_node *n = *state;
    struct wait a;
    struct wait b;
    struct wait c;
    ask(n, &a, "a");
    fleet_replicas_flush(&n->f);
    ask(n, &b, "b");
    ask(n, &c, "c");
    fleet_replicas_flush(&n->f);
    assert_int_equal(lone_count(n), 2); /* PING, WAIT */
    redis_says(n, "'PONG");
    redis_says(n, ":1");
    assert_told(n, "a ok");
    answer(n, ":2");
    assert_told(n, "b ok; c ok");
}

/* And is asked again, not at once, although the first one to wait came long ago. */
static void without_a_replica_everybody_waits(void **state)
{
    struct lone_node *n = *state;
    struct wait a;
    struct wait b;
    ask(n, &a, "a");
    fleet_replicas_flush(&n->f);
    ask(n, &b, "b");
    answer(n, ":0");
    assert_told(n, "");
    assert_true(fleet_replicas_missing(&n->f));
    assert_int_equal(*n->f.metrics.replica_missing, 1);
    n->f.now_ms += RETRY_MS - 1;
    fleet_replicas_flush(&n->f);
    redis_gets_nothing(n);
    n->f.now_ms++;
    answer(n, ":1");
    assert_told(n, "a ok; b ok"); /* those who asked first */
    assert_false(fleet_replicas_missing(&n->f));
    assert_int_equal(*n->f.metrics.replica_missing, 0);
}

static void a_missing_one_is_looked_for_although_nobody_waits(void **state)
{
    struct lone_node *n = *state;
    fleet_replicas_greeted(&n->f, "");
    answer(n, ":0");
    n->f.now_ms += RETRY_MS;
    answer(n, ":1");
    n->f.now_ms += RETRY_MS;
    fleet_replicas_flush(&n->f);
    redis_gets_nothing(n);
}

static void an_error_is_no_replica_and_no_answer_is_neither(void **state)
{
    struct lone_node *n = *state;
    struct wait a;
    ask(n, &a, "a");
    answer(n, NULL);
    assert_false(fleet_replicas_missing(&n->f));
    answer(n, "!ERR"); /* at once: nothing is known to be missing */
    assert_true(fleet_replicas_missing(&n->f));
    n->f.now_ms += RETRY_MS;
    answer(n, NULL);
    assert_true(fleet_replicas_missing(&n->f));
    assert_told(n, "");
    n->f.now_ms += RETRY_MS;
    answer(n, ":1");
    assert_told(n, "a ok");
}

/* It says nothing of what the command connection's Redis has. */
static void the_answer_of_another_run_counts_for_nothing(void **state)
{
    struct lone_node *n = *state;
    struct wait a;
    strcpy(n->f.run_id, "r2");
    fleet_replicas_greeted(&n->f, "r1");
    ask(n, &a, "a");
    answer(n, ":1");
    assert_told(n, "");
    assert_false(redis_link_is_up(n->f.replica_link)); /* connects anew */
    assert_false(fleet_replicas_missing(&n->f));
    fleet_replicas_flush(&n->f);
    redis_gets_nothing(n);
    fleet_replicas_reset(&n->f);
    assert_told(n, "a over");
}

static void a_node_without_replicas_asks_none(void **state)
{
    struct lone_node *n = *state;
    struct wait a;
    n->f.replica_link = NULL;
    ask(n, &a, "a");
    fleet_replicas_flush(&n->f);
    redis_gets_nothing(n);
    fleet_replicas_reset(&n->f);
    assert_told(n, "a over");
}

/* An answer that comes afterwards is nobody's. */
static void a_node_that_starts_over_lets_nobody_go_on(void **state)
{
    struct lone_node *n = *state;
    struct wait a;
    struct wait b;
    ask(n, &a, "a");
    fleet_replicas_flush(&n->f);
    ask(n, &b, "b");
    fleet_replicas_reset(&n->f);
    assert_told(n, "a over; b over");
    ask(n, &a, "again");
    redis_says(n, "'PONG");
    redis_says(n, ":1");
    assert_told(n, "");
    answer(n, ":1");
    assert_told(n, "again ok");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LONE_TEST(nobody_is_asked_for_nothing),
        LONE_TEST(a_new_connection_is_asked_once),
        LONE_TEST(those_who_ask_meanwhile_share_the_next_question),
        LONE_TEST(without_a_replica_everybody_waits),
        LONE_TEST(a_missing_one_is_looked_for_although_nobody_waits),
        LONE_TEST(an_error_is_no_replica_and_no_answer_is_neither),
        LONE_TEST(the_answer_of_another_run_counts_for_nothing),
        LONE_TEST(a_node_without_replicas_asks_none),
        LONE_TEST(a_node_that_starts_over_lets_nobody_go_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
