/* deliver: a durable session's messages come from its queue in the store, as its window has room. */
#include "broker/delivery/deliver.h"

#include "tests/unit/broker/core_bed.h"
#include "tests/unit/broker/held_store.h"

/* Connected, and the store asked for what the queue has: that waits. */
static struct core_client *begin(struct core_bed *b)
{
    held_begin(&b->core, HOLDS(HELD_FETCH));
    struct core_client *c = bed_join(b, "c", false);
    assert_int_equal(bed_connack(c), 0);
    assert_int_equal(held_waiting(HELD_FETCH), 1);
    return c;
}

static int end_held(void **state)
{
    held_end(&((struct core_bed *)*state)->core);
    return bed_tear_down(state);
}

static struct message *message(const char *topic)
{
    struct mqtt_publish p = {.qos = 1, .topic = bed_text(topic), .payload = bed_text("x")};
    return message_new(&p, (struct message_id){1, 1}, bed_text(""));
}

/* The fetch is answered with so many entries of QoS 1. */
static void give(struct core_bed *b, uint64_t first, size_t count, bool more)
{
    struct message *m = message("t");
    struct store_entry entries[8];
    for (size_t i = 0; i < count; i++)
        entries[i] = (struct store_entry){.sequence = first + i, .message = m, .qos = 1};
    held_answer_fetch(STORE_OK, entries, count, more);
    core_settle(&b->core);
    message_unref(m);
}

static void as_much_is_fetched_as_the_window_has_room_for(void **state)
{
    struct core_bed *b = *state;
    b->core.config.limits.max_inflight = 5;
    struct core_client *c = begin(b);
    assert_int_equal(held.sequence, 1);
    assert_int_equal(held.fetch_max, 5);
    give(b, 1, 3, false);
    assert_int_equal(bed_count(c, MQTT_PUBLISH), 3);
    assert_int_equal(held_waiting(HELD_FETCH), 0); /* there is nothing more */
    deliver_wake(c->client);
    core_settle(&b->core);
    assert_int_equal(held.sequence, 4);
    assert_int_equal(held.fetch_max, 2);
}

static void there_is_one_fetch_at_a_time(void **state)
{
    struct core_bed *b = *state;
    struct core_client *c = begin(b);
    deliver_wake(c->client);
    core_settle(&b->core);
    assert_int_equal(held_waiting(HELD_FETCH), 1);
    give(b, 1, 1, false);
    assert_int_equal(held_waiting(HELD_FETCH), 1); /* for what woke it meanwhile */
}

static void more_is_fetched_at_once(void **state)
{
    struct core_bed *b = *state;
    begin(b);
    give(b, 1, 1, true);
    assert_int_equal(held_waiting(HELD_FETCH), 1);
}

static void nothing_is_fetched_for_a_full_window(void **state)
{
    struct core_bed *b = *state;
    b->core.config.limits.max_inflight = 1;
    struct core_client *c = begin(b);
    give(b, 1, 1, true);
    assert_int_equal(held_waiting(HELD_FETCH), 0);
    bed_ack(b, c, MQTT_PUBACK, 1);
    assert_int_equal(held_waiting(HELD_FETCH), 1);
}

static void nor_while_the_output_is_high(void **state)
{
    enum { PINGS = BED_SENDS / 2 };
    static uint8_t pings[2 * PINGS];
    struct core_bed *b = *state;
    for (size_t i = 0; i < PINGS; i++)
        pings[2 * i] = 0xc0;
    struct core_client *c = begin(b);
    bed_broker(b)->memory.tight = 1; /* high from 16 kB on */
    core_take(c, 0);
    bed_send(b, c, pings, sizeof(pings));
    give(b, 1, 0, true);
    assert_int_equal(held_waiting(HELD_FETCH), 1); /* 8 kB aren't much */
    bed_send(b, c, pings, sizeof(pings));
    give(b, 1, 0, true);
    assert_int_equal(held_waiting(HELD_FETCH), 0);
    core_take(c, SIZE_MAX);
    core_settle(&b->core);
    assert_int_equal(held_waiting(HELD_FETCH), 1);
}

/* So a resend by another broker has the same id. */
static void packet_ids_follow_from_sequences(void **state)
{
    struct core_bed *b = *state;
    struct core_client *c = begin(b);
    struct message *m = message("t");
    const struct store_entry entry = {
        .sequence = 65536 + 4, .message = m, .qos = 2, .retain = true, .duplicate = true};
    struct mqtt_packet p;
    held_answer_fetch(STORE_OK, &entry, 1, false);
    core_settle(&b->core);
    message_unref(m);
    assert_true(bed_find(c, MQTT_PUBLISH, &p));
    assert_int_equal(p.u.publish.packet_id, 5);
    assert_int_equal(p.u.publish.qos, 2);
    assert_true(p.u.publish.retain);
    assert_true(p.u.publish.dup);
}

static void one_whose_packet_id_is_taken_is_fetched_again(void **state)
{
    struct core_bed *b = *state;
    struct core_client *c = begin(b);
    give(b, 1, 1, false);
    deliver_wake(c->client);
    core_settle(&b->core);
    give(b, 65536, 1, false); /* the id of the first, which isn't acknowledged */
    assert_int_equal(bed_count(c, MQTT_PUBLISH), 1);
    assert_false(c->freed);
    bed_ack(b, c, MQTT_PUBACK, 1);
    assert_int_equal(held.sequence, 65536);
    give(b, 65536, 1, false);
    assert_int_equal(bed_count(c, MQTT_PUBLISH), 1);
}

static void a_fetch_that_fails_ends_the_connection(void **state)
{
    struct core_bed *b = *state;
    struct core_client *c = begin(b);
    held_answer_fetch(STORE_UNAVAILABLE, NULL, 0, false);
    core_settle(&b->core);
    assert_true(c->freed);
    assert_int_equal(bed_broker(b)->stats.ended[END_STORE_FAILED], 1);
}

static void so_does_a_session_that_is_anothers_now(void **state)
{
    struct core_bed *b = *state;
    struct core_client *c = begin(b);
    held_answer_fetch(STORE_FENCED, NULL, 0, false);
    core_settle(&b->core);
    assert_true(c->freed);
    assert_int_equal(bed_broker(b)->stats.ended[END_TAKEN_OVER], 1);
}

static void who_is_gone_by_then_is_sent_nothing(void **state)
{
    struct core_bed *b = *state;
    struct core_client *c = begin(b);
    bed_leave(b, c);
    give(b, 1, 1, false);
    assert_int_equal(c->out_len, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, bed_set_up, end_held)
    const struct CMUnitTest tests[] = {
        TEST(as_much_is_fetched_as_the_window_has_room_for),
        TEST(there_is_one_fetch_at_a_time),
        TEST(more_is_fetched_at_once),
        TEST(nothing_is_fetched_for_a_full_window),
        TEST(nor_while_the_output_is_high),
        TEST(packet_ids_follow_from_sequences),
        TEST(one_whose_packet_id_is_taken_is_fetched_again),
        TEST(a_fetch_that_fails_ends_the_connection),
        TEST(so_does_a_session_that_is_anothers_now),
        TEST(who_is_gone_by_then_is_sent_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
