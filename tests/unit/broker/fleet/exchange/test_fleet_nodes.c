/* fleet_nodes: each other node is there once, who waits for it learns when it is gone, and all nodes agree on
 * their order. */
#include "broker/fleet/exchange/fleet_nodes.h"
#include "tests/unit/broker/fleet/lone_node.h"

static void a_node_is_made_when_it_is_named_first(void **state)
{
    struct lone_node *n = *state;
    assert_null(fleet_node_find(&n->f, OTHER_ID));
    n->f.boot_ms = 777;
    struct route_node *other = fleet_node_get(&n->f, OTHER_ID);
    assert_string_equal(other->hex, OTHER_HEX);
    assert_int_equal(other->known_since, 777);
    n->f.boot_ms = 888;
    assert_ptr_equal(fleet_node_get(&n->f, OTHER_ID), other);
    assert_int_equal(other->known_since, 777);
    assert_ptr_equal(fleet_node_find(&n->f, OTHER_ID), other);
    assert_null(fleet_node_find(&n->f, OTHER_ID + 1));
}

/* Its routes go while it is still there; who waited for it is told when it isn't any more. */
static void one_that_goes_takes_what_waits_for_it_along(void **state)
{
    struct lone_node *n = *state;
    struct route_node *other = fleet_node_get(&n->f, OTHER_ID);
    struct lone_parts l;
    lone_parts_init(&l, n, NULL);
    fleet_parts_gathered(&l.p);
    outbox_chunk_note(outbox_open_chunk(&n->f, &other->outbox, OTHER_ID), &l.p);
    outbox_count(&n->f, &other->outbox, 50);
    fleet_bytes_u8(&other->bulk, 1);
    fleet_node_remove(&n->f, other);
    assert_told(n, "node removed " OTHER_HEX "; sent; node gone b");
    assert_null(fleet_node_find(&n->f, OTHER_ID));
    assert_int_equal(n->f.outbox_bytes, 0);
}

static void this_node_is_counted_among_the_nodes(void **state)
{
    struct lone_node *n = *state;
    fleet_node_get(&n->f, 1);
    fleet_node_get(&n->f, 2);
    assert_int_equal(*n->f.metrics.nodes, 3);
    fleet_node_remove(&n->f, fleet_node_find(&n->f, 1));
    assert_int_equal(*n->f.metrics.nodes, 2);
}

static void assert_rank(struct lone_node *n, unsigned rank, unsigned count)
{
    unsigned at;
    unsigned of;
    fleet_nodes_rank(&n->f, &at, &of);
    assert_int_equal(at, rank);
    assert_int_equal(of, count);
}

static void a_nodes_place_follows_from_the_ids(void **state)
{
    struct lone_node *n = *state;
    assert_rank(n, 0, 1);
    fleet_node_get(&n->f, LONE_ID + 1);
    assert_rank(n, 0, 2);
    fleet_node_get(&n->f, LONE_ID - 1);
    assert_rank(n, 1, 3);
    fleet_node_get(&n->f, UINT64_MAX);
    fleet_node_get(&n->f, 1);
    assert_rank(n, 2, 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LONE_TEST(a_node_is_made_when_it_is_named_first),
        LONE_TEST(one_that_goes_takes_what_waits_for_it_along),
        LONE_TEST(this_node_is_counted_among_the_nodes),
        LONE_TEST(a_nodes_place_follows_from_the_ids),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
