/* publish_rate: who publishes faster than it may isn't read for a while. */
#include "broker/client/publish_rate.h"

#include "tests/unit/broker/core_bed.h"

/* ---- deciding -------------------------------------------------------------------------------- */

static void a_seconds_worth_costs_no_wait(void **state)
{
    (void)state;
    uint64_t due_us = 0;
    for (int i = 0; i < 10; i++)
        due_us = publish_rate_due(due_us, 1, 10, 5000000);
    assert_int_equal(publish_rate_wait_ms(due_us, 5000000), 0);
    due_us = publish_rate_due(due_us, 1, 10, 5000000);
    assert_int_equal(publish_rate_wait_ms(due_us, 5000000), 100);
    assert_int_equal(publish_rate_wait_ms(due_us, 5100000), 0);
}

static void a_pause_gives_it_back(void **state)
{
    (void)state;
    uint64_t due_us = publish_rate_due(0, 10, 10, 1000000);
    assert_int_equal(due_us, 2000000);
    assert_int_equal(publish_rate_due(due_us, 1, 10, 9000000), 9100000);
}

static void no_message_costs_more_than_a_minute(void **state)
{
    (void)state;
    uint64_t due_us = publish_rate_due(0, UINT64_MAX, 1, 1000000);
    assert_int_equal(publish_rate_wait_ms(due_us, 1000000), RATE_WAIT_MAX_MS);
    due_us = publish_rate_due(due_us, 1000000, 1, 1000000);
    assert_int_equal(publish_rate_wait_ms(due_us, 1000000), RATE_WAIT_MAX_MS);
}

/* ---- clients --------------------------------------------------------------------------------- */

static struct client *publisher(struct core_bed *b, uint32_t messages, uint64_t bytes)
{
    b->core.config.limits.max_publish_rate = messages;
    b->core.config.limits.max_publish_bytes = bytes;
    bed_broker(b)->takes_all_as_it_comes = false;
    return bed_join(b, "p", true)->client;
}

static void who_is_too_fast_is_paused_and_goes_on(void **state)
{
    struct core_bed *b = *state;
    struct broker *broker = bed_broker(b);
    struct client *c = publisher(b, 2, 0);
    publish_rate_note(c, 1);
    publish_rate_note(c, 1);
    assert_true(client_takes_packets(c));
    publish_rate_note(c, 1);
    assert_false(client_takes_packets(c));
    assert_int_equal(broker->stats.rate_pauses, 1);
    wheel_advance(&broker->wheel, broker->now_ms + 400);
    assert_false(client_takes_packets(c));
    wheel_advance(&broker->wheel, broker->now_ms + 600);
    assert_true(client_takes_packets(c));
}

static void bytes_count_apart(void **state)
{
    struct core_bed *b = *state;
    struct client *c = publisher(b, 1000, 100);
    publish_rate_note(c, 100);
    assert_true(client_takes_packets(c));
    publish_rate_note(c, 50);
    assert_false(client_takes_packets(c));
}

static void others_arent_held_up(void **state)
{
    struct core_bed *b = *state;
    struct client *c = publisher(b, 1, 0);
    struct client *other = bed_join(b, "q", true)->client;
    publish_rate_note(c, 1);
    publish_rate_note(c, 1);
    publish_rate_note(other, 1);
    assert_false(client_takes_packets(c));
    assert_true(client_takes_packets(other));
}

static void who_is_closed_while_it_waits_leaves_nothing(void **state)
{
    struct core_bed *b = *state;
    struct broker *broker = bed_broker(b);
    struct client *c = publisher(b, 1, 0);
    publish_rate_note(c, 1);
    publish_rate_note(c, 1);
    client_close(c, END_EOF);
    core_settle(&b->core);
    wheel_advance(&broker->wheel, broker->now_ms + 5000); /* its timer is gone with it */
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, bed_set_up, bed_tear_down)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_seconds_worth_costs_no_wait),
        cmocka_unit_test(a_pause_gives_it_back),
        cmocka_unit_test(no_message_costs_more_than_a_minute),
        TEST(who_is_too_fast_is_paused_and_goes_on),
        TEST(bytes_count_apart),
        TEST(others_arent_held_up),
        TEST(who_is_closed_while_it_waits_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
