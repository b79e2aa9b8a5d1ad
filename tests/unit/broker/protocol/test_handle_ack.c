/* handle_ack: what a client acknowledges leaves its window, and its queue in the store. */
#include "tests/unit/broker/core_bed.h"
#include "tests/unit/broker/held_store.h"

struct pair {
    struct core_client *c, *publisher;
};

/* A subscriber and somebody who publishes to it; nothing is told apart from what comes next. */
static struct pair begin(struct core_bed *b, bool clean)
{
    struct pair p = {bed_join(b, "c", clean), bed_join(b, "publisher", true)};
    bed_subscribe(b, p.c, "t", 2);
    p.c->out_len = 0;
    return p;
}

/* Publishes, and takes what the subscriber is sent. Returns its packet id, 0: it isn't sent yet. */
static uint16_t publish(struct core_bed *b, struct pair *p, uint8_t qos)
{
    struct mqtt_packet packet;
    bed_publish(b, p->publisher, "t", qos, false);
    if (qos == 2)
        bed_ack(b, p->publisher, MQTT_PUBREL, 1);
    return bed_find(p->c, MQTT_PUBLISH, &packet) ? packet.u.publish.packet_id : 0;
}

static uint32_t open_of(const struct pair *p)
{
    return inflight_open(&p->c->client->inflight);
}

/* ---- QoS 1 ------------------------------------------------------------------------------------ */

static void an_acknowledged_message_makes_room(bool clean, struct core_bed *b)
{
    b->core.config.limits.max_inflight = 1;
    struct pair p = begin(b, clean);
    assert_int_equal(publish(b, &p, 1), 1);
    assert_int_equal(publish(b, &p, 1), 0); /* it waits */
    bed_ack(b, p.c, MQTT_PUBACK, 1);
    assert_int_equal(bed_count(p.c, MQTT_PUBLISH), 1);
    bed_ack(b, p.c, MQTT_PUBACK, 2);
    assert_int_equal(open_of(&p), 0);
}

static void a_puback_makes_room_in_a_clean_sessions_window(void **state)
{
    an_acknowledged_message_makes_room(true, *state);
}

static void a_puback_makes_room_in_a_durable_sessions_window(void **state)
{
    an_acknowledged_message_makes_room(false, *state);
}

static void a_puback_that_nothing_waits_for_is_ignored(void **state)
{
    struct core_bed *b = *state;
    struct pair p = begin(b, true);
    bed_ack(b, p.c, MQTT_PUBACK, 9);
    assert_int_equal(publish(b, &p, 2), 1);
    bed_ack(b, p.c, MQTT_PUBACK, 1); /* it isn't the answer to QoS 2 */
    assert_int_equal(open_of(&p), 1);
    assert_false(p.c->freed);
}

static void what_a_durable_session_acknowledged_isnt_sent_again(void **state)
{
    struct core_bed *b = *state;
    struct pair p = begin(b, false);
    assert_int_equal(publish(b, &p, 1), 1);
    assert_int_equal(publish(b, &p, 1), 2);
    bed_ack(b, p.c, MQTT_PUBACK, 1);
    bed_leave(b, p.c);
    struct core_client *again = bed_join(b, "c", false);
    struct mqtt_packet packet;
    assert_true(bed_find(again, MQTT_PUBLISH, &packet));
    assert_int_equal(packet.u.publish.packet_id, 2);
    assert_int_equal(bed_count(again, MQTT_PUBLISH), 0);
}

/* ---- QoS 2 ------------------------------------------------------------------------------------ */

static void a_message_with_qos_2_is_released_then_complete(void **state)
{
    struct core_bed *b = *state;
    b->core.config.limits.max_inflight = 1;
    struct pair p = begin(b, true);
    assert_int_equal(publish(b, &p, 2), 1);
    assert_int_equal(publish(b, &p, 2), 0);
    bed_ack(b, p.c, MQTT_PUBCOMP, 1); /* too early */
    assert_int_equal(open_of(&p), 1);
    bed_ack(b, p.c, MQTT_PUBREC, 1);
    assert_true(bed_acked(p.c, MQTT_PUBREL, 1));
    assert_int_equal(open_of(&p), 1);
    bed_ack(b, p.c, MQTT_PUBREC, 1); /* our PUBREL crossed it */
    assert_true(bed_acked(p.c, MQTT_PUBREL, 1));
    bed_ack(b, p.c, MQTT_PUBCOMP, 1);
    assert_int_equal(bed_count(p.c, MQTT_PUBLISH), 1); /* the next one */
}

static void a_pubrec_of_what_is_long_finished_is_answered(void **state)
{
    struct core_bed *b = *state;
    struct pair p = begin(b, true);
    bed_ack(b, p.c, MQTT_PUBREC, 9);
    assert_true(bed_acked(p.c, MQTT_PUBREL, 9));
}

static void a_pubrec_for_qos_1_is_an_error(void **state)
{
    struct core_bed *b = *state;
    struct pair p = begin(b, true);
    assert_int_equal(publish(b, &p, 1), 1);
    bed_ack(b, p.c, MQTT_PUBREC, 1);
    assert_true(p.c->freed);
    assert_int_equal(bed_broker(b)->stats.ended[END_MALFORMED], 1);
}

/* Unlike one that is only received: that one is released again. */
static void what_a_durable_session_completed_isnt_released_again(void **state)
{
    struct core_bed *b = *state;
    struct pair p = begin(b, false);
    assert_int_equal(publish(b, &p, 2), 1);
    assert_int_equal(publish(b, &p, 2), 2);
    bed_ack(b, p.c, MQTT_PUBREC, 1);
    bed_ack(b, p.c, MQTT_PUBREC, 2);
    bed_ack(b, p.c, MQTT_PUBCOMP, 1);
    bed_leave(b, p.c);
    struct core_client *again = bed_join(b, "c", false);
    struct mqtt_packet packet;
    assert_true(bed_find(again, MQTT_PUBREL, &packet));
    assert_int_equal(packet.u.ack.packet_id, 2);
    assert_int_equal(again->out_len, 0);
}

/* ---- QoS 2 of a durable session --------------------------------------------------------------- */

static struct pair receive(struct core_bed *b)
{
    struct pair p = begin(b, false);
    held_begin(&b->core, HOLDS(HELD_RELEASE));
    assert_int_equal(publish(b, &p, 2), 1);
    bed_ack(b, p.c, MQTT_PUBREC, 1);
    assert_int_equal(held_waiting(HELD_RELEASE), 1);
    assert_int_equal(held.sequence, 1);
    assert_int_equal(p.c->out_len, 0);
    return p;
}

static void pubrel_waits_until_the_store_has_noted_it(void **state)
{
    struct core_bed *b = *state;
    struct pair p = receive(b);
    bed_ack(b, p.c, MQTT_PUBREC, 1); /* once is enough */
    assert_int_equal(held_waiting(HELD_RELEASE), 1);
    assert_int_equal(p.c->out_len, 0);
    held_answer(HELD_RELEASE, STORE_OK);
    core_settle(&b->core);
    assert_true(bed_acked(p.c, MQTT_PUBREL, 1));
    bed_ack(b, p.c, MQTT_PUBCOMP, 1);
    assert_int_equal(open_of(&p), 0);
    held_end(&b->core);
}

static void a_store_that_cant_note_it_ends_the_connection(void **state)
{
    struct core_bed *b = *state;
    struct pair p = receive(b);
    held_answer(HELD_RELEASE, STORE_UNAVAILABLE);
    core_settle(&b->core);
    assert_true(p.c->freed);
    assert_int_equal(p.c->out_len, 0);
    assert_int_equal(bed_broker(b)->stats.ended[END_STORE_FAILED], 1);
    held_end(&b->core);
}

static void so_does_one_that_gave_the_session_away(void **state)
{
    struct core_bed *b = *state;
    struct pair p = receive(b);
    held_answer(HELD_RELEASE, STORE_FENCED);
    core_settle(&b->core);
    assert_true(p.c->freed);
    assert_int_equal(bed_broker(b)->stats.ended[END_TAKEN_OVER], 1);
    held_end(&b->core);
}

static void who_is_gone_by_then_is_told_nothing(void **state)
{
    struct core_bed *b = *state;
    struct pair p = receive(b);
    bed_leave(b, p.c);
    held_answer(HELD_RELEASE, STORE_OK);
    core_settle(&b->core);
    assert_int_equal(p.c->out_len, 0);
    held_end(&b->core);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BED_TEST(a_puback_makes_room_in_a_clean_sessions_window),
        BED_TEST(a_puback_makes_room_in_a_durable_sessions_window),
        BED_TEST(a_puback_that_nothing_waits_for_is_ignored),
        BED_TEST(what_a_durable_session_acknowledged_isnt_sent_again),
        BED_TEST(a_message_with_qos_2_is_released_then_complete),
        BED_TEST(a_pubrec_of_what_is_long_finished_is_answered),
        BED_TEST(a_pubrec_for_qos_1_is_an_error),
        BED_TEST(what_a_durable_session_completed_isnt_released_again),
        BED_TEST(pubrel_waits_until_the_store_has_noted_it),
        BED_TEST(a_store_that_cant_note_it_ends_the_connection),
        BED_TEST(so_does_one_that_gave_the_session_away),
        BED_TEST(who_is_gone_by_then_is_told_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
