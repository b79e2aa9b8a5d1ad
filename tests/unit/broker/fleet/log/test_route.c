/* route: a filter is announced once, stays while somebody may want it, and lingers before it is withdrawn. */
#include "broker/fleet/log/fleet_append.h"
#include "broker/fleet/log/route.h"
#include "tests/unit/broker/fleet/lone_node.h"

enum { LINGER_MS = 300 };
#define APPEND "append fl:{r}: " LONE_HEX " "

static uint64_t want(struct lone_node *n, const char *filter)
{
    return route_want(&n->f, lone_slice(filter));
}

/* What is said is written, and is in the log. */
static void log_it(struct lone_node *n)
{
    fleet_append_flush(&n->f);
    redis_gets_first(n, APPEND);
    redis_says(n, "[ 'ok '1 ]");
}

/* The routes of the entry that is written next: "+ a - b". */
static void assert_says(struct lone_node *n, const char *routes)
{
    fleet_append_flush(&n->f);
    const char *text = lone_command(n, 0);
    assert_string_equal(strstr(text, " 200 3000 ") + strlen(" 200 3000 "), routes);
    redis_says(n, "[ 'ok '1 ]");
}

static void a_filter_is_announced_once(void **state)
{
    struct lone_node *n = *state;
    uint64_t entry = want(n, "a");
    assert_int_not_equal(entry, 0);
    assert_int_equal(want(n, "a"), entry); /* whoever comes meanwhile waits for it, too */
    assert_int_equal(route_count(&n->f), 0);
    assert_says(n, "+ a");
    assert_int_equal(route_count(&n->f), 1);
    assert_int_equal(want(n, "a"), 0);
    assert_int_not_equal(want(n, "aa"), 0); /* another one */
    assert_says(n, "+ aa");
    fleet_append_flush(&n->f);
    redis_gets_nothing(n);
}

static void an_unused_filter_lingers_before_it_is_withdrawn(void **state)
{
    struct lone_node *n = *state;
    want(n, "a");
    log_it(n);
    route_unwant(&n->f, lone_slice("a"));
    n->f.now_ms += LINGER_MS - 1;
    route_unwant(&n->f, lone_slice("a")); /* again: it doesn't begin anew */
    route_tick(&n->f);
    assert_int_equal(route_count(&n->f), 1);
    n->f.now_ms++;
    route_tick(&n->f);
    assert_int_equal(route_count(&n->f), 0);
    assert_says(n, "- a");
    route_unwant(&n->f, lone_slice("a")); /* unknown by now */
    route_tick(&n->f);
    assert_int_equal(route_count(&n->f), 0);
}

static void one_that_is_wanted_again_stays(void **state)
{
    struct lone_node *n = *state;
    want(n, "a");
    log_it(n);
    route_unwant(&n->f, lone_slice("a"));
    assert_int_equal(want(n, "a"), 0); /* all nodes know it still */
    n->f.now_ms += LINGER_MS;
    route_tick(&n->f);
    assert_int_equal(route_count(&n->f), 1);
    fleet_append_flush(&n->f);
    redis_gets_nothing(n);
}

/* The core knows nothing of it yet. */
static void who_is_connecting_keeps_a_route(void **state)
{
    struct lone_node *n = *state;
    assert_int_not_equal(route_hold(&n->f, lone_slice("a")), 0);
    route_hold(&n->f, lone_slice("a"));
    log_it(n);
    assert_int_equal(route_hold(&n->f, lone_slice("a")), 0);
    route_unwant(&n->f, lone_slice("a"));
    n->f.now_ms += LINGER_MS;
    route_tick(&n->f);
    assert_int_equal(route_count(&n->f), 1);
    for (int i = 0; i < 3; i++) {
        n->f.now_ms += LINGER_MS;
        route_tick(&n->f);
        assert_int_equal(route_count(&n->f), 1);
        route_release(&n->f, lone_slice("a")); /* it came to nothing */
    }
    route_tick(&n->f);
    assert_int_equal(route_count(&n->f), 1);
    n->f.now_ms += LINGER_MS;
    route_tick(&n->f);
    assert_int_equal(route_count(&n->f), 0);
}

static void who_has_connected_goes_on_holding_it(void **state)
{
    struct lone_node *n = *state;
    route_hold(&n->f, lone_slice("a"));
    log_it(n);
    n->has_interest = true;
    route_release(&n->f, lone_slice("a"));
    n->has_interest = false;
    route_release(&n->f, lone_slice("a")); /* more often than it was held: the node started over */
    route_release(&n->f, lone_slice("b"));
    n->f.now_ms += LINGER_MS;
    route_tick(&n->f);
    assert_int_equal(route_count(&n->f), 1);
}

/* Redis lost them: each once more, also one that somebody wants meanwhile. */
static void all_are_announced_again_each_once(void **state)
{
    struct lone_node *n = *state;
    want(n, "a");
    want(n, "b");
    want(n, "c");
    log_it(n);
    route_announce_all(&n->f);
    assert_int_not_equal(want(n, "b"), 0);
    assert_true(route_announce_some(&n->f, n->f.box));
    assert_says(n, "+ b + a + c");
    assert_true(route_announce_some(&n->f, n->f.box));
    fleet_append_flush(&n->f);
    redis_gets_nothing(n);
}

enum { MANY = 40, A_LOOK = 16 };

static void want_many(struct lone_node *n)
{
    char filter[8];
    for (int i = 0; i < MANY; i++) {
        snprintf(filter, sizeof(filter), "f%d", i);
        want(n, filter);
    }
    log_it(n);
}

/* The one that would be next goes meanwhile. */
static void they_are_announced_again_in_pieces(void **state)
{
    struct lone_node *n = *state;
    want_many(n);
    route_announce_all(&n->f);
    lone_no_time(n);
    assert_false(route_announce_some(&n->f, n->f.box));
    assert_int_equal(n->f.append->routes_added, A_LOOK);
    route_unwant(&n->f, lone_slice("f16"));
    n->f.now_ms += LINGER_MS;
    route_tick(&n->f);
    lone_no_time(n);
    assert_false(route_announce_some(&n->f, n->f.box));
    assert_int_equal(n->f.append->routes_added, 2 * A_LOOK);
    lone_no_time(n);
    assert_true(route_announce_some(&n->f, n->f.box));
    assert_int_equal(n->f.append->routes_added, MANY - 1);
}

static void they_are_withdrawn_and_dropped_in_pieces(void **state)
{
    struct lone_node *n = *state;
    char filter[8];
    want_many(n);
    for (int i = 0; i < A_LOOK + 1; i++) {
        snprintf(filter, sizeof(filter), "f%d", i);
        route_unwant(&n->f, lone_slice(filter));
    }
    n->f.now_ms += LINGER_MS;
    lone_no_time(n);
    lone_is_woken(n);
    route_tick(&n->f);
    assert_int_equal(route_count(&n->f), MANY - A_LOOK);
    assert_true(lone_is_woken(n));
    lone_no_time(n);
    assert_false(routes_drop(&n->f, n->f.box));
    assert_int_equal(route_count(&n->f), MANY - 2 * A_LOOK);
    lone_no_time(n);
    assert_true(routes_drop(&n->f, n->f.box));
    assert_int_equal(route_count(&n->f), 0);
}

static void after_a_reset_nothing_is_known(void **state)
{
    struct lone_node *n = *state;
    want(n, "a");
    log_it(n);
    routes_reset(&n->f);
    assert_int_equal(route_count(&n->f), 0);
    assert_int_not_equal(want(n, "a"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LONE_TEST(a_filter_is_announced_once),
        LONE_TEST(an_unused_filter_lingers_before_it_is_withdrawn),
        LONE_TEST(one_that_is_wanted_again_stays),
        LONE_TEST(who_is_connecting_keeps_a_route),
        LONE_TEST(who_has_connected_goes_on_holding_it),
        LONE_TEST(all_are_announced_again_each_once),
        LONE_TEST(they_are_announced_again_in_pieces),
        LONE_TEST(they_are_withdrawn_and_dropped_in_pieces),
        LONE_TEST(after_a_reset_nothing_is_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
