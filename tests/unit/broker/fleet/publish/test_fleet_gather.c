/* fleet_gather: each part of a message goes to who sends it, and to nobody twice. */
#include "broker/fleet/exchange/fleet_channel.h"
#include "broker/fleet/exchange/fleet_outbox.h"
#include "broker/fleet/publish/fleet_gather.h"
#include "broker/fleet/publish/fleet_queue.h"
#include "broker/fleet/publish/fleet_retained.h"
#include "tests/unit/broker/fleet/lone_node.h"

static const struct fleet_behalf nobody;

/* To two nodes and two sessions. */
struct all {
    void *nodes[2];
    struct store_queue_target queues[2];
    struct store_targets t;
};

static void target_all(struct all *a, struct lone_node *n)
{
    *a = (struct all){
        .nodes = {fleet_node_get(&n->f, OTHER_ID), fleet_node_get(&n->f, OTHER_ID + 1)},
        .queues = {{.client_id = mqtt_slice_of("c", 1), .qos = 1},
                   {.client_id = mqtt_slice_of("d", 1), .qos = 1}}};
    a->t = (struct store_targets){
        .nodes = a->nodes, .node_count = 2, .queues = a->queues, .queue_count = 2};
}

/* What is written now, by its first word. */
static void assert_writes(struct lone_node *n, const char *const *commands)
{
    fleet_queues_flush(&n->f);
    outboxes_flush(&n->f);
    fleet_channel_flush(&n->f, true);
    fleet_retaining_flush(&n->f);
    for (; *commands != NULL; commands++) {
        redis_gets_first(n, *commands);
        lone_answer(n, strcmp(*commands, "queue ") == 0 || strcmp(*commands, "retain ") == 0
                           ? reply("[ :0 ' ]")
                           : reply(":1"));
        if (lone_count(n) > 0 && strncmp(lone_command(n, 0), "XLEN", 4) == 0)
            redis_says(n, ":1");
    }
    redis_gets_nothing(n);
}
#define WRITES(n, ...) assert_writes(n, (const char *const[]){__VA_ARGS__, NULL})

static void each_part_goes_to_its_place(void **state)
{
    struct lone_node *n = *state;
    struct lone_parts l;
    struct all a;
    target_all(&a, n);
    lone_parts_init(&l, n, lone_message("t", "x", 1, true));
    fleet_gather(&l.p, nobody, false, &a.t);
    assert_int_equal(l.p.unsent, 5);
    assert_true(l.p.retained);
    WRITES(n, "queue ", "queue ", "XADD ", "XADD ", "retain ");
    assert_int_equal(l.p.unsent, 0);
    lone_parts_fini(&l);
}

/* Matched again: only who is new. */
static void nobody_gets_it_twice(void **state)
{
    struct lone_node *n = *state;
    struct lone_parts l;
    struct all a;
    target_all(&a, n);
    a.t.node_count = a.t.queue_count = 1;
    lone_parts_init(&l, n, lone_message("t", "x", 1, true));
    fleet_gather(&l.p, nobody, false, &a.t);
    WRITES(n, "queue ", "XADD ", "retain ");
    a.t.node_count = a.t.queue_count = 2;
    fleet_gather(&l.p, nobody, false, &a.t);
    assert_int_equal(l.p.unsent, 2);
    WRITES(n, "queue ", "XADD ");
    fleet_gather(&l.p, nobody, false, &a.t);
    assert_int_equal(l.p.unsent, 0);
    l.p.retained = false; /* that part was held */
    fleet_gather(&l.p, nobody, false, &a.t);
    WRITES(n, "retain ");
    lone_parts_fini(&l);
}

static void a_message_that_isnt_retained_sets_no_value(void **state)
{
    struct lone_node *n = *state;
    struct lone_parts l;
    struct store_targets none = {0};
    lone_parts_init(&l, n, lone_message("t", "x", 1, false));
    fleet_gather(&l.p, nobody, false, &none);
    assert_false(l.p.retained);
    assert_int_equal(l.p.unsent, 0);
    lone_parts_fini(&l);
}

/* With a version to be checked (`consistency: strict`). */
static void at_qos_0_nodes_get_it_by_channel(void **state)
{
    struct lone_node *n = *state;
    struct lone_parts l;
    struct all a;
    target_all(&a, n);
    a.t.queue_count = 0;
    lone_parts_init(&l, n, lone_message("t", "x", 0, false));
    fleet_gather(&l.p, nobody, false, &a.t);
    assert_int_equal(l.p.unsent, 0);
    fleet_gather(&l.p, nobody, false, &a.t);
    assert_int_equal(fleet_node_find(&n->f, OTHER_ID)->bulk_count, 1);
    WRITES(n, "PUBLISH ", "PUBLISH ");
    lone_parts_fini(&l);
}

static void in_bulk_all_nodes_get_it_and_a_value_is_set(void **state)
{
    struct lone_node *n = *state;
    struct store_publish_request req = {.message = lone_message("t", "x", 0, true)};
    struct all a;
    target_all(&a, n);
    fleet_gather_bulk(&n->f, nobody, false, &req);
    WRITES(n, "retain ");
    req.targets = a.t;
    fleet_gather_bulk(&n->f, nobody, false, &req);
    WRITES(n, "PUBLISH ", "PUBLISH ", "retain ");
    req.message->retain = false;
    fleet_gather_bulk(&n->f, nobody, false, &req);
    WRITES(n, "PUBLISH ", "PUBLISH ");
    message_unref(req.message);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LONE_TEST(each_part_goes_to_its_place),
        LONE_TEST(nobody_gets_it_twice),
        LONE_TEST(a_message_that_isnt_retained_sets_no_value),
        LONE_TEST(at_qos_0_nodes_get_it_by_channel),
        LONE_TEST(in_bulk_all_nodes_get_it_and_a_value_is_set),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
