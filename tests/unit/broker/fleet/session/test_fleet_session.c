/* fleet_session: a subscription is in the session before the log says it, and done when the log has said it. */
#include "broker/fleet/log/fleet_append.h"
#include "broker/fleet/log/fleet_version.h"
#include "broker/fleet/session/fleet_session.h"
#include "tests/unit/broker/fleet/lone_node.h"

static void subscribe(struct lone_call *c, struct store_hold *hold, const char *filter)
{
    struct store_subscription sub = {.filter = lone_slice(filter), .qos = 1};
    fleet_subscribe(&c->n->f, hold, &sub, 1, lone_done, c);
}

static void unsubscribe(struct lone_call *c, struct store_hold *hold, const char *filter)
{
    struct mqtt_slice f = lone_slice(filter);
    fleet_unsubscribe(&c->n->f, hold, &f, 1, lone_done, c);
}

/* The entry that is written next has this in it; this node reads it, and asks Redis once more. */
static void log_says(struct lone_node *n, const char *what)
{
    char text[256];
    fleet_append_flush(&n->f);
    snprintf(text, sizeof(text), "append fl:{r}: " LONE_HEX " %llu %s",
             (unsigned long long)n->f.calls - 1, what);
    redis_gets(n, text);
    redis_says(n, "[ 'ok '1 ]");
    n->f.log_applied = 1;
    fleet_append_applied(&n->f);
    assert_told(n, "");
    fleet_versions_flush(&n->f);
    redis_gets(n, "GET fl:{r}:ver");
    redis_says(n, "'1");
}

static void a_clean_sessions_filter_is_only_a_route(void **state)
{
    struct lone_node *n = *state;
    struct lone_call *c = lone_call(n, "done");
    struct store_hold *hold = lone_connected(n, "c", false);
    subscribe(c, hold, "f");
    redis_gets_nothing(n);
    log_says(n, "+\\01f 200 3000 + f");
    assert_told(n, "done ok");
    subscribe(c, hold, "f"); /* everybody knows it */
    fleet_run_deferred(&n->f, true);
    assert_told(n, "done ok");
    redis_gets_nothing(n);
}

static void a_durable_ones_is_in_the_session_first(void **state)
{
    struct lone_node *n = *state;
    struct lone_call *c = lone_call(n, "done");
    subscribe(c, lone_connected(n, "c", true), "f");
    redis_gets(n, "subscribe fl:{s}: c 5 f \\01");
    redis_says(n, ":1");
    assert_told(n, "");
    log_says(n, "+\\01fS\\01c\\05\\01f\\01\\01 200 3000 + f");
    assert_told(n, "done ok");
}

/* It waits for all of them. */
static void several_are_one_call(void **state)
{
    struct lone_node *n = *state;
    struct lone_call *c = lone_call(n, "done");
    struct store_subscription subs[] = {{.filter = lone_slice("f"), .qos = 1},
                                        {.filter = lone_slice("g"), .qos = 2}};
    subscribe(c, lone_connected(n, "d", false), "f");
    fleet_append_flush(&n->f); /* this route is on its way, the other one isn't */
    fleet_subscribe(&n->f, lone_connected(n, "c", false), subs, 2, lone_done, c);
    redis_says(n, "[ 'ok '1 ]");
    n->f.log_applied = 1;
    fleet_append_applied(&n->f);
    fleet_versions_flush(&n->f);
    redis_says(n, "'1");
    assert_told(n, "done ok"); /* d's */
    log_says(n, "+\\01g 200 3000 + g");
    assert_told(n, "done ok");
    fleet_subscribe(&n->f, lone_connected(n, "e", true), subs, 2, lone_done, c);
    redis_gets(n, "subscribe fl:{s}: e 5 f \\01 g \\02");
}

static void what_isnt_in_the_session_isnt_said(void **state)
{
    static const struct {
        const char *says, *told;
    } cases[] = {{":0", "fenced c; done fenced"},
                 {"!OOM", "done full"},
                 {"!ERR", "done unavailable"},
                 {NULL, "done unavailable"}};
    struct lone_node *n = *state;
    struct lone_call *c = lone_call(n, "done");

    for (size_t i = 0; i < 4; i++) {
        const char *says = cases[i].says;
        subscribe(c, lone_connected(n, "c", true), "f");
        lone_answer(n, says != NULL ? reply(says) : NULL);
        assert_told(n, cases[i].told);
        if (i == 0)
            redis_says(n, "[ '0 '6 ]"); /* the session is read anew */
        fleet_append_flush(&n->f);
        if (i == 0) {
            redis_gets_first(n, "append fl:{r}: " LONE_HEX " 1 +\\01f 200");
            redis_says(n, "[ 'ok '1 ]");
        }
        redis_gets_nothing(n);
    }
}

static void a_connection_that_ended_has_no_session(void **state)
{
    struct lone_node *n = *state;
    struct lone_call *c = lone_call(n, "done");
    struct store_hold *hold = lone_connected(n, "c", true);
    fleet_hold_drop(hold->store_data);
    subscribe(c, hold, "f");
    unsubscribe(c, hold, "f");
    fleet_run_deferred(&n->f, true);
    assert_told(n, "done unavailable; done unavailable");
    assert_int_equal(n->f.append->routes_added, 0);
}

/* What Redis may have lost of the session goes first. */
static void a_session_that_may_be_lost_is_asserted_first(void **state)
{
    struct lone_node *n = *state;
    struct lone_call *c = lone_call(n, "done");
    n->f.holds->round++;
    subscribe(c, lone_connected(n, "c", true), "f");
    redis_gets_first(n, "subscribe ");
    n->f.holds->round++;
    redis_says(n, ":1");
    unsubscribe(c, n->f.holds->first->hold, "f");
    redis_gets_first(n, "assert ");
    redis_says(n, ":1");
    redis_gets_first(n, "unsubscribe ");
}

static void a_removal_is_in_the_session_first(void **state)
{
    struct lone_node *n = *state;
    struct lone_call *c = lone_call(n, "done");
    unsubscribe(c, lone_connected(n, "c", true), "f");
    redis_gets(n, "unsubscribe fl:{s}: c 5 0 f");
    redis_says(n, ":1");
    log_says(n, "U\\01c\\05\\01f 200 3000");
    assert_told(n, "done ok");
}

/* The script keeps those that the log may not have, until none is under way. */
static void removals_behind_others_say_so(void **state)
{
    struct lone_node *n = *state;
    struct lone_call *c = lone_call(n, "done");
    struct store_hold *hold = lone_connected(n, "c", true);
    unsubscribe(c, hold, "f");
    unsubscribe(c, hold, "g");
    redis_gets(n, "unsubscribe fl:{s}: c 5 0 f");
    redis_says(n, "!ERR");
    redis_gets(n, "unsubscribe fl:{s}: c 5 1 g");
    redis_says(n, ":1");
    assert_told(n, "done unavailable");
    unsubscribe(c, hold, "h"); /* the log hasn't g's yet */
    redis_gets(n, "unsubscribe fl:{s}: c 5 1 h");
    redis_says(n, "!ERR");
    assert_told(n, "done unavailable");
    log_says(n, "U\\01c\\05\\01g 200 3000");
    assert_told(n, "done ok");
    unsubscribe(c, hold, "i");
    redis_gets(n, "unsubscribe fl:{s}: c 5 0 i");
}

static void a_clean_session_has_nothing_to_remove(void **state)
{
    struct lone_node *n = *state;
    struct lone_call *c = lone_call(n, "done");
    unsubscribe(c, lone_connected(n, "c", false), "f");
    redis_gets_nothing(n);
    fleet_run_deferred(&n->f, true);
    assert_told(n, "done ok");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LONE_TEST(a_clean_sessions_filter_is_only_a_route),
        LONE_TEST(a_durable_ones_is_in_the_session_first),
        LONE_TEST(several_are_one_call),
        LONE_TEST(what_isnt_in_the_session_isnt_said),
        LONE_TEST(a_connection_that_ended_has_no_session),
        LONE_TEST(a_session_that_may_be_lost_is_asserted_first),
        LONE_TEST(a_removal_is_in_the_session_first),
        LONE_TEST(removals_behind_others_say_so),
        LONE_TEST(a_clean_session_has_nothing_to_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
