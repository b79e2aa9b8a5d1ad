/* handle_ack: reason codes in acknowledgements of 5.0. What all versions have in common: test_handle_ack.c. */
#include "broker/delivery/share_held.h"
#include "tests/unit/broker/held_store.h"
#include "tests/unit/broker/v5_bed.h"

struct pair {
    struct core_client *c, *publisher;
};

static struct core_client *join(struct core_bed *b, bool clean)
{
    struct mqtt_props props = V5_PROPS(V5_NUM(MQTT_P_SESSION_EXPIRY, clean ? 0 : 60));
    return v5_join(b, "c", clean, props);
}

/* Its window has room for one. */
static struct pair begin(struct core_bed *b, bool clean)
{
    b->core.config.limits.max_inflight = 1;
    struct pair p = {join(b, clean), bed_join(b, "publisher", true)};
    bed_subscribe(b, p.c, "t", 2);
    p.c->out_len = 0;
    return p;
}

static void publish(struct core_bed *b, struct pair *p, uint8_t qos)
{
    bed_publish(b, p->publisher, "t", qos, false);
    if (qos == 2)
        bed_ack(b, p->publisher, MQTT_PUBREL, 1);
}

static uint16_t next_id(struct core_client *c)
{
    struct mqtt_packet p;
    return bed_find(c, MQTT_PUBLISH, &p) ? p.u.publish.packet_id : 0;
}

/* ---- refused by the receiver ------------------------------------------------------------------ */

/* 4.3.2: whatever its reason, it is over. */
static void a_puback_with_an_error_ends_the_message(bool clean, struct core_bed *b)
{
    struct pair p = begin(b, clean);
    publish(b, &p, 1);
    publish(b, &p, 1);
    assert_int_equal(next_id(p.c), 1);
    v5_say(b, p.c, MQTT_PUBACK, 1, MQTT_R_QUOTA_EXCEEDED, v5_none);
    assert_int_equal(next_id(p.c), 2);
    assert_false(p.c->freed);
}

static void a_puback_with_an_error_ends_a_clean_sessions_message(void **state)
{
    a_puback_with_an_error_ends_the_message(true, *state);
}

static void a_puback_with_an_error_ends_a_durable_sessions_message(void **state)
{
    a_puback_with_an_error_ends_the_message(false, *state);
}

/* [MQTT-4.3.3-4]: PUBREL answers only a PUBREC below 0x80. */
static void a_pubrec_with_an_error_ends_the_message(bool clean, struct core_bed *b)
{
    struct pair p = begin(b, clean);
    publish(b, &p, 2);
    publish(b, &p, 2);
    assert_int_equal(next_id(p.c), 1);
    v5_say(b, p.c, MQTT_PUBREC, 1, MQTT_R_UNSPECIFIED, v5_none);
    struct mqtt_packet packet;
    assert_true(bed_next(p.c, &packet)); /* the next message, and no PUBREL */
    assert_int_equal(packet.type, MQTT_PUBLISH);
    assert_int_equal(packet.u.publish.packet_id, 2);
    assert_int_equal(p.c->out_len, 0);
}

static void a_pubrec_with_an_error_ends_a_clean_sessions_message(void **state)
{
    a_pubrec_with_an_error_ends_the_message(true, *state);
}

/* It leaves the queue in the store, and so isn't sent again. */
static void a_pubrec_with_an_error_ends_a_durable_sessions_message(void **state)
{
    struct core_bed *b = *state;
    a_pubrec_with_an_error_ends_the_message(false, b);
    bed_leave(b, b->clients[0].c);
    struct core_client *again = join(b, false);
    struct mqtt_packet p;
    assert_true(bed_find(again, MQTT_PUBLISH, &p));
    assert_int_equal(p.u.publish.packet_id, 2);
    assert_true(p.u.publish.dup);
    assert_int_equal(bed_count(again, MQTT_PUBLISH) + bed_count(again, MQTT_PUBREL), 0);
}

/* Otherwise a member that refuses all would fill its group's queue. */
static void a_pubrec_with_an_error_ends_a_groups_message(void **state)
{
    struct core_bed *b = *state;
    struct core_client *member = join(b, true);
    struct pair p = {member, bed_join(b, "publisher", true)};
    bed_subscribe(b, member, "$share/g/t", 2);
    member->out_len = 0;
    publish(b, &p, 2);
    assert_int_equal(next_id(member), 1);
    assert_false(TAILQ_EMPTY(&member->client->shares->sent));
    v5_say(b, member, MQTT_PUBREC, 1, MQTT_R_UNSPECIFIED, v5_none);
    assert_true(TAILQ_EMPTY(&member->client->shares->sent));
}

static void one_below_0x80_doesnt(void **state)
{
    struct core_bed *b = *state;
    struct pair p = begin(b, true);
    publish(b, &p, 2);
    assert_int_equal(next_id(p.c), 1);
    v5_say(b, p.c, MQTT_PUBREC, 1, MQTT_R_NO_MATCHING_SUBSCRIBERS, v5_none);
    assert_true(v5_acked(p.c, MQTT_PUBREL, 1, MQTT_R_SUCCESS));
    assert_int_equal(inflight_open(&p.c->client->inflight), 1);
}

/* ---- what isn't there ------------------------------------------------------------------------- */

/* 3.6.2.1 */
static void a_pubrec_of_what_isnt_there_is_answered_so(void **state)
{
    struct core_bed *b = *state;
    struct pair p = begin(b, true);
    bed_ack(b, p.c, MQTT_PUBREC, 9);
    assert_true(v5_acked(p.c, MQTT_PUBREL, 9, MQTT_R_PACKET_ID_NOT_FOUND));
}

static void but_not_if_it_is_an_error_itself(void **state)
{
    struct core_bed *b = *state;
    struct pair p = begin(b, true);
    v5_say(b, p.c, MQTT_PUBREC, 9, MQTT_R_UNSPECIFIED, v5_none);
    assert_int_equal(p.c->out_len, 0);
    assert_false(p.c->freed);
}

static void a_pubrel_that_crosses_a_repeated_pubrec_is_said_again(void **state)
{
    struct core_bed *b = *state;
    struct pair p = begin(b, true);
    publish(b, &p, 2);
    assert_int_equal(next_id(p.c), 1);
    bed_ack(b, p.c, MQTT_PUBREC, 1);
    assert_true(v5_acked(p.c, MQTT_PUBREL, 1, MQTT_R_SUCCESS));
    bed_ack(b, p.c, MQTT_PUBREC, 1);
    assert_true(v5_acked(p.c, MQTT_PUBREL, 1, MQTT_R_SUCCESS));
    v5_say(b, p.c, MQTT_PUBCOMP, 1, MQTT_R_PACKET_ID_NOT_FOUND, v5_none);
    assert_int_equal(inflight_open(&p.c->client->inflight), 0);
}

/* 4.13 */
static void a_pubrec_for_qos_1_is_a_protocol_error(void **state)
{
    struct core_bed *b = *state;
    struct pair p = begin(b, true);
    publish(b, &p, 1);
    assert_int_equal(next_id(p.c), 1);
    bed_ack(b, p.c, MQTT_PUBREC, 1);
    assert_int_equal(v5_end_reason(p.c), MQTT_R_PROTOCOL_ERROR);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BED_TEST(a_puback_with_an_error_ends_a_clean_sessions_message),
        BED_TEST(a_puback_with_an_error_ends_a_durable_sessions_message),
        BED_TEST(a_pubrec_with_an_error_ends_a_clean_sessions_message),
        BED_TEST(a_pubrec_with_an_error_ends_a_durable_sessions_message),
        BED_TEST(a_pubrec_with_an_error_ends_a_groups_message),
        BED_TEST(one_below_0x80_doesnt),
        BED_TEST(a_pubrec_of_what_isnt_there_is_answered_so),
        BED_TEST(but_not_if_it_is_an_error_itself),
        BED_TEST(a_pubrel_that_crosses_a_repeated_pubrec_is_said_again),
        BED_TEST(a_pubrec_for_qos_1_is_a_protocol_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
