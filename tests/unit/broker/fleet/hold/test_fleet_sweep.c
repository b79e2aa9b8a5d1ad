/* fleet_sweep: every durable session that is connected here is woken now and then, some at a time. */
#include "broker/fleet/hold/fleet_sweep.h"
#include "tests/unit/broker/fleet/lone_node.h"

enum { SWEEP_MS = 30000, AT_ONCE = 200 };

static void durable_connections_are_woken_every_thirty_seconds(void **state)
{
    struct lone_node *n = *state;
    lone_connected(n, "durable", true);
    lone_connected(n, "clean", false);
    lone_connected(n, "connecting", true)->epoch = 0;
    fleet_sweep_tick(&n->f);
    assert_told(n, "wake durable");
    n->f.now_ms += SWEEP_MS - 1;
    fleet_sweep_tick(&n->f);
    assert_told(n, "");
    n->f.now_ms++;
    fleet_sweep_tick(&n->f);
    assert_told(n, "wake durable");
    fleet_sweep_tick(&n->f);
    assert_told(n, "");
}

/* A node died, and may have taken a wake-up with it. */
static void they_are_woken_when_it_is_wanted(void **state)
{
    struct lone_node *n = *state;
    lone_connected(n, "c", true);
    fleet_sweep_tick(&n->f);
    assert_told(n, "wake c");
    fleet_sweep_soon(&n->f);
    fleet_sweep_tick(&n->f);
    assert_told(n, "wake c");
    fleet_sweep_tick(&n->f);
    assert_told(n, "");
}

/* Those that are passed over count, too. One that ends meanwhile takes nobody along. */
static void some_are_woken_in_a_turn(void **state)
{
    struct lone_node *n = *state;
    struct store_hold *last = lone_connected(n, "last", true);
    struct store_hold *next = lone_connected(n, "next", true);
    for (int i = 0; i < AT_ONCE - 1; i++)
        lone_connected(n, "clean", false);
    lone_connected(n, "first", true);
    fleet_sweep_tick(&n->f);
    assert_told(n, "wake first");
    assert_ptr_equal(n->f.holds->sweep_at, next->store_data);
    fleet_hold_drop(next->store_data);
    fleet_sweep_tick(&n->f);
    assert_told(n, "wake last");
    assert_non_null(last->store_data);
    fleet_sweep_tick(&n->f);
    assert_told(n, "");
}

/* It begins with the first of them. */
static void a_sweep_that_is_wanted_meanwhile_misses_nobody(void **state)
{
    struct lone_node *n = *state;
    lone_connected(n, "last", true);
    for (int i = 0; i < AT_ONCE - 1; i++)
        lone_connected(n, "clean", false);
    lone_connected(n, "first", true);
    fleet_sweep_tick(&n->f);
    fleet_sweep_soon(&n->f);
    fleet_sweep_tick(&n->f);
    assert_told(n, "wake first; wake first");
    fleet_sweep_tick(&n->f);
    assert_told(n, "wake last");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LONE_TEST(durable_connections_are_woken_every_thirty_seconds),
        LONE_TEST(they_are_woken_when_it_is_wanted),
        LONE_TEST(some_are_woken_in_a_turn),
        LONE_TEST(a_sweep_that_is_wanted_meanwhile_misses_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
