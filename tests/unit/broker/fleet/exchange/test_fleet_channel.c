/* fleet_channel: QoS 0 goes in batches, at most once; what can't be sent now is dropped and counted. */
#include "broker/fleet/exchange/fleet_channel.h"
#include "broker/fleet/wire/fleet_batch.h"
#include "tests/unit/broker/fleet/lone_node.h"

enum { GAP_US = 250, BATCH_BYTES = 256 * 1024, PENDING_MAX = 32 << 20, TRIES = 1000 };
#define TO_OTHER "PUBLISH fl:n:" OTHER_HEX " "

static void add(struct lone_node *n, size_t len)
{
    struct fleet_bytes frame = {0};
    while (frame.len < len)
        fleet_bytes_u8(&frame, 'x');
    fleet_channel_add(&n->f, fleet_node_get(&n->f, OTHER_ID), &frame);
    fleet_bytes_fini(&frame);
}

static uint64_t dropped(const struct lone_node *n)
{
    return *n->f.metrics.bulk_dropped;
}

static void a_turns_messages_are_one_batch(void **state)
{
    struct lone_node *n = *state;
    struct fleet_bytes batch = {0};
    size_t len = 0;
    const char *last = NULL;
    fleet_channel_flush(&n->f, false);
    redis_gets_nothing(n);
    add(n, 2);
    add(n, 1);
    fleet_channel_flush(&n->f, false);
    redis_gets_first(n, TO_OTHER);
    fleet_batch_begin(&batch, LONE_ID, 0);
    fleet_bytes_put(&batch, "MxxMx", 5);
    struct redis_args args = lone_args(n, 0);
    for (size_t i = 0; i < 3; i++)
        last = redis_args_next(&args, &len);
    assert_int_equal(len, batch.len);
    assert_memory_equal(last, batch.data, len);
    redis_says(n, ":1");
    fleet_channel_flush(&n->f, false);
    redis_gets_nothing(n); /* once */
    fleet_bytes_fini(&batch);
}

/* Right behind another batch: the next one gathers for a moment, and the loop is woken for it. */
static void a_batch_behind_another_gathers_for_a_moment(void **state)
{
    struct lone_node *n = *state;
    struct route_node *other = fleet_node_get(&n->f, OTHER_ID);
    uint64_t begun_us;
    for (int i = 0; i < TRIES; i++) { /* until this thread wasn't interrupted */
        add(n, 1);
        begun_us = other->bulk_sent_us = clock_monotonic_us();
        fleet_channel_flush(&n->f, false);
        if (clock_monotonic_us() - begun_us < GAP_US)
            break;
        if (lone_count(n) > 0)
            redis_says(n, ":1");
    }
    redis_gets_nothing(n);
    assert_true(other->bulk_count > 0);
    assert_true(event_pending(n->f.wake, EV_TIMEOUT, NULL) != 0);
    other->bulk_sent_us = clock_monotonic_us() - GAP_US;
    fleet_channel_flush(&n->f, false);
    redis_gets_first(n, TO_OTHER);
}

/* A retained value is to follow them. */
static void all_go_at_once_when_they_must(void **state)
{
    struct lone_node *n = *state;
    struct route_node *other = fleet_node_get(&n->f, OTHER_ID);
    add(n, 1);
    other->bulk_sent_us = clock_monotonic_us();
    fleet_channel_flush(&n->f, true);
    redis_gets_first(n, TO_OTHER);
}

static void a_large_batch_doesnt_wait_for_the_turns_end(void **state)
{
    enum { HEADER = 16 + 1 };
    struct lone_node *n = *state;

    add(n, BATCH_BYTES - HEADER - 1);
    redis_gets_nothing(n);
    add(n, 0); /* its kind */
    redis_gets_first(n, TO_OTHER);
    assert_int_equal(dropped(n), 0);
}

static void a_moments_doubt_keeps_what_isnt_too_much(void **state)
{
    struct lone_node *n = *state;
    n->f.lease = FLEET_LEASE_UNSURE;
    add(n, 1);
    fleet_channel_flush(&n->f, true);
    redis_gets_nothing(n);
    assert_int_equal(dropped(n), 0);
    n->f.lease = FLEET_LEASE_SURE;
    fleet_channel_flush(&n->f, true);
    redis_gets_first(n, TO_OTHER);
    redis_says(n, ":1");
    n->f.lease = FLEET_LEASE_UNSURE;
    add(n, 1);
    add(n, BATCH_BYTES);
    redis_gets_nothing(n);
    assert_int_equal(dropped(n), 2);
}

static void without_a_connection_it_is_dropped_and_counted(void **state)
{
    struct lone_node *n = *state;
    lone_lose_link(n);
    add(n, 1);
    add(n, 1);
    fleet_channel_flush(&n->f, true);
    redis_gets_nothing(n);
    assert_int_equal(dropped(n), 2);
    n->f.lease = FLEET_LEASE_UNSURE; /* and a doubt doesn't keep it then */
    add(n, 1);
    fleet_channel_flush(&n->f, true);
    assert_int_equal(dropped(n), 3);
}

static void behind_too_much_it_is_dropped_and_counted(void **state)
{
    struct lone_node *n = *state;
    redis_queue_begin(n->f.q, 1);
    assert_non_null(redis_queue_room(n->f.q, PENDING_MAX));
    redis_queue_end(n->f.q, REDIS_REPLAY, NULL, NULL);
    add(n, 1);
    fleet_channel_flush(&n->f, true);
    assert_int_equal(lone_count(n), 1);
    assert_int_equal(dropped(n), 1);
}

/* Half a second after the last one that has an answer the next one has. */
static void one_batch_now_and_then_is_answered(void **state)
{
    struct lone_node *n = *state;
    uint64_t begun_ms = n->f.now_ms;
    n->f.q->may_skip = true;
    add(n, 1);
    fleet_channel_flush(&n->f, true);
    assert_int_equal(n->f.q->silent, 0);
    n->f.now_ms = begun_ms + 499;
    add(n, 1);
    fleet_channel_flush(&n->f, true);
    assert_int_equal(n->f.q->silent, 1);
    n->f.now_ms = begun_ms + 500;
    add(n, 1);
    fleet_channel_flush(&n->f, true);
    assert_int_equal(lone_count(n), 3);
    assert_int_equal(n->f.q->silent, 1);
}

static void it_listens_to_its_own_channel_and_pings(void **state)
{
    struct lone_node *n = *state;
    assert_true(fleet_channel_greeted(&n->f));
    redis_gets(n, "SUBSCRIBE fl:n:" LONE_HEX);
    redis_says(n, "[ ]");
    fleet_channel_tick(&n->f);
    redis_gets(n, "PING");
    redis_says(n, "'PONG");
    n->f.now_ms += 2999;
    fleet_channel_tick(&n->f);
    redis_gets_nothing(n);
    n->f.now_ms++;
    fleet_channel_tick(&n->f);
    redis_gets(n, "PING");
    redis_says(n, "'PONG");
    lone_lose_link(n);
    n->f.now_ms += 3000;
    fleet_channel_tick(&n->f);
    redis_gets_nothing(n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LONE_TEST(a_turns_messages_are_one_batch),
        LONE_TEST(a_batch_behind_another_gathers_for_a_moment),
        LONE_TEST(all_go_at_once_when_they_must),
        LONE_TEST(a_large_batch_doesnt_wait_for_the_turns_end),
        LONE_TEST(a_moments_doubt_keeps_what_isnt_too_much),
        LONE_TEST(without_a_connection_it_is_dropped_and_counted),
        LONE_TEST(behind_too_much_it_is_dropped_and_counted),
        LONE_TEST(one_batch_now_and_then_is_answered),
        LONE_TEST(it_listens_to_its_own_channel_and_pings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
