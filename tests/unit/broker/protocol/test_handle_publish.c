/* handle_publish: what becomes of a PUBLISH that isn't allowed, is sent again, or waits for the store. */
#include "tests/unit/broker/core_bed.h"
#include "tests/unit/broker/held_store.h"

static struct core_client *publisher(struct core_bed *b, bool clean)
{
    struct core_client *c = bed_join(b, "publisher", clean);
    assert_int_equal(bed_connack(c), 0);
    return c;
}

static struct core_client *subscriber(struct core_bed *b)
{
    struct core_client *c = bed_join(b, "subscriber", true);
    bed_subscribe(b, c, "#", 2);
    c->out_len = 0;
    return c;
}

/* ---- not allowed ------------------------------------------------------------------------------ */

static void what_is_denied_is_acknowledged_and_dropped(void **state)
{
    struct core_bed *b = *state;
    bed_use_auth(b, NULL, "topic read #\ntopic write open/#\n");
    struct core_client *c = publisher(b, true), *s = subscriber(b);
    bed_publish(b, c, "shut", 0, false);
    assert_int_equal(c->out_len, 0);
    bed_publish(b, c, "shut", 1, false);
    assert_true(bed_acked(c, MQTT_PUBACK, 1));
    bed_publish(b, c, "shut", 2, false);
    assert_true(bed_acked(c, MQTT_PUBREC, 1));
    bed_ack(b, c, MQTT_PUBREL, 1);
    assert_true(bed_acked(c, MQTT_PUBCOMP, 1));
    assert_int_equal(bed_broker(b)->stats.dropped[DROP_DENIED], 3);
    assert_int_equal(bed_count(s, MQTT_PUBLISH), 0);
    bed_publish(b, c, "open/door", 0, false);
    assert_int_equal(bed_count(s, MQTT_PUBLISH), 1);
    assert_int_equal(bed_broker(b)->stats.dropped[DROP_DENIED], 3);
}

static void or_ends_the_connection(void **state)
{
    struct core_bed *b = *state;
    b->core.config.auth.denied_publish = DENIED_PUBLISH_CLOSE;
    bed_use_auth(b, NULL, "topic read #\n");
    for (uint8_t qos = 0; qos <= 2; qos++) {
        struct core_client *c = publisher(b, true);
        bed_publish(b, c, "shut", qos, false);
        assert_true(c->freed);
        assert_int_equal(c->out_len, 0); /* it isn't acknowledged */
        assert_int_equal(bed_broker(b)->stats.dropped[DROP_DENIED], qos + 1);
        assert_int_equal(bed_broker(b)->stats.ended[END_NOT_AUTHORIZED], qos + 1);
    }
}

static void so_is_what_is_beyond_the_limits_of_topics(void **state)
{
    struct core_bed *b = *state;
    b->core.config.limits.max_topic_levels = 2;
    struct core_client *c = publisher(b, true), *s = subscriber(b);
    bed_publish(b, c, "a/b/c", 1, false);
    assert_true(bed_acked(c, MQTT_PUBACK, 1));
    assert_int_equal(bed_broker(b)->stats.dropped[DROP_LIMIT], 1);
    assert_int_equal(bed_broker(b)->stats.dropped[DROP_DENIED], 0);
    assert_int_equal(bed_count(s, MQTT_PUBLISH), 0);
}

static void received_messages_are_counted_by_qos(void **state)
{
    struct core_bed *b = *state;
    struct core_client *c = publisher(b, true);
    bed_publish(b, c, "a", 0, false);
    bed_publish(b, c, "a", 1, false);
    bed_publish(b, c, "$SYS/a", 1, false);
    const struct broker_stats *stats = &bed_broker(b)->stats;
    assert_int_equal(stats->received[0], 1);
    assert_int_equal(stats->received[1], 2);
    assert_int_equal(stats->received[2], 0);
    assert_int_equal(stats->received_payload, 3);
}

/* ---- QoS 0 ------------------------------------------------------------------------------------ */

static void a_retained_value_is_kept_at_qos_0_too(void **state)
{
    struct core_bed *b = *state;
    bed_publish(b, publisher(b, true), "t", 0, true);
    struct core_client *late = bed_join(b, "late", true);
    bed_subscribe(b, late, "t", 0);
    assert_int_equal(bed_count(late, MQTT_PUBLISH), 1);
}

/* ---- QoS 2 ------------------------------------------------------------------------------------ */

static void a_packet_id_that_isnt_released_is_the_same_message(void **state)
{
    struct core_bed *b = *state;
    struct core_client *c = publisher(b, true), *s = subscriber(b);
    bed_publish(b, c, "t", 2, false);
    bed_publish(b, c, "t", 2, false);
    assert_int_equal(bed_count(c, MQTT_PUBREC), 2);
    assert_int_equal(bed_count(s, MQTT_PUBLISH), 1);
    bed_ack(b, c, MQTT_PUBREL, 1);
    assert_true(bed_acked(c, MQTT_PUBCOMP, 1));
    bed_publish(b, c, "t", 2, false);
    assert_int_equal(bed_count(s, MQTT_PUBLISH), 1);
}

#define QOS_2(id) "\x34\x06\0\1t\0" id "x"

static void one_that_doesnt_release_what_it_publishes_is_closed(void **state)
{
    struct core_bed *b = *state;
    struct core_client *c = publisher(b, true);
    b->core.config.limits.max_open_qos2 = 2;
    BED_SEND(b, c, QOS_2("\1") QOS_2("\2") QOS_2("\2"));
    assert_false(c->freed);
    assert_int_equal(bed_count(c, MQTT_PUBREC), 3);
    BED_SEND(b, c, QOS_2("\3"));
    assert_true(c->freed);
    assert_int_equal(c->out_len, 0);
    assert_int_equal(bed_broker(b)->stats.ended[END_OPEN_QOS2], 1);
}

/* So that a resend after a crash, on any broker, is the same message. */
static void the_store_learns_a_durable_publishers_packet_id(void **state)
{
    struct core_bed *b = *state;
    struct core_client *durable = publisher(b, false), *clean = bed_join(b, "clean", true);
    held_begin(&b->core, HOLDS(HELD_PUBLISH));
    BED_SEND(b, durable, QOS_2("\5"));
    assert_int_equal(held.qos2_packet_id, 5);
    assert_int_equal(durable->out_len, 0); /* PUBREC waits */
    held_answer(HELD_PUBLISH, STORE_OK);
    core_settle(&b->core);
    assert_true(bed_acked(durable, MQTT_PUBREC, 5));
    bed_publish(b, durable, "t", 1, false);
    assert_int_equal(held.qos2_packet_id, 0);
    held.qos2_packet_id = 9;
    BED_SEND(b, clean, QOS_2("\5"));
    assert_int_equal(held_waiting(HELD_PUBLISH), 2);
    assert_int_equal(held.qos2_packet_id, 0);
    held_end(&b->core);
}

static void its_release_is_complete_when_the_store_has_it(void **state)
{
    struct core_bed *b = *state;
    struct core_client *c = publisher(b, false);
    held_begin(&b->core, HOLDS(HELD_QOS2_END));
    bed_ack(b, c, MQTT_PUBREL, 6);
    assert_int_equal(held.qos2_packet_id, 6);
    assert_int_equal(c->out_len, 0);
    held_answer(HELD_QOS2_END, STORE_OK);
    core_settle(&b->core);
    assert_true(bed_acked(c, MQTT_PUBCOMP, 6));
    held_end(&b->core);
}

/* ---- a store that takes nothing more ---------------------------------------------------------- */

static bool takes;

static bool accepts(const struct store *s)
{
    (void)s;
    return takes;
}

static void a_publisher_isnt_read_while_the_store_takes_nothing(void **state)
{
    struct core_bed *b = *state;
    struct core_client *c = publisher(b, true);
    held_begin(&b->core, HOLDS(HELD_PUBLISH));
    held.ops.accepts = accepts;
    takes = true;
    bed_publish(b, c, "t", 1, false);
    assert_int_equal(c->client->pause, 0);
    takes = false;
    bed_publish(b, c, "t", 1, false);
    assert_int_equal(c->client->pause, PAUSE_STORE);
    takes = true;
    core_settle(&b->core);
    assert_int_equal(c->client->pause, 0);
    held_end(&b->core);
}

static void nor_while_memory_is_used_up(void **state)
{
    struct core_bed *b = *state;
    struct core_client *c = publisher(b, true);
    held_begin(&b->core, HOLDS(HELD_PUBLISH));
    bed_broker(b)->memory.level = MEMORY_FULL;
    bed_publish(b, c, "t", 1, false);
    assert_int_equal(c->client->pause, PAUSE_STORE);
    bed_broker(b)->memory.level = MEMORY_CALM;
    core_settle(&b->core);
    assert_int_equal(c->client->pause, 0);
    held_end(&b->core);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BED_TEST(what_is_denied_is_acknowledged_and_dropped),
        BED_TEST(or_ends_the_connection),
        BED_TEST(so_is_what_is_beyond_the_limits_of_topics),
        BED_TEST(received_messages_are_counted_by_qos),
        BED_TEST(a_retained_value_is_kept_at_qos_0_too),
        BED_TEST(a_packet_id_that_isnt_released_is_the_same_message),
        BED_TEST(one_that_doesnt_release_what_it_publishes_is_closed),
        BED_TEST(the_store_learns_a_durable_publishers_packet_id),
        BED_TEST(its_release_is_complete_when_the_store_has_it),
        BED_TEST(a_publisher_isnt_read_while_the_store_takes_nothing),
        BED_TEST(nor_while_memory_is_used_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
