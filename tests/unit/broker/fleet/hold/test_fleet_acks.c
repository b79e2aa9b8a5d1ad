/* fleet_acks: what a client acknowledged in a turn is one call, and who waits for it is told in order. */
#include "broker/fleet/hold/fleet_acks.h"
#include "tests/unit/broker/fleet/lone_node.h"

#define ACK "ack fl:{s}: c 5 run00001 "

static struct fleet_hold *connected(struct lone_node *n)
{
    return lone_connected(n, "c", true)->store_data;
}

/* Two of them are waited for. */
static void acknowledge(struct lone_node *n, struct fleet_hold *h)
{
    assert_true(fleet_acks_add(h, 'r', 7, lone_done, lone_call(n, "a")));
    assert_true(fleet_acks_add(h, 'a', 300, NULL, NULL));
    assert_true(fleet_acks_add(h, 'c', 1, lone_done, lone_call(n, "b")));
}

static void those_of_a_turn_are_one_call(void **state)
{
    struct lone_node *n = *state;
    struct fleet_hold *h = connected(n);
    fleet_acks_write(h);
    redis_gets_nothing(n);
    acknowledge(n, h);
    redis_gets_nothing(n);
    fleet_acks_write(h);
    redis_gets(n, ACK "r 7 a 300 c 1");
    assert_told(n, "");
    redis_says(n, ":1");
    assert_told(n, "a ok; b ok");
    fleet_acks_write(h);
    redis_gets_nothing(n); /* once */
}

static void who_is_fenced_acknowledges_nothing(void **state)
{
    struct lone_node *n = *state;
    struct fleet_hold *h = connected(n);
    acknowledge(n, h);
    fleet_acks_write(h);
    redis_says(n, ":0");
    assert_told(n, "fenced c; a fenced; b fenced");
}

static void an_error_or_no_answer_is_unavailable(void **state)
{
    struct lone_node *n = *state;
    struct fleet_hold *h = connected(n);
    acknowledge(n, h);
    fleet_acks_write(h);
    redis_says(n, "!ERR");
    assert_told(n, "a unavailable; b unavailable");
    acknowledge(n, h);
    fleet_acks_write(h);
    redis_says_nothing(n);
    assert_told(n, "a unavailable; b unavailable");
    assert_non_null(h->hold);
}

/* Nothing is completed while it is written. */
static void who_has_ended_acknowledges_nothing(void **state)
{
    struct lone_node *n = *state;
    struct fleet_hold *h = connected(n);
    acknowledge(n, h);
    fleet_hold_drop(h); /* what it acknowledged refers to it */
    fleet_acks_write(h);
    redis_gets_nothing(n);
    assert_told(n, "");
    fleet_run_deferred(&n->f, true);
    assert_told(n, "a unavailable; b unavailable");
}

static void without_memory_nothing_is_written(void **state)
{
    struct lone_node *n = *state;
    struct fleet_hold *h = connected(n);
    acknowledge(n, h);
    h->acks.failed = true;
    fleet_acks_write(h);
    redis_gets_nothing(n);
    fleet_run_deferred(&n->f, true);
    assert_told(n, "a unavailable; b unavailable");
    acknowledge(n, h); /* and it is as before */
    fleet_acks_write(h);
    redis_gets(n, ACK "r 7 a 300 c 1");
}

/* With a reference, so that one that ends is there until it is taken. */
static void each_hold_is_taken_once(void **state)
{
    struct lone_node *n = *state;
    struct fleet_hold *one = connected(n);
    struct fleet_hold *two = lone_connected(n, "d", true)->store_data;
    assert_null(fleet_acks_take(&n->f));
    acknowledge(n, one);
    acknowledge(n, two);
    acknowledge(n, one);
    assert_int_equal(one->refs, 2);
    for (int i = 0; i < 2; i++) {
        struct fleet_hold *h = fleet_acks_take(&n->f);
        assert_true(h == one || h == two);
        assert_int_equal(h->ack_count, h == one ? 6 : 3);
        fleet_acks_write(h);
        fleet_hold_unref(h);
    }
    assert_null(fleet_acks_take(&n->f));
    acknowledge(n, one);
    assert_ptr_equal(fleet_acks_take(&n->f), one);
    fleet_acks_write(one);
    fleet_hold_unref(one);
}

static void after_a_reset_nobody_waits(void **state)
{
    struct lone_node *n = *state;
    struct fleet_hold *h = connected(n);
    acknowledge(n, h);
    fleet_acks_reset(&n->f);
    assert_told(n, "a unavailable; b unavailable");
    assert_null(fleet_acks_take(&n->f));
    fleet_acks_write(h);
    redis_gets_nothing(n);
    assert_int_equal(h->refs, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LONE_TEST(those_of_a_turn_are_one_call),
        LONE_TEST(who_is_fenced_acknowledges_nothing),
        LONE_TEST(an_error_or_no_answer_is_unavailable),
        LONE_TEST(who_has_ended_acknowledges_nothing),
        LONE_TEST(without_memory_nothing_is_written),
        LONE_TEST(each_hold_is_taken_once),
        LONE_TEST(after_a_reset_nobody_waits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
