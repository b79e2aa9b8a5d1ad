/* fleet_append: who waits for an entry goes on when this node has read it in the log. */
#include "broker/fleet/log/fleet_append.h"
#include "broker/fleet/log/fleet_version.h"
#include "tests/unit/broker/fleet/lone_node.h"

static uint64_t add(struct lone_node *n, const char *filter)
{
    return fleet_append_route(&n->f, LOG_ROUTE_ADDED, lone_slice(filter));
}

/* What is there is written, and Redis says so. */
static void answer(struct lone_node *n, const char *text)
{
    fleet_append_flush(&n->f);
    redis_gets_first(n, "append ");
    redis_says(n, text);
}

static void ask(struct lone_node *n, struct lone_call *c, uint64_t number)
{
    c->n = n;
    fleet_append_wait(&n->f, number, lone_done, c);
}

static void who_waits_goes_on_when_this_node_has_read_the_entry(void **state)
{
    struct lone_node *n = *state;
    struct lone_call *a = lone_call(n, "a");
    struct lone_call *b = lone_call(n, "b");
    struct lone_call *c = lone_call(n, "c");
    uint64_t first = add(n, "a");
    ask(n, a, first);
    ask(n, b, first);
    fleet_append_flush(&n->f);
    ask(n, c, add(n, "b"));
    assert_false(fleet_append_waits_for_log(&n->f)); /* it isn't in the log */
    redis_says(n, "[ 'ok '7 ]");
    assert_true(fleet_append_waits_for_log(&n->f));
    n->f.log_applied = 6;
    fleet_append_applied(&n->f);
    assert_told(n, "");
    n->f.log_applied = 7;
    fleet_append_applied(&n->f);
    assert_told(n, "a ok; b ok"); /* the oldest first */
    assert_false(fleet_append_waits_for_log(&n->f));
    n->f.log_applied = 100; /* the other one has no version yet */
    fleet_append_applied(&n->f);
    assert_told(n, "");
    answer(n, "[ 'ok '8 ]");
    assert_told(n, "c ok");
}

static void what_is_in_the_log_isnt_waited_for(void **state)
{
    struct lone_node *n = *state;
    struct lone_call *a = lone_call(n, "a");
    uint64_t first = add(n, "a");
    answer(n, "[ 'ok '7 ]");
    ask(n, a, first);
    assert_told(n, ""); /* in a later input */
    fleet_run_deferred(&n->f, true);
    assert_told(n, "a ok");
    ask(n, a, 0);
    fleet_run_deferred(&n->f, true);
    assert_told(n, "a ok");
}

/* One answer of Redis later. */
static void the_others_are_waited_for_too(void **state)
{
    struct lone_node *n = *state;
    struct lone_call *a = lone_call(n, "a");
    uint64_t first = add(n, "a");
    fleet_append_wait_for_others(&n->f, first, lone_done, a);
    answer(n, "[ 'ok '7 ]");
    n->f.log_applied = 7;
    fleet_append_applied(&n->f);
    assert_told(n, "");
    fleet_versions_flush(&n->f);
    redis_gets(n, "GET fl:{r}:ver");
    redis_says(n, "'7");
    assert_told(n, "a ok");
    fleet_append_wait_for_others(&n->f, first, lone_done, a);
    fleet_versions_flush(&n->f);
    redis_gets_nothing(n); /* all nodes know */
    fleet_run_deferred(&n->f, true);
    assert_told(n, "a ok");
    fleet_append_wait_for_others(&n->f, add(n, "b"), lone_done, a);
    fleet_append_reset(&n->f);
    assert_told(n, "a unavailable");
    fleet_append_wait_for_others(&n->f, add(n, "b"), lone_done, a);
    answer(n, "[ 'ok '7 ]");
    fleet_versions_flush(&n->f);
    redis_says_nothing(n);
    assert_told(n, "a unavailable");
}

/* Redis has an older log: what this node wrote there is lost, and is written once more by others. */
static void who_waits_for_a_lost_entry_waits_for_the_one_that_says_it_again(void **state)
{
    struct lone_node *n = *state;
    struct lone_call *a = lone_call(n, "a");
    struct lone_call *b = lone_call(n, "b");
    ask(n, a, add(n, "a"));
    answer(n, "[ 'ok '7 ]");
    assert_false(fleet_append_is_lost(&n->f, 7));
    assert_true(fleet_append_is_lost(&n->f, 6));
    ask(n, b, add(n, "a")); /* said again */
    fleet_append_reannounced(&n->f);
    assert_false(fleet_append_is_lost(&n->f, 0));
    n->f.log_applied = 100;
    fleet_append_applied(&n->f);
    assert_told(n, "");
    answer(n, "[ 'ok '9 ]");
    assert_told(n, "a ok; b ok");
}

static void many_go_on_within_the_turns_time(void **state)
{
    struct lone_node *n = *state;
    struct lone_call *x = lone_call(n, "x");
    uint64_t first = add(n, "a");
    for (int i = 0; i < 6; i++)
        ask(n, x, first);
    n->f.log_applied = 7;
    lone_no_time(n);
    lone_is_woken(n);
    answer(n, "[ 'ok '7 ]");
    assert_told(n, "x ok; x ok; x ok; x ok");
    assert_true(lone_is_woken(n));
    lone_endless_time(n);
    fleet_append_go_on(&n->f);
    assert_told(n, "x ok; x ok");
    assert_false(lone_is_woken(n));
}

/* An answer that comes afterwards is nobody's; what comes next has numbers of its own. */
static void a_reset_lets_nobody_go_on_and_writes_nothing(void **state)
{
    struct lone_node *n = *state;
    struct lone_call *a = lone_call(n, "a");
    uint64_t first = add(n, "a");
    ask(n, a, first);
    fleet_append_flush(&n->f);
    add(n, "b");
    fleet_append_reset(&n->f);
    assert_told(n, "a unavailable");
    assert_int_equal(n->f.append->routes_added, 0);
    redis_says(n, "[ 'dead ]");
    assert_int_equal(n->f.state, FLEET_READY);
    fleet_append_flush(&n->f);
    redis_gets_nothing(n);
    assert_int_equal(add(n, "c"), first + 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LONE_TEST(who_waits_goes_on_when_this_node_has_read_the_entry),
        LONE_TEST(what_is_in_the_log_isnt_waited_for),
        LONE_TEST(the_others_are_waited_for_too),
        LONE_TEST(who_waits_for_a_lost_entry_waits_for_the_one_that_says_it_again),
        LONE_TEST(many_go_on_within_the_turns_time),
        LONE_TEST(a_reset_lets_nobody_go_on_and_writes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
