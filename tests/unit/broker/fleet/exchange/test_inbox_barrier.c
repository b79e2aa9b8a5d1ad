/* inbox_barrier: who asks goes on once everything was read that was sent to this node before. */
#include "broker/fleet/exchange/inbox_barrier.h"
#include "tests/unit/broker/fleet/lone_node.h"

enum { BARRIER_MS = 1000 };
#define TO_INBOX "send fl:{n:" LONE_HEX "}:in "
#define TO_CHANNEL "PUBLISH fl:n:" LONE_HEX " "

static void on_barrier(void *arg, bool ok)
{
    const struct lone_call *c = arg;
    lone_tell(c->n, "%s %s", c->name, ok ? "ok" : "over");
}

/* Sends the marker of all who asked; its answers come by themselves. */
static void send_marker(struct lone_node *n)
{
    inbox_barriers_flush(&n->f);
    redis_gets_first(n, TO_INBOX);
    redis_says(n, "'1-0");
    redis_gets_first(n, TO_CHANNEL);
    redis_says(n, ":1");
    redis_gets_nothing(n);
}

static void those_of_a_turn_share_a_marker(void **state)
{
    struct lone_node *n = *state;
    struct lone_call *a = lone_call(n, "asked");
    struct lone_call *b = lone_call(n, "asked");
    inbox_barriers_flush(&n->f);
    redis_gets_nothing(n); /* nobody asked */
    inbox_barrier(&n->f, on_barrier, a);
    inbox_barrier(&n->f, on_barrier, b);
    send_marker(n);
    inbox_barrier_met(&n->f, 1, true);
    assert_told(n, "");
    inbox_barrier_met(&n->f, 1, false);
    assert_told(n, "asked ok; asked ok");
}

static void a_marker_must_come_out_of_both(void **state)
{
    struct lone_node *n = *state;
    struct lone_call *a = lone_call(n, "a");
    inbox_barrier(&n->f, on_barrier, a);
    send_marker(n);
    inbox_barrier_met(&n->f, 1, false);
    inbox_barriers_tick(&n->f);
    assert_told(n, "");
    inbox_barrier_met(&n->f, 1, true);
    assert_told(n, "a ok");
}

static void a_later_marker_stands_for_those_before_it(void **state)
{
    struct lone_node *n = *state;
    struct lone_call *a = lone_call(n, "a");
    struct lone_call *b = lone_call(n, "b");
    inbox_barrier(&n->f, on_barrier, a);
    send_marker(n);
    inbox_barrier(&n->f, on_barrier, b);
    send_marker(n);
    inbox_barrier_met(&n->f, 1, true);
    inbox_barrier_met(&n->f, 1, false);
    assert_told(n, "a ok");
    inbox_barrier_met(&n->f, 2, true);
    inbox_barrier_met(&n->f, 2, false);
    assert_told(n, "b ok");
    inbox_barrier_met(&n->f, 1, false); /* once more: a replay */
    inbox_barrier(&n->f, on_barrier, a);
    send_marker(n);
    inbox_barrier_met(&n->f, 3, true);
    assert_told(n, "");
    inbox_barrier_met(&n->f, 3, false);
    assert_told(n, "a ok");
}

/* QoS 0 was never promised; the stream is waited for, however long it takes. */
static void the_channel_is_waited_for_a_second(void **state)
{
    struct lone_node *n = *state;
    struct lone_call *a = lone_call(n, "a");
    struct lone_call *b = lone_call(n, "b");
    inbox_barrier(&n->f, on_barrier, a);
    send_marker(n);
    n->f.now_ms += BARRIER_MS - 1;
    inbox_barrier_met(&n->f, 1, false);
    assert_told(n, "");
    n->f.now_ms++;
    inbox_barriers_tick(&n->f);
    assert_told(n, "a ok");
    inbox_barrier(&n->f, on_barrier, b);
    send_marker(n);
    n->f.now_ms += 100 * BARRIER_MS;
    inbox_barrier_met(&n->f, 2, true);
    inbox_barriers_tick(&n->f);
    assert_told(n, "");
}

/* A marker that was refused or given up isn't in the stream: it is waited for as the channel's. */
static void a_marker_that_isnt_in_the_stream_is_waited_for_a_second(void **state)
{
    struct lone_node *n = *state;
    struct lone_call *a = lone_call(n, "a");
    for (uint64_t token = 1; token <= 2; token++) {
        inbox_barrier(&n->f, on_barrier, a);
        inbox_barriers_flush(&n->f);
        lone_answer(n, token == 1 ? NULL : reply("!ERR"));
        redis_says(n, ":1");
        inbox_barrier_met(&n->f, token, true);
        n->f.now_ms += BARRIER_MS - 1;
        inbox_barriers_tick(&n->f);
        assert_told(n, "");
        n->f.now_ms++;
        inbox_barriers_tick(&n->f);
        assert_told(n, "a ok");
    }
    assert_null(n->f.reload_why);
}

static void an_inbox_that_is_gone_has_nothing_to_be_read_and_means_a_reload(void **state)
{
    struct lone_node *n = *state;
    struct lone_call *a = lone_call(n, "a");
    inbox_barrier(&n->f, on_barrier, a);
    inbox_barriers_flush(&n->f);
    redis_says(n, "nil");
    assert_non_null(n->f.reload_why);
    assert_told(n, ""); /* the channel is another matter */
    inbox_barrier_met(&n->f, 1, true);
    assert_told(n, "a ok");
}

/* Markers that are still on their way say nothing to those who ask afterwards. */
static void a_node_that_starts_over_lets_nobody_go_on(void **state)
{
    struct lone_node *n = *state;
    struct lone_call *a = lone_call(n, "asked");
    struct lone_call *b = lone_call(n, "asked");
    struct lone_call *c = lone_call(n, "later");
    inbox_barrier(&n->f, on_barrier, a);
    send_marker(n);
    inbox_barrier(&n->f, on_barrier, b);
    inbox_barriers_reset(&n->f);
    assert_told(n, "asked over; asked over");
    inbox_barrier(&n->f, on_barrier, c);
    send_marker(n);
    inbox_barrier_met(&n->f, 1, true);
    inbox_barrier_met(&n->f, 1, false);
    assert_told(n, "");
    inbox_barrier_met(&n->f, 3, true);
    inbox_barrier_met(&n->f, 3, false);
    assert_told(n, "later ok");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LONE_TEST(those_of_a_turn_share_a_marker),
        LONE_TEST(a_marker_must_come_out_of_both),
        LONE_TEST(a_later_marker_stands_for_those_before_it),
        LONE_TEST(the_channel_is_waited_for_a_second),
        LONE_TEST(a_marker_that_isnt_in_the_stream_is_waited_for_a_second),
        LONE_TEST(an_inbox_that_is_gone_has_nothing_to_be_read_and_means_a_reload),
        LONE_TEST(a_node_that_starts_over_lets_nobody_go_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
