/* fleet_cut: who may not close connections waits for a lease, and several who ask share a cut. */
#include "broker/fleet/fence/fleet_cut.h"
#include "tests/unit/broker/fleet/lone_node.h"

enum { UNSURE_MS = 1000 * 4 / 5 + 100, NOTED_BYTES = 64 * 1024 };
#define CUT "cut fl:{n:" OTHER_HEX "}: "

static void cut_client(struct lone_call *c, const char *client, uint64_t epoch)
{
    fleet_cut_client(&c->n->f, OTHER_ID, lone_session(client, epoch), lone_done, c);
}

static void cut_node(struct lone_call *c)
{
    fleet_cut_node(&c->n->f, OTHER_ID, lone_done, c);
}

/* ---- without the right to kill --------------------------------------------------------------- */

static void assert_waits_for_the_lease(struct lone_node *n)
{
    uint64_t begun_ms = n->f.boot_ms;
    while (lone_count(n) > 0)
        redis_says(n, ":1");
    n->f.boot_ms = begun_ms + UNSURE_MS;
    fleet_cut_tick(&n->f);
    assert_told(n, "");
    n->f.boot_ms++;
    fleet_cut_tick(&n->f);
    assert_told(n, "cut ok");
}

static void who_may_not_kill_waits_until_the_node_must_be_unsure(void **state)
{
    struct lone_node *n = *state;
    struct lone_call *c = lone_call(n, "cut");
    fleet_node_get(&n->f, OTHER_ID);
    n->f.may_kill = false;
    cut_node(c);
    redis_says(n, "[ 'run00001:12 ]");
    redis_gets_nothing(n);
    assert_waits_for_the_lease(n);
    n->f.may_kill = true;
    cut_node(c);
    redis_says(n, "[ 'run00001:0 'run00001:13 ]"); /* one that may not ask for its number */
    redis_gets(n, "CLIENT KILL ID 13");
    assert_waits_for_the_lease(n);
    cut_node(c);
    redis_says(n, "[ 'run00001:12 ]");
    redis_says(n, "!NOPERM");
    assert_waits_for_the_lease(n);
}

static void a_node_that_is_dead_isnt_waited_for(void **state)
{
    struct lone_node *n = *state;
    struct lone_call *c = lone_call(n, "cut");
    n->f.may_kill = false;
    cut_node(c);
    redis_says(n, "[ 'run00001:12 ]");
    assert_told(n, "");
    fleet_cut_tick(&n->f); /* nobody knows it */
    assert_told(n, "cut ok");
}

/* ---- several who ask ------------------------------------------------------------------------- */

static void who_asks_meanwhile_is_served_by_the_next_cut(void **state)
{
    struct lone_node *n = *state;
    struct lone_call *a = lone_call(n, "a");
    struct lone_call *b = lone_call(n, "b");
    struct lone_call *c = lone_call(n, "c");
    cut_client(a, "a", 1);
    cut_client(b, "b", 2);
    fleet_cut_dead(&n->f, OTHER_ID, lone_done, c);
    assert_int_equal(lone_count(n), 1);
    redis_says(n, "[ ]");
    assert_told(n, "a ok");
    redis_gets(n, CUT "\\01b\\02 1");
    redis_says(n, "[ ]");
    assert_told(n, "b ok; c ok");
    redis_gets_nothing(n);
}

static void what_is_noted_at_once_has_a_bound(void **state)
{
    static char id[NOTED_BYTES / 2 + 1];
    struct lone_node *n = *state;
    struct lone_call *c = lone_call(n, "cut");
    memset(id, 'x', sizeof(id) - 1);
    for (uint64_t i = 0; i < 4; i++)
        cut_client(c, id, i);
    redis_says(n, "[ ]");
    assert_told(n, "cut ok"); /* the one that began it */
    redis_says(n, "[ ]");
    assert_told(n, "cut ok; cut ok");
    redis_says(n, "[ ]");
    assert_told(n, "cut ok");
    redis_gets_nothing(n);
}

static void nodes_are_cut_side_by_side(void **state)
{
    struct lone_node *n = *state;
    struct lone_call *a = lone_call(n, "a");
    struct lone_call *b = lone_call(n, "b");
    cut_node(a);
    fleet_cut_node(&n->f, OTHER_ID + 1, lone_done, b);
    assert_int_equal(lone_count(n), 2);
    redis_says(n, "!ERR");
    assert_told(n, "a unavailable");
    redis_says(n, "[ ]");
    assert_told(n, "b ok");
}

static void a_node_that_starts_over_cuts_nobody(void **state)
{
    struct lone_node *n = *state;
    struct lone_call *a = lone_call(n, "a");
    struct lone_call *b = lone_call(n, "b");
    cut_client(a, "a", 1);
    redis_says(n, "[ 'run00001:12 ]");
    cut_client(b, "b", 2);
    n->f.lease = FLEET_LEASE_NONE;
    redis_says(n, ":1");
    assert_told(n, "a unavailable; b unavailable");
    redis_says(n, ":1");
    redis_gets_nothing(n);
    assert_null(n->f.cuttings);
}

static void a_reset_lets_nobody_go_on(void **state)
{
    struct lone_node *n = *state;
    struct lone_call *a = lone_call(n, "cut");
    struct lone_call *b = lone_call(n, "cut");
    n->f.may_kill = false;
    fleet_node_get(&n->f, OTHER_ID);
    cut_client(a, "a", 1);
    redis_says(n, "[ 'run00001:12 ]"); /* it waits for the lease */
    cut_client(b, "b", 2);
    fleet_cut_reset(&n->f);
    assert_told(n, "cut unavailable; cut unavailable");
    assert_null(n->f.cuttings);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LONE_TEST(who_may_not_kill_waits_until_the_node_must_be_unsure),
        LONE_TEST(a_node_that_is_dead_isnt_waited_for),
        LONE_TEST(who_asks_meanwhile_is_served_by_the_next_cut),
        LONE_TEST(what_is_noted_at_once_has_a_bound),
        LONE_TEST(nodes_are_cut_side_by_side),
        LONE_TEST(a_node_that_starts_over_cuts_nobody),
        LONE_TEST(a_reset_lets_nobody_go_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
