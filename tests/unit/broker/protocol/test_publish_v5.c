/* publish_v5: topic alias, message expiry and payload format of a 5.0 client's PUBLISH (3.3.2.3). */
#include "broker/protocol/publish_v5.h"

#include "broker/client/client_v5.h"
#include "tests/unit/broker/held_store.h"
#include "tests/unit/broker/v5_bed.h"

static struct core_client *publisher(struct core_bed *b)
{
    struct core_client *c = v5_join(b, "publisher", true, v5_none);
    assert_int_equal(bed_connack(c), 0);
    return c;
}

/* Of 3.1.1, so that it gets topics. */
static struct core_client *subscriber(struct core_bed *b)
{
    struct core_client *c = bed_join(b, "subscriber", true);
    bed_subscribe(b, c, "#", 2);
    c->out_len = 0;
    return c;
}

static void publish(struct core_bed *b, struct core_client *c, const char *topic,
                    struct mqtt_props props)
{
    v5_publish(
        b, c,
        &(struct mqtt_publish){.topic = bed_text(topic), .payload = bed_text("x"), .props = props});
}

static bool got(struct core_client *c, const char *topic)
{
    struct mqtt_packet p;
    return bed_find(c, MQTT_PUBLISH, &p) && bed_is_text(p.u.publish.topic, topic);
}

#define ALIAS(number) V5_PROPS(V5_NUM(MQTT_P_TOPIC_ALIAS, number))

/* ---- topic alias ------------------------------------------------------------------------------ */

/* 3.3.2.3.4 */
static void an_alias_stands_for_the_topic_that_came_with_it(void **state)
{
    struct core_bed *b = *state;
    struct core_client *c = publisher(b), *s = subscriber(b);
    publish(b, c, "a/b", ALIAS(1));
    assert_true(got(s, "a/b"));
    publish(b, c, "", ALIAS(1));
    assert_true(got(s, "a/b"));
    publish(b, c, "c", ALIAS(1)); /* from now on another one */
    assert_true(got(s, "c"));
    publish(b, c, "", ALIAS(1));
    assert_true(got(s, "c"));
}

/* 3.2.2.3.8 */
static void aliases_up_to_the_maximum_may_be_used(void **state)
{
    struct core_bed *b = *state;
    b->core.config.mqtt.topic_alias_maximum = 5;
    struct core_client *c = publisher(b), *s = subscriber(b);
    publish(b, c, "t", ALIAS(5));
    assert_true(got(s, "t"));
    assert_false(c->freed);
}

/* [MQTT-3.3.2-9] */
static void one_above_it_ends_the_connection(void **state)
{
    struct core_bed *b = *state;
    b->core.config.mqtt.topic_alias_maximum = 5;
    struct core_client *c = publisher(b), *s = subscriber(b);
    publish(b, c, "t", ALIAS(6));
    assert_int_equal(v5_end_reason(c), MQTT_R_BAD_TOPIC_ALIAS);
    assert_int_equal(s->out_len, 0);
}

static void where_there_are_none_the_first_one_does(void **state)
{
    struct core_bed *b = *state;
    b->core.config.mqtt.topic_alias_maximum = 0;
    struct core_client *c = publisher(b);
    publish(b, c, "t", ALIAS(1));
    assert_int_equal(v5_end_reason(c), MQTT_R_BAD_TOPIC_ALIAS);
}

/* 3.3.4 */
static void so_does_one_that_was_never_set(void **state)
{
    struct core_bed *b = *state;
    struct core_client *c = publisher(b), *s = subscriber(b);
    publish(b, c, "t", ALIAS(2));
    assert_true(got(s, "t"));
    publish(b, c, "", ALIAS(1));
    assert_int_equal(v5_end_reason(c), MQTT_R_PROTOCOL_ERROR);
    assert_int_equal(s->out_len, 0);
}

/* [MQTT-3.3.2-7], [MQTT-3.3.2-10] */
static void aliases_are_one_connections_own(void **state)
{
    struct core_bed *b = *state;
    struct core_client *c = publisher(b), *other = v5_join(b, "other", true, v5_none);
    publish(b, c, "t", ALIAS(1));
    assert_int_equal(bed_connack(other), 0);
    publish(b, other, "", ALIAS(1));
    assert_int_equal(v5_end_reason(other), MQTT_R_PROTOCOL_ERROR);
    assert_false(c->freed);
    bed_leave(b, c);
    c = publisher(b); /* and end with it */
    publish(b, c, "", ALIAS(1));
    assert_int_equal(v5_end_reason(c), MQTT_R_PROTOCOL_ERROR);
}

static void the_alias_isnt_passed_on_and_the_rest_is(void **state)
{
    struct core_bed *b = *state;
    struct core_client *c = publisher(b), *s = v5_join(b, "s", true, v5_none);
    struct mqtt_packet p;
    bed_subscribe(b, s, "#", 0);
    publish(b, c, "t",
            V5_PROPS(V5_STR(MQTT_P_CONTENT_TYPE, "text"), V5_NUM(MQTT_P_TOPIC_ALIAS, 1),
                     V5_STR(MQTT_P_RESPONSE_TOPIC, "r")));
    assert_true(bed_find(s, MQTT_PUBLISH, &p));
    const struct mqtt_props expected =
        V5_PROPS(V5_STR(MQTT_P_CONTENT_TYPE, "text"), V5_STR(MQTT_P_RESPONSE_TOPIC, "r"));
    assert_int_equal(p.u.publish.props.raw.len, expected.raw.len);
    assert_memory_equal(p.u.publish.props.raw.data, expected.raw.data, expected.raw.len);
}

/* What it holds is counted, so that memory can be made by closing it. */
static void topics_that_are_kept_count_as_the_clients(void **state)
{
    struct core_bed *b = *state;
    struct core_client *c = publisher(b);
    publish(b, c, "0123456789", ALIAS(1));
    assert_int_equal(client_v5_bytes(c->client->v5), sizeof(void *) + 10);
    assert_non_null(c->client->holder);
}

static struct mqtt_slice topic_of(struct core_client *c, const char *topic, struct mqtt_props props)
{
    return publish_v5_topic(c->client,
                            &(struct mqtt_publish){.topic = bed_text(topic), .props = props});
}

/* Before it is handled: whether it must wait. */
static void the_topic_can_be_asked_for_before(void **state)
{
    struct core_bed *b = *state;
    struct core_client *c = publisher(b);
    publish(b, c, "a", ALIAS(1));
    assert_true(bed_is_text(topic_of(c, "", ALIAS(1)), "a"));
    assert_true(bed_is_text(topic_of(c, "b", ALIAS(1)), "b"));
    assert_true(bed_is_text(topic_of(c, "c", v5_none), "c"));
    assert_int_equal(topic_of(c, "", ALIAS(2)).len, 0);
    assert_true(bed_is_text(topic_of(c, "", ALIAS(1)), "a")); /* asking sets nothing */
    struct core_client *old = subscriber(b);
    assert_true(bed_is_text(topic_of(old, "d", v5_none), "d"));
}

/* ---- message expiry --------------------------------------------------------------------------- */

static uint64_t clock_ms(const struct store *s)
{
    (void)s;
    return 5000000;
}

/* 3.3.2.3.3; one clock for all brokers, whatever their own say. */
static void a_message_expires_by_the_stores_clock(void **state)
{
    struct core_bed *b = *state;
    struct core_client *c = publisher(b);
    held_begin(&b->core, 0);
    held.ops.now_ms = clock_ms;
    struct mqtt_publish p = {.topic = bed_text("t"),
                             .props = V5_PROPS(V5_NUM(MQTT_P_MESSAGE_EXPIRY, 60))};
    struct publish_v5 said = {.expires_at_ms = 1, .is_text = true};
    assert_true(publish_v5_take(c->client, &p, &said));
    assert_int_equal(said.expires_at_ms, 5060000);
    assert_int_equal(p.props.raw.len, 0);
    p.props = V5_PROPS(V5_NUM(MQTT_P_MESSAGE_EXPIRY, 0)); /* at once */
    assert_true(publish_v5_take(c->client, &p, &said));
    assert_int_equal(said.expires_at_ms, 5000000);
    p.props = V5_PROPS(V5_NUM(MQTT_P_MESSAGE_EXPIRY, UINT32_MAX));
    assert_true(publish_v5_take(c->client, &p, &said));
    assert_int_equal(said.expires_at_ms, 5000000 + UINT32_MAX * 1000ull);
    held_end(&b->core);
}

static void without_expiry_it_never_does(void **state)
{
    struct core_bed *b = *state;
    struct core_client *c = publisher(b);
    struct mqtt_publish p = {.topic = bed_text("t")};
    struct publish_v5 said = {.expires_at_ms = 1, .is_text = true};
    assert_true(publish_v5_take(c->client, &p, &said));
    assert_int_equal(said.expires_at_ms, 0);
    p.props = V5_PROPS(V5_STR(MQTT_P_CONTENT_TYPE, "c"));
    said.expires_at_ms = 1;
    assert_true(publish_v5_take(c->client, &p, &said));
    assert_int_equal(said.expires_at_ms, 0);
}

/* ---- payload format --------------------------------------------------------------------------- */

static bool says_text(struct core_bed *b, struct mqtt_props props)
{
    struct mqtt_publish p = {.topic = bed_text("t"), .props = props};
    struct publish_v5 said;
    assert_true(publish_v5_take(publisher(b)->client, &p, &said));
    assert_int_equal(p.props.raw.len, props.raw.len); /* it goes on */
    return said.is_text;
}

/* 3.3.2.3.2; what it means for the payload: test_handle_publish_v5.c */
static void a_payload_may_say_that_it_is_utf8(void **state)
{
    struct core_bed *b = *state;
    assert_true(says_text(b, V5_PROPS(V5_NUM(MQTT_P_PAYLOAD_FORMAT, 1))));
    assert_true(
        says_text(b, V5_PROPS(V5_STR(MQTT_P_CONTENT_TYPE, "c"), V5_NUM(MQTT_P_PAYLOAD_FORMAT, 1))));
    assert_false(says_text(b, V5_PROPS(V5_NUM(MQTT_P_PAYLOAD_FORMAT, 0))));
    assert_false(says_text(b, V5_PROPS(V5_STR(MQTT_P_CONTENT_TYPE, "c"))));
    assert_false(says_text(b, v5_none));
}

/* ---- the buffer that it shares ---------------------------------------------------------------- */

/* A client's large properties neither stay in the broker's memory nor lose a byte. */
static void large_properties_pass_and_leave_no_large_buffer(void **state)
{
    enum { VALUE = 60000 };
    static char value[VALUE + 1];
    static uint8_t props[2 * VALUE + 64];
    struct core_bed *b = *state;
    struct core_client *c = publisher(b);
    struct publish_v5 said;
    size_t used = 0;
    memset(value, 'v', VALUE);
    for (int i = 0; i < 2; i++)
        assert_true(mqtt_props_put_pair(props, sizeof(props), &used, bed_text("k"),
                                        mqtt_slice_of(value, VALUE)));
    size_t both = used;
    assert_true(mqtt_props_put_num(props, sizeof(props), &used, MQTT_P_TOPIC_ALIAS, 1));
    struct mqtt_publish p = {.topic = bed_text("t"), .props.raw = mqtt_slice_of(props, used)};
    assert_true(publish_v5_take(c->client, &p, &said));
    assert_int_equal(p.props.raw.len, both);
    assert_memory_equal(p.props.raw.data, props, both);
    p.props = V5_PROPS(V5_STR(MQTT_P_CONTENT_TYPE, "c"));
    assert_true(publish_v5_take(c->client, &p, &said));
    assert_int_equal(p.props.raw.len, 4);
    assert_true(bed_broker(b)->props_size <= 64 * 1024);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BED_TEST(an_alias_stands_for_the_topic_that_came_with_it),
        BED_TEST(aliases_up_to_the_maximum_may_be_used),
        BED_TEST(one_above_it_ends_the_connection),
        BED_TEST(where_there_are_none_the_first_one_does),
        BED_TEST(so_does_one_that_was_never_set),
        BED_TEST(aliases_are_one_connections_own),
        BED_TEST(the_alias_isnt_passed_on_and_the_rest_is),
        BED_TEST(topics_that_are_kept_count_as_the_clients),
        BED_TEST(the_topic_can_be_asked_for_before),
        BED_TEST(a_message_expires_by_the_stores_clock),
        BED_TEST(without_expiry_it_never_does),
        BED_TEST(a_payload_may_say_that_it_is_utf8),
        BED_TEST(large_properties_pass_and_leave_no_large_buffer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
