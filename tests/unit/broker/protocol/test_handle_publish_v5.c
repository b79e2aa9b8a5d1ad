/* handle_publish: reason codes and flow control of 5.0. What all versions have in common: test_handle_publish.c. */
#include "broker/client/client_v5.h"
#include "tests/unit/broker/held_store.h"
#include "tests/unit/broker/v5_bed.h"

static struct core_client *publisher(struct core_bed *b, bool clean)
{
    struct mqtt_props props = V5_PROPS(V5_NUM(MQTT_P_SESSION_EXPIRY, clean ? 0 : 60));
    struct core_client *c = v5_join(b, "publisher", clean, props);
    assert_int_equal(bed_connack(c), 0);
    return c;
}

static struct core_client *subscriber(struct core_bed *b, const char *filter)
{
    struct core_client *c = bed_join(b, "subscriber", true);
    bed_subscribe(b, c, filter, 2);
    c->out_len = 0;
    return c;
}

static void publish(struct core_bed *b, struct core_client *c, uint16_t packet_id, uint8_t qos)
{
    v5_publish(
        b, c,
        &(struct mqtt_publish){
            .topic = bed_text("t"), .qos = qos, .packet_id = packet_id, .payload = bed_text("x")});
}

static uint16_t unanswered(const struct core_client *c)
{
    return c->client->v5->unanswered;
}

/* ---- no matching subscribers ------------------------------------------------------------------ */

/* 3.4.2.1, 3.5.2.1 */
static void only_what_nobody_gets_is_answered_so(void **state)
{
    struct core_bed *b = *state;
    struct core_client *c = publisher(b, true);
    publish(b, c, 1, 1);
    assert_true(v5_acked(c, MQTT_PUBACK, 1, MQTT_R_NO_MATCHING_SUBSCRIBERS));
    publish(b, c, 2, 2);
    assert_true(v5_acked(c, MQTT_PUBREC, 2, MQTT_R_NO_MATCHING_SUBSCRIBERS));
    bed_ack(b, c, MQTT_PUBREL, 2); /* it goes on all the same */
    assert_true(v5_acked(c, MQTT_PUBCOMP, 2, MQTT_R_SUCCESS));
    subscriber(b, "t");
    publish(b, c, 3, 1);
    assert_true(v5_acked(c, MQTT_PUBACK, 3, MQTT_R_SUCCESS));
    publish(b, c, 4, 2);
    assert_true(v5_acked(c, MQTT_PUBREC, 4, MQTT_R_SUCCESS));
}

static void what_waits_in_a_queue_is_for_somebody(void **state)
{
    struct core_bed *b = *state;
    struct core_client *c = publisher(b, true), *away = bed_join(b, "away", false);
    bed_subscribe(b, away, "t", 1);
    bed_leave(b, away);
    publish(b, c, 1, 1);
    assert_true(v5_acked(c, MQTT_PUBACK, 1, MQTT_R_SUCCESS));
}

static void a_publisher_of_an_earlier_version_isnt_told(void **state)
{
    struct core_bed *b = *state;
    struct core_client *c = bed_join(b, "old", true);
    assert_int_equal(bed_connack(c), 0);
    bed_publish(b, c, "t", 1, false);
    assert_int_equal(c->out_len, 4);
    assert_memory_equal(c->out, "\x40\2\0\1", 4);
}

/* ---- not allowed ------------------------------------------------------------------------------ */

static void what_is_denied_is_answered_with_the_reason(void **state)
{
    struct core_bed *b = *state;
    bed_use_auth(b, NULL, "topic read #\n");
    struct core_client *c = publisher(b, true), *s = subscriber(b, "#");
    publish(b, c, 0, 0); /* has no answer */
    assert_int_equal(c->out_len, 0);
    publish(b, c, 1, 1);
    assert_true(v5_acked(c, MQTT_PUBACK, 1, MQTT_R_NOT_AUTHORIZED));
    publish(b, c, 1, 2);
    assert_true(v5_acked(c, MQTT_PUBREC, 1, MQTT_R_NOT_AUTHORIZED));
    assert_int_equal(bed_broker(b)->stats.dropped[DROP_DENIED], 3);
    assert_int_equal(s->out_len, 0);
    assert_false(c->freed);
}

/* [MQTT-4.3.3-9]: a PUBREC that refuses ends it, and so there is nothing to release. */
static void a_refused_message_of_qos_2_is_over(void **state)
{
    struct core_bed *b = *state;
    bed_use_auth(b, NULL, "topic read #\n");
    struct core_client *c = publisher(b, true);
    publish(b, c, 1, 2);
    assert_true(v5_acked(c, MQTT_PUBREC, 1, MQTT_R_NOT_AUTHORIZED));
    assert_int_equal(c->client->open_qos2.count, 0);
    publish(b, c, 1, 2); /* another message */
    assert_true(v5_acked(c, MQTT_PUBREC, 1, MQTT_R_NOT_AUTHORIZED));
    bed_ack(b, c, MQTT_PUBREL, 1);
    assert_true(v5_acked(c, MQTT_PUBCOMP, 1, MQTT_R_PACKET_ID_NOT_FOUND));
}

static void topics_beyond_the_limits_are_answered_so(void **state)
{
    struct core_bed *b = *state;
    b->core.config.limits.max_topic_levels = 2;
    struct core_client *c = publisher(b, true);
    v5_publish(b, c, &(struct mqtt_publish){.topic = bed_text("a/b/c"), .qos = 1, .packet_id = 1});
    assert_true(v5_acked(c, MQTT_PUBACK, 1, MQTT_R_BAD_TOPIC_NAME));
    assert_int_equal(bed_broker(b)->stats.dropped[DROP_LIMIT], 1);
}

static struct mqtt_publish not_utf8(uint8_t qos)
{
    return (struct mqtt_publish){.topic = bed_text("t"),
                                 .qos = qos,
                                 .packet_id = qos > 0 ? 1 : 0,
                                 .payload = bed_text("\xff"),
                                 .props = V5_PROPS(V5_NUM(MQTT_P_PAYLOAD_FORMAT, 1))};
}

/* 3.3.2.3.2, 3.4.2.1, 3.5.2.1 */
static void a_payload_of_another_format_is_refused(void **state)
{
    struct core_bed *b = *state;
    struct core_client *c = publisher(b, true), *s = subscriber(b, "#");
    struct mqtt_publish p = not_utf8(1);
    v5_publish(b, c, &p);
    assert_true(v5_acked(c, MQTT_PUBACK, 1, MQTT_R_BAD_PAYLOAD_FORMAT));
    p = not_utf8(2);
    v5_publish(b, c, &p);
    assert_true(v5_acked(c, MQTT_PUBREC, 1, MQTT_R_BAD_PAYLOAD_FORMAT));
    assert_false(c->freed);
    p = not_utf8(0); /* can't be answered otherwise */
    v5_publish(b, c, &p);
    assert_int_equal(v5_end_reason(c), MQTT_R_BAD_PAYLOAD_FORMAT);
    assert_int_equal(s->out_len, 0);
    assert_int_equal(bed_broker(b)->stats.dropped[DROP_PAYLOAD_FORMAT], 3);
}

static void one_of_the_right_format_goes_on_and_so_does_one_that_names_none(void **state)
{
    struct core_bed *b = *state;
    struct core_client *c = publisher(b, true), *s = subscriber(b, "#");
    struct mqtt_publish p = not_utf8(1);
    p.payload = bed_text("gr\xc3\xbc\xc3\x9f");
    v5_publish(b, c, &p);
    assert_true(v5_acked(c, MQTT_PUBACK, 1, MQTT_R_SUCCESS));
    p.payload.len = 0;
    v5_publish(b, c, &p);
    assert_true(v5_acked(c, MQTT_PUBACK, 1, MQTT_R_SUCCESS));
    p = not_utf8(1);
    p.props = V5_PROPS(V5_NUM(MQTT_P_PAYLOAD_FORMAT, 0));
    v5_publish(b, c, &p);
    assert_true(v5_acked(c, MQTT_PUBACK, 1, MQTT_R_SUCCESS));
    assert_int_equal(bed_count(s, MQTT_PUBLISH), 3);
}

/* ---- not offered ------------------------------------------------------------------------------ */

/* [MQTT-3.2.2-11] */
static void a_qos_above_the_maximum_ends_the_connection(void **state)
{
    struct core_bed *b = *state;
    b->core.config.mqtt.max_qos = 1;
    bed_broker(b)->takes_all_as_it_comes = false;
    struct core_client *c = publisher(b, true), *s = subscriber(b, "t");
    publish(b, c, 1, 1);
    assert_true(v5_acked(c, MQTT_PUBACK, 1, MQTT_R_SUCCESS));
    assert_int_equal(bed_count(s, MQTT_PUBLISH), 1);
    publish(b, c, 2, 2);
    assert_int_equal(v5_end_reason(c), MQTT_R_QOS_NOT_SUPPORTED);
    assert_int_equal(bed_count(s, MQTT_PUBLISH), 0);
}

/* [MQTT-3.2.2-14] */
static void so_does_the_retain_flag_where_nothing_is_retained(void **state)
{
    struct core_bed *b = *state;
    b->core.config.mqtt.retain = false;
    bed_broker(b)->takes_all_as_it_comes = false;
    struct core_client *c = publisher(b, true);
    bed_publish(b, c, "t", 0, false);
    assert_false(c->freed);
    bed_publish(b, c, "t", 0, true);
    assert_int_equal(v5_end_reason(c), MQTT_R_RETAIN_NOT_SUPPORTED);
    b->core.config.mqtt.retain = true;
    c = publisher(b, true);
    bed_publish(b, c, "t", 0, true);
    assert_false(c->freed);
}

/* ---- receive maximum -------------------------------------------------------------------------- */

/* Its answers wait in the store; two messages may be unanswered. */
static struct core_client *hold_answers(struct core_bed *b)
{
    b->core.config.limits.max_open_qos2 = 2;
    struct core_client *c = publisher(b, true);
    held_begin(&b->core, HOLDS(HELD_PUBLISH));
    return c;
}

/* [MQTT-3.3.4-9] */
static void more_unanswered_messages_than_allowed_end_the_connection(void **state)
{
    struct core_bed *b = *state;
    struct core_client *c = hold_answers(b);
    publish(b, c, 1, 1);
    publish(b, c, 2, 2);
    publish(b, c, 0, 0); /* doesn't count */
    assert_int_equal(unanswered(c), 2);
    assert_false(c->freed);
    publish(b, c, 3, 1);
    assert_int_equal(v5_end_reason(c), MQTT_R_RECEIVE_MAXIMUM_EXCEEDED);
    held_end(&b->core);
}

static void nor_may_qos_2_exceed_it(void **state)
{
    struct core_bed *b = *state;
    struct core_client *c = hold_answers(b);
    publish(b, c, 1, 2);
    publish(b, c, 2, 2);
    publish(b, c, 2, 2); /* the same again */
    assert_int_equal(unanswered(c), 2);
    assert_false(c->freed);
    publish(b, c, 3, 2);
    assert_int_equal(v5_end_reason(c), MQTT_R_RECEIVE_MAXIMUM_EXCEEDED);
    held_end(&b->core);
}

/* 4.9 */
static void a_puback_allows_one_more(void **state)
{
    struct core_bed *b = *state;
    struct core_client *c = hold_answers(b);
    publish(b, c, 1, 1);
    publish(b, c, 2, 1);
    held_answer(HELD_PUBLISH, STORE_OK);
    core_settle(&b->core);
    assert_int_equal(unanswered(c), 1);
    publish(b, c, 1, 1);
    assert_false(c->freed);
    assert_int_equal(unanswered(c), 2);
    held_end(&b->core);
}

static void of_qos_2_the_release_does_and_not_the_pubrec(void **state)
{
    struct core_bed *b = *state;
    b->core.config.limits.max_open_qos2 = 2;
    struct core_client *c = publisher(b, true);
    publish(b, c, 1, 2);
    publish(b, c, 2, 2);
    assert_int_equal(bed_count(c, MQTT_PUBREC), 2);
    assert_int_equal(unanswered(c), 2);
    bed_ack(b, c, MQTT_PUBREL, 1);
    assert_int_equal(unanswered(c), 1);
    bed_ack(b, c, MQTT_PUBREL, 1); /* twice is once */
    assert_int_equal(unanswered(c), 1);
    publish(b, c, 1, 2);
    assert_false(c->freed);
    publish(b, c, 3, 2);
    assert_int_equal(v5_end_reason(c), MQTT_R_RECEIVE_MAXIMUM_EXCEEDED);
}

static void so_does_a_pubrec_that_refuses(void **state)
{
    struct core_bed *b = *state;
    bed_use_auth(b, NULL, "topic read #\n");
    b->core.config.limits.max_open_qos2 = 2;
    struct core_client *c = publisher(b, true);
    for (uint16_t id = 1; id <= 5; id++) {
        publish(b, c, id, id % 2 == 0 ? 1 : 2);
        assert_int_equal(unanswered(c), 0);
    }
    assert_false(c->freed);
}

/* Those that are refused at once wait for their answer, too, behind others. */
static void what_waits_behind_others_counts(void **state)
{
    struct core_bed *b = *state;
    struct core_client *c = hold_answers(b);
    publish(b, c, 1, 1);
    b->core.config.limits.max_topic_length = 0;
    publish(b, c, 2, 1); /* it is too long */
    assert_int_equal(unanswered(c), 2);
    held_answer(HELD_PUBLISH, STORE_OK);
    core_settle(&b->core);
    assert_true(v5_acked(c, MQTT_PUBACK, 1, MQTT_R_NO_MATCHING_SUBSCRIBERS));
    assert_true(v5_acked(c, MQTT_PUBACK, 2, MQTT_R_BAD_TOPIC_NAME));
    assert_int_equal(unanswered(c), 0);
    held_end(&b->core);
}

/* The bound that holds for them: 3.1.1 has no other. */
static void earlier_versions_have_no_receive_maximum(void **state)
{
    struct core_bed *b = *state;
    b->core.config.limits.max_unacknowledged = 2;
    struct core_client *c = bed_join(b, "old", true);
    assert_int_equal(bed_connack(c), 0);
    held_begin(&b->core, HOLDS(HELD_PUBLISH));
    for (int i = 0; i < 3; i++)
        bed_publish(b, c, "t", 1, false);
    assert_false(c->freed);
    assert_true(c->client->pause & PAUSE_UNACKNOWLEDGED);
    held_end(&b->core);
}

/* ---- PUBREL ----------------------------------------------------------------------------------- */

/* 3.7.2.1 */
static void a_release_of_what_isnt_there_is_answered_so(void **state)
{
    struct core_bed *b = *state;
    struct core_client *c = publisher(b, true);
    bed_ack(b, c, MQTT_PUBREL, 9);
    assert_true(v5_acked(c, MQTT_PUBCOMP, 9, MQTT_R_PACKET_ID_NOT_FOUND));
    publish(b, c, 1, 2);
    bed_next(c, &(struct mqtt_packet){0});
    bed_ack(b, c, MQTT_PUBREL, 1);
    assert_true(v5_acked(c, MQTT_PUBCOMP, 1, MQTT_R_SUCCESS));
    bed_ack(b, c, MQTT_PUBREL, 1);
    assert_true(v5_acked(c, MQTT_PUBCOMP, 1, MQTT_R_PACKET_ID_NOT_FOUND));
}

/* It may be of an earlier connection, which the store knows ("not an error during recovery", 3.7.2.1). */
static void a_durable_publisher_may_release_what_it_sent_before(void **state)
{
    struct core_bed *b = *state;
    struct core_client *c = publisher(b, false);
    publish(b, c, 1, 2);
    assert_true(v5_acked(c, MQTT_PUBREC, 1, MQTT_R_NO_MATCHING_SUBSCRIBERS));
    bed_leave(b, c);
    c = publisher(b, false);
    bed_ack(b, c, MQTT_PUBREL, 1);
    assert_true(v5_acked(c, MQTT_PUBCOMP, 1, MQTT_R_SUCCESS));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BED_TEST(only_what_nobody_gets_is_answered_so),
        BED_TEST(what_waits_in_a_queue_is_for_somebody),
        BED_TEST(a_publisher_of_an_earlier_version_isnt_told),
        BED_TEST(what_is_denied_is_answered_with_the_reason),
        BED_TEST(a_refused_message_of_qos_2_is_over),
        BED_TEST(topics_beyond_the_limits_are_answered_so),
        BED_TEST(a_payload_of_another_format_is_refused),
        BED_TEST(one_of_the_right_format_goes_on_and_so_does_one_that_names_none),
        BED_TEST(a_qos_above_the_maximum_ends_the_connection),
        BED_TEST(so_does_the_retain_flag_where_nothing_is_retained),
        BED_TEST(more_unanswered_messages_than_allowed_end_the_connection),
        BED_TEST(nor_may_qos_2_exceed_it),
        BED_TEST(a_puback_allows_one_more),
        BED_TEST(of_qos_2_the_release_does_and_not_the_pubrec),
        BED_TEST(so_does_a_pubrec_that_refuses),
        BED_TEST(what_waits_behind_others_counts),
        BED_TEST(earlier_versions_have_no_receive_maximum),
        BED_TEST(a_release_of_what_isnt_there_is_answered_so),
        BED_TEST(a_durable_publisher_may_release_what_it_sent_before),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
