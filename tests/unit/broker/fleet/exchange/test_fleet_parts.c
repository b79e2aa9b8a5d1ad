/* fleet_parts: a message is sent when all its parts are, and who must be served again is served again. */
#include "broker/fleet/exchange/fleet_parts.h"
#include "tests/unit/broker/fleet/lone_node.h"

enum { CLIENT = 7, NODE = 8 };

/* It was for a client and a node, and sets a retained value. */
static void begin(struct lone_parts *l, struct lone_node *n)
{
    lone_parts_init(l, n, lone_message("t", "x", 1, true));
    id_set_add(&l->p.clients, CLIENT);
    id_set_add(&l->p.nodes, NODE);
    l->p.retained = true;
}

static void it_is_sent_with_the_last_of_its_parts(void **state)
{
    struct lone_node *n = *state;
    struct lone_parts l;
    begin(&l, n);
    fleet_parts_gathered(&l.p);
    fleet_parts_gathered(&l.p);
    fleet_parts_issued(&l.p);
    assert_told(n, "");
    fleet_parts_issued(&l.p);
    assert_told(n, "sent");
    lone_parts_fini(&l);
}

static void what_failed_first_is_what_it_comes_to(void **state)
{
    struct lone_node *n = *state;
    struct lone_parts l;
    begin(&l, n);
    assert_int_equal(l.p.status, STORE_OK);
    fleet_parts_failed(&l.p, STORE_FENCED);
    fleet_parts_failed(&l.p, STORE_UNAVAILABLE);
    assert_int_equal(l.p.status, STORE_FENCED);
    lone_parts_fini(&l);
}

static void a_part_without_room_is_held_for_whom_it_was(void **state)
{
    static const struct {
        uint64_t client, node;
    } whom[] = {{CLIENT, 0}, {0, NODE}, {0, 0}};
    struct lone_node *n = *state;

    for (size_t i = 0; i < 3; i++) {
        struct lone_parts l;
        begin(&l, n);
        n->f.full = false;
        fleet_parts_held(&l.p, whom[i].client, whom[i].node);
        assert_int_equal(id_set_has(&l.p.clients, CLIENT), i != 0);
        assert_int_equal(id_set_has(&l.p.nodes, NODE), i != 1);
        assert_int_equal(l.p.retained, i != 2);
        assert_true(l.p.missed);
        assert_int_equal(l.p.status, STORE_OK);
        assert_true(n->f.full); /* and whoever comes next waits */
        lone_parts_fini(&l);
    }
}

/* Its client subscribes again; nobody else waits for it. */
static void a_value_for_one_session_isnt_held(void **state)
{
    struct lone_node *n = *state;
    struct lone_parts l;
    begin(&l, n);
    l.p.never_held = true;
    fleet_parts_held(&l.p, CLIENT, 0);
    assert_int_equal(l.p.status, STORE_FULL);
    assert_false(l.p.missed);
    assert_false(n->f.full);
    assert_true(id_set_has(&l.p.clients, CLIENT));
    lone_parts_fini(&l);
}

static void a_node_without_inbox_is_served_again(void **state)
{
    struct lone_node *n = *state;
    struct lone_parts l;
    begin(&l, n);
    id_set_add(&l.p.nodes, NODE + 1);
    fleet_parts_missed(&l.p, NODE);
    assert_false(id_set_has(&l.p.nodes, NODE));
    assert_true(id_set_has(&l.p.nodes, NODE + 1));
    assert_true(l.p.missed);
    assert_false(l.p.unknown);
    lone_parts_fini(&l);
}

static void a_session_that_redis_doesnt_know_is_served_again(void **state)
{
    struct lone_node *n = *state;
    struct lone_parts l;
    begin(&l, n);
    fleet_parts_unknown(&l.p, CLIENT);
    assert_false(id_set_has(&l.p.clients, CLIENT));
    assert_true(id_set_has(&l.p.nodes, NODE));
    assert_true(l.p.unknown);
    assert_false(l.p.missed);
    lone_parts_fini(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LONE_TEST(it_is_sent_with_the_last_of_its_parts),
        LONE_TEST(what_failed_first_is_what_it_comes_to),
        LONE_TEST(a_part_without_room_is_held_for_whom_it_was),
        LONE_TEST(a_value_for_one_session_isnt_held),
        LONE_TEST(a_node_without_inbox_is_served_again),
        LONE_TEST(a_session_that_redis_doesnt_know_is_served_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
