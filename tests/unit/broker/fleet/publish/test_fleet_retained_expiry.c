/* fleet_retained_expiry: each bucket of topics is asked now and then for values that have expired. */
#include "broker/fleet/publish/fleet_retained_expiry.h"
#include "tests/unit/broker/fleet/lone_node.h"

#define ASKED "expire fl:{t}: 50"

static size_t tick(struct lone_node *n)
{
    size_t before = lone_count(n);
    fleet_retained_expiry_tick(&n->f);
    return lone_count(n) - before;
}

static void answer_all(struct lone_node *n)
{
    while (lone_count(n) > 0)
        redis_says(n, "[ :0 :0 ]");
}

static void each_bucket_is_asked_once_a_second(void **state)
{
    struct lone_node *n = *state;
    assert_int_equal(tick(n), FLEET_TOPIC_BUCKETS);
    redis_gets(n, ASKED);
    answer_all(n);
    n->f.now_ms += 999;
    assert_int_equal(tick(n), 0);
    n->f.now_ms++;
    assert_int_equal(tick(n), FLEET_TOPIC_BUCKETS);
}

static void nodes_share_the_buckets(void **state)
{
    struct lone_node *n = *state;
    fleet_node_get(&n->f, OTHER_ID);
    assert_int_equal(tick(n), FLEET_TOPIC_BUCKETS / 2);
    for (uint64_t id = 100; id < 130; id++)
        fleet_node_get(&n->f, id);
    n->f.now_ms += 1000;
    assert_int_equal(tick(n), 0); /* those that were asked aren't answered */
    answer_all(n);
    n->f.now_ms += 1000;
    assert_int_equal(tick(n), 1); /* this one has the lowest id */
}

static void there_is_one_call_for_a_bucket(void **state)
{
    struct lone_node *n = *state;
    fleet_retained_expire(&n->f, 3);
    fleet_retained_expire(&n->f, 3);
    assert_int_equal(lone_count(n), 1);
    redis_says(n, "!ERR");
    fleet_retained_expire(&n->f, 3);
    assert_int_equal(lone_count(n), 1);
    redis_says_nothing(n);
    fleet_retained_expire(&n->f, 3);
    assert_int_equal(lone_count(n), 1);
}

static void where_there_are_more_it_is_asked_again(void **state)
{
    struct lone_node *n = *state;
    fleet_retained_expire(&n->f, 3);
    redis_says(n, "[ :50 :1 ]");
    redis_gets(n, ASKED);
    redis_says(n, "[ :2 :0 ]");
    redis_gets_nothing(n);
    assert_int_equal(*n->f.metrics.expired, 52);
}

static void nobody_asks_who_may_not_act(void **state)
{
    struct lone_node *n = *state;
    n->f.lease = FLEET_LEASE_UNSURE;
    assert_int_equal(tick(n), 0);
    n->f.lease = FLEET_LEASE_SURE;
    n->f.state = FLEET_LEAVING;
    assert_int_equal(tick(n), 0);
    n->f.state = FLEET_READY;
    assert_int_equal(tick(n), FLEET_TOPIC_BUCKETS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LONE_TEST(each_bucket_is_asked_once_a_second),
        LONE_TEST(nodes_share_the_buckets),
        LONE_TEST(there_is_one_call_for_a_bucket),
        LONE_TEST(where_there_are_more_it_is_asked_again),
        LONE_TEST(nobody_asks_who_may_not_act),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
