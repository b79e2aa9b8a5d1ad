/* reason: what a 5.0 client is told beside reason codes, and that others aren't (2.4, 3.1.2.11.7). */
#include "broker/client/reason.h"

#include "broker/client/client_v5.h"
#include "tests/unit/broker/v5_bed.h"

static struct core_client *join(struct core_bed *b, struct mqtt_props props)
{
    struct core_client *c = v5_join(b, "c", true, props);
    assert_int_equal(bed_connack(c), 0);
    return c;
}

/* Sends an answer, and takes it. */
static struct mqtt_ack answered(struct core_bed *b, struct core_client *c, enum mqtt_type type,
                                uint8_t reason)
{
    struct mqtt_packet p;
    reason_answer(c->client, type, 9, reason);
    client_mark_flush(c->client);
    core_settle(&b->core);
    assert_true(bed_find(c, type, &p));
    assert_int_equal(p.u.ack.packet_id, 9);
    return p.u.ack;
}

static void an_answer_says_why(void **state)
{
    struct core_bed *b = *state;
    struct core_client *c = join(b, v5_none);
    struct mqtt_ack ack = answered(b, c, MQTT_PUBACK, MQTT_R_NOT_AUTHORIZED);
    assert_int_equal(ack.reason, MQTT_R_NOT_AUTHORIZED);
    assert_non_null(strstr(v5_text(ack.props, MQTT_P_REASON_STRING), "may not publish"));
    ack = answered(b, c, MQTT_PUBREC, MQTT_R_BAD_TOPIC_NAME);
    assert_non_null(strstr(v5_text(ack.props, MQTT_P_REASON_STRING), "levels"));
    ack = answered(b, c, MQTT_PUBACK, MQTT_R_BAD_PAYLOAD_FORMAT);
    assert_non_null(strstr(v5_text(ack.props, MQTT_P_REASON_STRING), "UTF-8"));
}

static void reasons_that_say_all_themselves_have_no_words(void **state)
{
    struct core_bed *b = *state;
    struct core_client *c = join(b, v5_none);
    struct mqtt_ack ack = answered(b, c, MQTT_PUBACK, MQTT_R_NO_MATCHING_SUBSCRIBERS);
    assert_int_equal(ack.reason, MQTT_R_NO_MATCHING_SUBSCRIBERS);
    assert_int_equal(ack.props.raw.len, 0);
    ack = answered(b, c, MQTT_PUBCOMP, MQTT_R_PACKET_ID_NOT_FOUND);
    assert_int_equal(ack.reason, MQTT_R_PACKET_ID_NOT_FOUND);
    assert_int_equal(ack.props.raw.len, 0);
}

/* 3.4.2.1: then the reason code is left out, too. */
static void success_is_the_four_bytes_of_earlier_versions(void **state)
{
    struct core_bed *b = *state;
    struct core_client *c = join(b, v5_none);
    reason_answer(c->client, MQTT_PUBACK, 9, MQTT_R_SUCCESS);
    core_settle(&b->core);
    assert_int_equal(c->out_len, 4);
    assert_memory_equal(c->out, "\x40\2\0\x09", 4);
}

static void clients_of_earlier_versions_get_these_for_any_reason(void **state)
{
    struct core_bed *b = *state;
    struct core_client *c = bed_join(b, "c", true);
    assert_int_equal(bed_connack(c), 0);
    reason_answer(c->client, MQTT_PUBREC, 9, MQTT_R_NOT_AUTHORIZED);
    core_settle(&b->core);
    assert_int_equal(c->out_len, 4);
    assert_memory_equal(c->out, "\x50\2\0\x09", 4);
}

/* [MQTT-3.1.2-29] */
static void who_wants_no_problem_information_gets_no_reason_strings(void **state)
{
    struct core_bed *b = *state;
    struct core_client *c = join(b, V5_PROPS(V5_NUM(MQTT_P_REQUEST_PROBLEM_INFO, 0)));
    struct mqtt_ack ack = answered(b, c, MQTT_PUBACK, MQTT_R_NOT_AUTHORIZED);
    assert_int_equal(ack.reason, MQTT_R_NOT_AUTHORIZED);
    assert_int_equal(ack.props.raw.len, 0);
}

/* [MQTT-3.1.2-29] allows them in CONNACK and DISCONNECT. */
static void but_is_told_why_it_is_closed(void **state)
{
    struct core_bed *b = *state;
    struct core_client *c = join(b, V5_PROPS(V5_NUM(MQTT_P_REQUEST_PROBLEM_INFO, 0)));
    struct mqtt_packet p;
    reason_fail(c->client, MQTT_R_PROTOCOL_ERROR, "what it did");
    core_settle(&b->core);
    assert_true(bed_find(c, MQTT_DISCONNECT, &p));
    assert_string_equal(v5_text(p.u.ack.props, MQTT_P_REASON_STRING), "what it did");
}

/* [MQTT-3.4.2-2] */
static void words_that_make_a_packet_too_large_are_left_out(void **state)
{
    struct core_bed *b = *state;
    struct core_client *c = join(b, v5_none);
    struct mqtt_ack ack = answered(b, c, MQTT_PUBACK, MQTT_R_NOT_AUTHORIZED);
    uint32_t whole = 6 + ack.props.raw.len; /* type, two lengths, packet id and reason */
    c->client->v5->max_packet = whole;
    ack = answered(b, c, MQTT_PUBACK, MQTT_R_NOT_AUTHORIZED);
    assert_non_null(v5_text(ack.props, MQTT_P_REASON_STRING));
    c->client->v5->max_packet = whole - 1;
    ack = answered(b, c, MQTT_PUBACK, MQTT_R_NOT_AUTHORIZED);
    assert_int_equal(ack.reason, MQTT_R_NOT_AUTHORIZED);
    assert_int_equal(ack.props.raw.len, 0);
    assert_false(c->freed);
}

/* ---- properties beside it --------------------------------------------------------------------- */

static void words_stand_behind_the_packets_own_properties(void **state)
{
    struct core_bed *b = *state;
    struct core_client *c = join(b, v5_none);
    struct mqtt_packet p = {.type = MQTT_DISCONNECT,
                            .u.ack = {.reason = MQTT_R_SERVER_MOVED,
                                      .props = V5_PROPS(V5_STR(MQTT_P_SERVER_REFERENCE, "there"))}};
    assert_true(reason_send(c->client, &p, &p.u.ack.props, "gone"));
    assert_int_equal(p.u.ack.props.raw.len, 8); /* the caller's are as they were */
    core_settle(&b->core);
    assert_true(bed_find(c, MQTT_DISCONNECT, &p));
    assert_string_equal(v5_text(p.u.ack.props, MQTT_P_SERVER_REFERENCE), "there");
    assert_string_equal(v5_text(p.u.ack.props, MQTT_P_REASON_STRING), "gone");
}

static void without_words_they_stand_alone(void **state)
{
    struct core_bed *b = *state;
    struct core_client *c = join(b, v5_none);
    struct mqtt_packet p = {.type = MQTT_DISCONNECT,
                            .u.ack = {.reason = MQTT_R_SERVER_MOVED,
                                      .props = V5_PROPS(V5_STR(MQTT_P_SERVER_REFERENCE, "there"))}};
    assert_true(reason_send(c->client, &p, &p.u.ack.props, NULL));
    core_settle(&b->core);
    assert_true(bed_find(c, MQTT_DISCONNECT, &p));
    assert_int_equal(p.u.ack.props.raw.len, 8);
}

/* ---- reason_fail ------------------------------------------------------------------------------ */

/* 4.13 */
static void who_breaks_the_protocol_is_told_and_closed(void **state)
{
    struct core_bed *b = *state;
    struct core_client *c = join(b, v5_none);
    struct mqtt_packet p;
    reason_fail(c->client, MQTT_R_BAD_TOPIC_ALIAS, "an alias");
    assert_false(c->freed); /* in this turn, not at once */
    core_settle(&b->core);
    assert_true(c->freed);
    assert_true(bed_find(c, MQTT_DISCONNECT, &p));
    assert_int_equal(p.u.ack.reason, MQTT_R_BAD_TOPIC_ALIAS);
    assert_string_equal(v5_text(p.u.ack.props, MQTT_P_REASON_STRING), "an alias");
    assert_int_equal(bed_broker(b)->stats.ended[END_PROTOCOL], 1);
}

static void earlier_versions_have_no_words_for_it(void **state)
{
    struct core_bed *b = *state;
    struct core_client *c = bed_join(b, "c", true);
    assert_int_equal(bed_connack(c), 0);
    reason_fail(c->client, MQTT_R_PROTOCOL_ERROR, "what it did");
    core_settle(&b->core);
    assert_true(c->freed);
    assert_int_equal(c->out_len, 0);
    assert_int_equal(bed_broker(b)->stats.ended[END_MALFORMED], 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BED_TEST(an_answer_says_why),
        BED_TEST(reasons_that_say_all_themselves_have_no_words),
        BED_TEST(success_is_the_four_bytes_of_earlier_versions),
        BED_TEST(clients_of_earlier_versions_get_these_for_any_reason),
        BED_TEST(who_wants_no_problem_information_gets_no_reason_strings),
        BED_TEST(but_is_told_why_it_is_closed),
        BED_TEST(words_that_make_a_packet_too_large_are_left_out),
        BED_TEST(words_stand_behind_the_packets_own_properties),
        BED_TEST(without_words_they_stand_alone),
        BED_TEST(who_breaks_the_protocol_is_told_and_closed),
        BED_TEST(earlier_versions_have_no_words_for_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
