/* deliver: what a 5.0 receiver has asked for (3.1.2.11) and what its messages carry (3.3.2.3). What all versions have
 * in common: test_deliver.c. */
#include "broker/delivery/deliver.h"

#include "broker/client/client_v5.h"
#include "tests/unit/broker/held_store.h"
#include "tests/unit/broker/v5_bed.h"

static struct core_client *publisher(struct core_bed *b)
{
    struct core_client *c = v5_join(b, "publisher", true, v5_none);
    assert_int_equal(bed_connack(c), 0);
    return c;
}

static struct core_client *join(struct core_bed *b, bool clean, enum mqtt_property id, uint32_t num)
{
    const struct mqtt_prop stays = V5_NUM(MQTT_P_SESSION_EXPIRY, clean ? 0 : 3600);
    return v5_join(b, "c", clean,
                   id == MQTT_P_SESSION_EXPIRY ? V5_PROPS(stays)
                                               : V5_PROPS(stays, V5_NUM(id, num)));
}

/* Subscribes to everything, and has asked for this. */
static struct core_client *subscriber(struct core_bed *b, bool clean, enum mqtt_property id,
                                      uint32_t num)
{
    struct core_client *c = join(b, clean, id, num);
    bed_subscribe(b, c, "#", 2);
    c->out_len = 0;
    return c;
}

static void publish(struct core_bed *b, struct core_client *c, const char *topic, uint8_t qos,
                    struct mqtt_props props)
{
    v5_publish(b, c,
               &(struct mqtt_publish){.topic = bed_text(topic),
                                      .qos = qos,
                                      .packet_id = qos > 0 ? 1 : 0,
                                      .payload = bed_text("x"),
                                      .props = props});
    if (qos == 2)
        bed_ack(b, c, MQTT_PUBREL, 1);
}

static uint64_t dropped(struct core_bed *b, enum drop why)
{
    return bed_broker(b)->stats.dropped[why];
}

/* ---- receive maximum -------------------------------------------------------------------------- */

/* [MQTT-3.3.4-9] */
static void no_more_is_on_its_way_than_the_client_takes(bool clean, struct core_bed *b)
{
    struct core_client *p = publisher(b), *c = subscriber(b, clean, MQTT_P_RECEIVE_MAXIMUM, 2);
    struct mqtt_packet packet;
    publish(b, p, "1", 1, v5_none);
    publish(b, p, "2", 2, v5_none);
    publish(b, p, "3", 1, v5_none);
    publish(b, p, "4", 2, v5_none);
    publish(b, p, "0", 0, v5_none); /* QoS 0 isn't counted */
    assert_int_equal(bed_count(c, MQTT_PUBLISH), 3);
    bed_ack(b, c, MQTT_PUBACK, 1);
    assert_true(bed_find(c, MQTT_PUBLISH, &packet));
    assert_true(bed_is_text(packet.u.publish.topic, "3"));
    bed_ack(b, c, MQTT_PUBREC, 2); /* it isn't over */
    assert_int_equal(bed_count(c, MQTT_PUBLISH), 0);
    bed_ack(b, c, MQTT_PUBCOMP, 2);
    assert_true(bed_find(c, MQTT_PUBLISH, &packet));
    assert_true(bed_is_text(packet.u.publish.topic, "4"));
}

static void no_more_is_on_its_way_to_a_clean_session(void **state)
{
    no_more_is_on_its_way_than_the_client_takes(true, *state);
}

static void no_more_is_on_its_way_to_a_durable_session(void **state)
{
    no_more_is_on_its_way_than_the_client_takes(false, *state);
}

/* Nor than the configuration allows, however much the client takes. */
static void nor_more_than_max_inflight(void **state)
{
    struct core_bed *b = *state;
    b->core.config.limits.max_inflight = 1;
    struct core_client *p = publisher(b), *c = subscriber(b, true, MQTT_P_RECEIVE_MAXIMUM, 2);
    publish(b, p, "1", 1, v5_none);
    publish(b, p, "2", 1, v5_none);
    assert_int_equal(bed_count(c, MQTT_PUBLISH), 1);
}

/* ---- packet size ------------------------------------------------------------------------------ */

enum { SMALL = 32 };

/* Larger than SMALL by its topic. */
#define LARGE_TOPIC "0123456789/0123456789/0123456789"

/* [MQTT-3.1.2-24], [MQTT-3.1.2-25] */
static void what_is_larger_than_a_client_takes_is_dropped_for_it_alone(bool clean, uint8_t qos,
                                                                       struct core_bed *b)
{
    struct core_client *p = publisher(b);
    struct core_client *c = subscriber(b, clean, MQTT_P_MAXIMUM_PACKET_SIZE, SMALL);
    struct core_client *other = v5_join(b, "other", true, v5_none);
    struct mqtt_packet packet;
    bed_subscribe(b, other, "#", 2);
    publish(b, p, "before", qos, v5_none);
    publish(b, p, LARGE_TOPIC, qos, v5_none);
    publish(b, p, "after", qos, v5_none);
    assert_int_equal(bed_count(other, MQTT_PUBLISH), 3);
    assert_true(bed_find(c, MQTT_PUBLISH, &packet));
    assert_true(bed_is_text(packet.u.publish.topic, "before"));
    assert_true(bed_find(c, MQTT_PUBLISH, &packet)); /* it goes on */
    assert_true(bed_is_text(packet.u.publish.topic, "after"));
    assert_int_equal(bed_count(c, MQTT_PUBLISH), 0);
    assert_int_equal(dropped(b, DROP_PACKET_SIZE), 1);
    assert_int_equal(inflight_open(&c->client->inflight), qos > 0 ? 2 : 0);
    assert_false(c->freed);
}

static void what_is_too_large_is_dropped_at_qos_0(void **state)
{
    what_is_larger_than_a_client_takes_is_dropped_for_it_alone(true, 0, *state);
}

static void what_is_too_large_is_dropped_for_a_clean_session(void **state)
{
    what_is_larger_than_a_client_takes_is_dropped_for_it_alone(true, 1, *state);
}

/* It leaves the queue in the store: "as if it had completed sending". */
static void what_is_too_large_is_dropped_for_a_durable_session(void **state)
{
    struct core_bed *b = *state;
    what_is_larger_than_a_client_takes_is_dropped_for_it_alone(false, 2, b);
    bed_leave(b, b->clients[1].c);
    struct core_client *again = join(b, false, MQTT_P_SESSION_EXPIRY, 0); /* takes any size */
    assert_int_equal(bed_count(again, MQTT_PUBLISH), 2);
}

static void it_doesnt_hold_up_what_waits_behind_it(void **state)
{
    struct core_bed *b = *state;
    b->core.config.limits.max_inflight = 1;
    struct core_client *p = publisher(b);
    struct core_client *c = subscriber(b, true, MQTT_P_MAXIMUM_PACKET_SIZE, SMALL);
    struct mqtt_packet packet;
    publish(b, p, "1", 1, v5_none);
    publish(b, p, LARGE_TOPIC, 1, v5_none);
    publish(b, p, "2", 1, v5_none);
    assert_int_equal(bed_count(c, MQTT_PUBLISH), 1);
    bed_ack(b, c, MQTT_PUBACK, 1);
    assert_true(bed_find(c, MQTT_PUBLISH, &packet));
    assert_true(bed_is_text(packet.u.publish.topic, "2"));
    assert_int_equal(packet.u.publish.packet_id, 2);
}

/* "t" and "x": 7 bytes with packet id and the length of the properties. */
static void exactly_as_large_is_not_too_large(void **state)
{
    struct core_bed *b = *state;
    struct core_client *p = publisher(b);
    struct core_client *c = subscriber(b, true, MQTT_P_MAXIMUM_PACKET_SIZE, SMALL);
    c->client->v5->max_packet = 7;
    publish(b, p, "t", 0, v5_none);
    assert_int_equal(c->out_len, 7);
    c->client->v5->max_packet = 6;
    publish(b, p, "t", 0, v5_none);
    assert_int_equal(c->out_len, 7);
    assert_int_equal(dropped(b, DROP_PACKET_SIZE), 1);
}

/* What we add to a message must not be what makes it too large. */
static void a_new_alias_is_left_out_where_there_is_no_room_for_it(void **state)
{
    struct core_bed *b = *state;
    struct core_client *p = publisher(b);
    struct core_client *c = subscriber(b, true, MQTT_P_TOPIC_ALIAS_MAXIMUM, 9);
    struct mqtt_packet packet;
    c->client->v5->max_packet = 9; /* 7, and 3 for the alias */
    for (int i = 0; i < 2; i++) {  /* the client hasn't learned it */
        publish(b, p, "t", 0, v5_none);
        assert_true(bed_find(c, MQTT_PUBLISH, &packet));
        assert_true(bed_is_text(packet.u.publish.topic, "t"));
        assert_int_equal(packet.u.publish.props.raw.len, 0);
    }
    assert_int_equal(dropped(b, DROP_PACKET_SIZE), 0);
}

static void and_a_known_one_where_the_topic_is_shorter(void **state)
{
    struct core_bed *b = *state;
    struct core_client *p = publisher(b);
    struct core_client *c = subscriber(b, true, MQTT_P_TOPIC_ALIAS_MAXIMUM, 9);
    struct mqtt_packet packet;
    publish(b, p, "t", 0, v5_none);
    assert_int_equal(bed_count(c, MQTT_PUBLISH), 1);
    c->client->v5->max_packet = 8; /* 9 with the alias in place of the topic */
    publish(b, p, "t", 0, v5_none);
    assert_true(bed_find(c, MQTT_PUBLISH, &packet));
    assert_true(bed_is_text(packet.u.publish.topic, "t"));
    assert_int_equal(packet.u.publish.props.raw.len, 0);
    assert_int_equal(dropped(b, DROP_PACKET_SIZE), 0);
}

/* ---- topic aliases ---------------------------------------------------------------------------- */

static int64_t alias_of(const struct mqtt_packet *p)
{
    return v5_num(p->u.publish.props, MQTT_P_TOPIC_ALIAS);
}

/* 3.3.2.3.4 */
static void a_client_that_allows_aliases_gets_them(void **state)
{
    struct core_bed *b = *state;
    struct core_client *p = publisher(b);
    struct core_client *c = subscriber(b, true, MQTT_P_TOPIC_ALIAS_MAXIMUM, 2);
    struct mqtt_packet packet;
    publish(b, p, "t", 0, v5_none);
    assert_true(bed_find(c, MQTT_PUBLISH, &packet));
    assert_true(bed_is_text(packet.u.publish.topic, "t"));
    assert_int_equal(alias_of(&packet), 1);
    publish(b, p, "t", 1, v5_none);
    assert_true(bed_find(c, MQTT_PUBLISH, &packet));
    assert_int_equal(packet.u.publish.topic.len, 0);
    assert_int_equal(packet.u.publish.packet_id, 1);
    assert_int_equal(alias_of(&packet), 1);
    publish(b, p, "u", 0, v5_none);
    assert_true(bed_find(c, MQTT_PUBLISH, &packet));
    assert_true(bed_is_text(packet.u.publish.topic, "u"));
    assert_int_equal(alias_of(&packet), 2);
}

/* [MQTT-3.1.2-26], [MQTT-3.1.2-27] */
static void one_that_doesnt_gets_none(void **state)
{
    struct core_bed *b = *state;
    struct core_client *p = publisher(b);
    struct core_client *c = subscriber(b, true, MQTT_P_TOPIC_ALIAS_MAXIMUM, 0);
    struct core_client *old = bed_join(b, "old", true);
    struct mqtt_packet packet;
    bed_subscribe(b, old, "#", 0);
    for (int i = 0; i < 2; i++) {
        publish(b, p, "t", 0, v5_none);
        assert_true(bed_find(c, MQTT_PUBLISH, &packet));
        assert_true(bed_is_text(packet.u.publish.topic, "t"));
        assert_int_equal(alias_of(&packet), -1);
        assert_true(bed_find(old, MQTT_PUBLISH, &packet));
        assert_true(bed_is_text(packet.u.publish.topic, "t"));
    }
}

static void a_dropped_message_teaches_no_alias(void **state)
{
    struct core_bed *b = *state;
    struct core_client *p = publisher(b);
    struct core_client *c = subscriber(b, true, MQTT_P_TOPIC_ALIAS_MAXIMUM, 2);
    struct mqtt_packet packet;
    c->client->v5->max_packet = SMALL;
    publish(b, p, LARGE_TOPIC, 0, v5_none);
    assert_int_equal(dropped(b, DROP_PACKET_SIZE), 1);
    c->client->v5->max_packet = 1000;
    publish(b, p, LARGE_TOPIC, 0, v5_none);
    assert_true(bed_find(c, MQTT_PUBLISH, &packet));
    assert_true(bed_is_text(packet.u.publish.topic, LARGE_TOPIC));
    assert_int_equal(alias_of(&packet), 1);
}

/* ---- expiry ----------------------------------------------------------------------------------- */

static uint64_t now_ms;

static uint64_t clock_ms(const struct store *s)
{
    (void)s;
    return now_ms;
}

/* The store's clock stands still until it is set. */
static void hold_clock(struct core_bed *b)
{
    now_ms = 1000000;
    held_begin(&b->core, 0);
    held.ops.now_ms = clock_ms;
}

#define EXPIRY(seconds) V5_PROPS(V5_NUM(MQTT_P_MESSAGE_EXPIRY, seconds))

static int64_t next_expiry(struct core_client *c)
{
    struct mqtt_packet p;
    assert_true(bed_find(c, MQTT_PUBLISH, &p));
    return v5_num(p.u.publish.props, MQTT_P_MESSAGE_EXPIRY);
}

/* [MQTT-3.3.2-6] */
static void what_is_left_of_an_expiry_is_told(void **state)
{
    struct core_bed *b = *state;
    b->core.config.limits.max_inflight = 1;
    struct core_client *p = publisher(b), *c = subscriber(b, true, MQTT_P_RECEIVE_MAXIMUM, 9);
    hold_clock(b);
    publish(b, p, "t", 1, EXPIRY(60));
    assert_int_equal(next_expiry(c), 60);
    publish(b, p, "t", 1, EXPIRY(60));
    publish(b, p, "t", 1, v5_none);
    now_ms += 20500;
    bed_ack(b, c, MQTT_PUBACK, 1);
    assert_int_equal(next_expiry(c), 40); /* 39.5: it may be kept as long */
    bed_ack(b, c, MQTT_PUBACK, 2);
    assert_int_equal(next_expiry(c), -1);
    held_end(&b->core);
}

/* [MQTT-3.3.2-6]: the publisher's broker is a little ahead of this one. */
static void no_more_is_told_than_was_given(void **state)
{
    struct core_bed *b = *state;
    b->core.config.limits.max_inflight = 1;
    struct core_client *p = publisher(b), *c = subscriber(b, true, MQTT_P_RECEIVE_MAXIMUM, 9);
    hold_clock(b);
    publish(b, p, "t", 1, v5_none);
    publish(b, p, "t", 1, EXPIRY(2));
    publish(b, p, "t", 1, EXPIRY(2));
    now_ms -= 200;
    bed_ack(b, c, MQTT_PUBACK, 1);
    assert_int_equal(next_expiry(c), -1);
    assert_int_equal(next_expiry(c), 2);
    now_ms += 2100; /* 0.1 s are left: 0 would be none */
    bed_ack(b, c, MQTT_PUBACK, 2);
    assert_int_equal(next_expiry(c), 1);
    held_end(&b->core);
}

/* [MQTT-3.3.2-5] */
static void a_waiting_message_that_has_expired_is_dropped(bool clean, struct core_bed *b)
{
    b->core.config.limits.max_inflight = 1;
    struct core_client *p = publisher(b), *c = subscriber(b, clean, MQTT_P_RECEIVE_MAXIMUM, 9);
    struct mqtt_packet packet;
    hold_clock(b);
    publish(b, p, "first", 1, v5_none);
    publish(b, p, "short", 1, EXPIRY(5));
    publish(b, p, "long", 1, EXPIRY(50));
    assert_int_equal(bed_count(c, MQTT_PUBLISH), 1);
    now_ms += 5000;
    bed_ack(b, c, MQTT_PUBACK, 1);
    assert_true(bed_find(c, MQTT_PUBLISH, &packet));
    assert_true(bed_is_text(packet.u.publish.topic, "long"));
    bed_ack(b, c, MQTT_PUBACK, packet.u.publish.packet_id);
    assert_int_equal(inflight_open(&c->client->inflight), 0);
    assert_int_equal(bed_count(c, MQTT_PUBLISH), 0);
    assert_int_equal(dropped(b, DROP_EXPIRED), 1);
    held_end(&b->core);
}

static void an_expired_message_is_dropped_from_a_clean_sessions_queue(void **state)
{
    a_waiting_message_that_has_expired_is_dropped(true, *state);
}

static void an_expired_message_is_dropped_from_a_durable_sessions_queue(void **state)
{
    a_waiting_message_that_has_expired_is_dropped(false, *state);
}

/* Receivers of earlier versions, too, though they aren't told. */
static void it_is_dropped_whoever_it_was_for(void **state)
{
    struct core_bed *b = *state;
    b->core.config.limits.max_inflight = 1;
    struct core_client *p = publisher(b), *old = bed_join(b, "old", true);
    bed_subscribe(b, old, "#", 1);
    hold_clock(b);
    publish(b, p, "t", 1, EXPIRY(5));
    publish(b, p, "t", 1, EXPIRY(5));
    assert_int_equal(bed_count(old, MQTT_PUBLISH), 1);
    now_ms += 4999;
    bed_ack(b, old, MQTT_PUBACK, 1);
    assert_int_equal(bed_count(old, MQTT_PUBLISH), 1); /* it hadn't */
    publish(b, p, "t", 1, EXPIRY(5));
    now_ms += 5000;
    bed_ack(b, old, MQTT_PUBACK, 2);
    assert_int_equal(bed_count(old, MQTT_PUBLISH), 0);
    assert_int_equal(dropped(b, DROP_EXPIRED), 1);
    held_end(&b->core);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BED_TEST(no_more_is_on_its_way_to_a_clean_session),
        BED_TEST(no_more_is_on_its_way_to_a_durable_session),
        BED_TEST(nor_more_than_max_inflight),
        BED_TEST(what_is_too_large_is_dropped_at_qos_0),
        BED_TEST(what_is_too_large_is_dropped_for_a_clean_session),
        BED_TEST(what_is_too_large_is_dropped_for_a_durable_session),
        BED_TEST(it_doesnt_hold_up_what_waits_behind_it),
        BED_TEST(exactly_as_large_is_not_too_large),
        BED_TEST(a_new_alias_is_left_out_where_there_is_no_room_for_it),
        BED_TEST(and_a_known_one_where_the_topic_is_shorter),
        BED_TEST(a_client_that_allows_aliases_gets_them),
        BED_TEST(one_that_doesnt_gets_none),
        BED_TEST(a_dropped_message_teaches_no_alias),
        BED_TEST(what_is_left_of_an_expiry_is_told),
        BED_TEST(no_more_is_told_than_was_given),
        BED_TEST(an_expired_message_is_dropped_from_a_clean_sessions_queue),
        BED_TEST(an_expired_message_is_dropped_from_a_durable_sessions_queue),
        BED_TEST(it_is_dropped_whoever_it_was_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
