/* fleet_cut: a node is cut off when what it loses is noted at Redis and its connections there are closed. */
#include "broker/fleet/fence/fleet_cut.h"
#include "tests/unit/broker/fleet/lone_node.h"

#define CUT "cut fl:{n:" OTHER_HEX "}: "
#define FORGET "HDEL fl:{n:" OTHER_HEX "}:link c:run00001:"

static void cut_client(struct lone_call *c, const char *client, uint64_t epoch)
{
    fleet_cut_client(&c->n->f, OTHER_ID, lone_session(client, epoch), lone_done, c);
}

static void cut_node(struct lone_call *c)
{
    fleet_cut_node(&c->n->f, OTHER_ID, lone_done, c);
}

static void its_connections_are_closed_before_it_is_done(void **state)
{
    struct lone_node *n = *state;
    struct lone_call *c = lone_call(n, "cut");
    cut_client(c, "c", 5);
    redis_gets(n, CUT "\\01c\\05 0");
    redis_says(n, "[ 'run00001:12 'run00001:13 ]");
    redis_gets(n, "CLIENT KILL ID 12");
    redis_says(n, ":1");
    redis_gets(n, FORGET "12");
    redis_says(n, ":1");
    assert_told(n, "");
    redis_gets(n, "CLIENT KILL ID 13");
    redis_says(n, ":0"); /* it had gone by itself */
    assert_told(n, "cut ok");
    redis_gets(n, FORGET "13");
    redis_says(n, ":1");
    redis_gets_nothing(n);
    assert_null(n->f.cuttings);
    assert_int_equal(*n->f.metrics.cuts, 1);
}

/* It has none, or those of another run of Redis: nothing is to be closed. */
static void only_connections_of_this_run_are_closed(void **state)
{
    struct lone_node *n = *state;
    struct lone_call *c = lone_call(n, "cut");
    cut_node(c);
    redis_gets(n, CUT "'' 0");
    redis_says(n, "[ ]");
    assert_told(n, "cut ok");
    assert_int_equal(*n->f.metrics.cuts, 0);
    cut_node(c);
    redis_says(n, "[ 'run00000:12 'run00001 'run0000112 'run ]");
    assert_told(n, "cut ok");
    redis_gets_nothing(n);
}

static void the_dead_never_come_back(void **state)
{
    struct lone_node *n = *state;
    struct lone_call *c = lone_call(n, "cut");
    fleet_cut_dead(&n->f, OTHER_ID, lone_done, c);
    redis_gets(n, CUT "'' 1");
    redis_says(n, "[ ]");
    assert_told(n, "cut ok");
}

static void what_cant_be_noted_comes_to_nothing(void **state)
{
    struct lone_node *n = *state;
    struct lone_call *c = lone_call(n, "cut");
    cut_node(c);
    redis_says(n, "!ERR");
    assert_told(n, "cut unavailable");
    cut_node(c);
    redis_says(n, ":1");
    assert_told(n, "cut unavailable");
    cut_node(c);
    redis_says_nothing(n);
    assert_told(n, "cut unavailable");
    assert_null(n->f.cuttings);
}

/* Whether the connection is closed isn't known then. */
static void a_kill_without_an_answer_begins_anew(void **state)
{
    struct lone_node *n = *state;
    struct lone_call *c = lone_call(n, "cut");
    cut_client(c, "c", 5);
    redis_says(n, "[ 'run00001:12 ]");
    redis_says_nothing(n);
    redis_says(n, ":1"); /* HDEL */
    assert_told(n, "");
    redis_gets(n, CUT "\\01c\\05 0");
    redis_says(n, "[ ]");
    assert_told(n, "cut ok");
}

/* Another run of Redis gets the command: that number means somebody else there. */
static void a_kill_of_the_former_run_is_no_kill(void **state)
{
    struct lone_node *n = *state;
    struct lone_call *c = lone_call(n, "cut");
    cut_client(c, "c", 5);
    redis_says(n, "[ 'run00001:12 ]");
    fleet_cut_run_changed(&n->f);
    redis_gets(n, "CLIENT KILL ID 00");
    redis_says(n, "!ERR");
    redis_says(n, ":1");
    redis_gets(n, CUT "\\01c\\05 0");
    fleet_cut_run_changed(&n->f); /* what is being noted has no number in it */
    redis_gets(n, CUT "\\01c\\05 0");
    redis_says(n, "[ ]");
    assert_told(n, "cut ok");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LONE_TEST(its_connections_are_closed_before_it_is_done),
        LONE_TEST(only_connections_of_this_run_are_closed),
        LONE_TEST(the_dead_never_come_back),
        LONE_TEST(what_cant_be_noted_comes_to_nothing),
        LONE_TEST(a_kill_without_an_answer_begins_anew),
        LONE_TEST(a_kill_of_the_former_run_is_no_kill),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
