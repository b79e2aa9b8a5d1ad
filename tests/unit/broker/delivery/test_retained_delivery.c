/* retained_delivery: a new subscription is sent what is retained, all of it. Live messages meanwhile:
 * test_retained_delivery_live.c. */
#include "broker/delivery/retained_delivery.h"

#include "broker/delivery/sys_values.h"
#include "tests/unit/broker/core_bed.h"
#include "tests/unit/broker/held_store.h"

static struct core_client *join(struct core_bed *b, bool clean)
{
    struct core_client *c = bed_join(b, "c", clean);
    assert_int_equal(bed_connack(c), 0);
    return c;
}

/* A value for each of so many topics. */
static struct core_client *retain(struct core_bed *b, int topics, size_t payload)
{
    static char text[1024];
    struct core_client *c = bed_join(b, "publisher", true);
    for (int i = 0; i < topics; i++) {
        char topic[32];
        snprintf(topic, sizeof(topic), "r/%d", i);
        bed_tell(b, c,
                 &(struct mqtt_packet){
                     .type = MQTT_PUBLISH,
                     .u.publish = {.topic = bed_text(topic),
                                   .retain = true,
                                   .payload = {(const uint8_t *)text, (uint32_t)payload}}});
    }
    return c;
}

/* ---- what is sent ----------------------------------------------------------------------------- */

static void values_follow_the_suback_and_are_marked(void **state)
{
    struct core_bed *b = *state;
    struct mqtt_packet p;
    retain(b, 2, 1);
    struct core_client *c = join(b, true);
    bed_subscribe(b, c, "r/0", 0);
    assert_true(bed_next(c, &p));
    assert_int_equal(p.type, MQTT_SUBACK);
    assert_true(bed_next(c, &p));
    assert_int_equal(p.type, MQTT_PUBLISH);
    assert_true(p.u.publish.retain);
    assert_true(bed_is_text(p.u.publish.topic, "r/0"));
    assert_false(bed_next(c, &p));
    assert_null(c->client->retained); /* nothing of it is kept */
}

static uint8_t qos_of_value(struct core_bed *b, struct core_client *c, uint8_t granted)
{
    struct mqtt_packet p;
    bed_subscribe(b, c, "t", granted);
    assert_true(bed_find(c, MQTT_PUBLISH, &p));
    assert_true(p.u.publish.retain);
    return p.u.publish.qos;
}

static void a_value_has_the_lesser_qos_of_both(void **state)
{
    struct core_bed *b = *state;
    bed_publish(b, bed_join(b, "publisher", true), "t", 1, true);
    for (int clean = 0; clean <= 1; clean++) {
        struct core_client *c = join(b, clean);
        assert_int_equal(qos_of_value(b, c, 0), 0);
        assert_int_equal(qos_of_value(b, c, 1), 1);
        assert_int_equal(qos_of_value(b, c, 2), 1);
        assert_int_equal(inflight_open(&c->client->inflight), 2);
        bed_leave(b, c);
    }
}

/* By its queue. */
static void a_durable_sessions_value_comes_again_until_it_is_acknowledged(void **state)
{
    struct core_bed *b = *state;
    bed_publish(b, bed_join(b, "publisher", true), "t", 1, true);
    struct core_client *c = join(b, false);
    assert_int_equal(qos_of_value(b, c, 1), 1);
    bed_leave(b, c);
    assert_int_equal(bed_count(bed_join(b, "c", false), MQTT_PUBLISH), 1);
}

static void values_of_sys_are_this_brokers_own(void **state)
{
    struct core_bed *b = *state;
    struct mqtt_publish fields = {
        .topic = bed_text("$SYS/a"), .retain = true, .payload = bed_text("1")};
    struct message *m = message_new(&fields, (struct message_id){0}, bed_text(""));
    sys_values_set(bed_broker(b)->sys_values, 0, m);
    message_unref(m);
    struct core_client *c = join(b, true);
    bed_subscribe(b, c, "$SYS/#", 0);
    assert_int_equal(bed_count(c, MQTT_PUBLISH), 1);
}

static void a_bridge_isnt_sent_its_own_values(void **state)
{
    struct core_bed *b = *state;
    struct core_client *bridge = bed_join_as(b, &(struct mqtt_connect){.version = MQTT_V311,
                                                                       .level = 0x84,
                                                                       .bridge = true,
                                                                       .clean_start = true,
                                                                       .client_id = bed_text("c")});
    retain(b, 1, 1);
    bed_publish(b, bridge, "r/own", 0, true);
    bed_subscribe(b, bridge, "r/#", 0);
    assert_int_equal(bed_count(bridge, MQTT_PUBLISH), 1);
    bed_subscribe(b, b->clients[1].c, "r/0", 0); /* as any other client is */
    assert_int_equal(bed_count(b->clients[1].c, MQTT_PUBLISH), 1);
}

/* ---- no faster than it is taken, and never cut short ------------------------------------------ */

static void a_client_that_takes_nothing_is_waited_for(void **state)
{
    enum { TOPICS = 3000, PAYLOAD = 300 };
    struct core_bed *b = *state;
    retain(b, TOPICS, PAYLOAD);
    struct core_client *c = join(b, true);
    core_take(c, 0);
    bed_subscribe(b, c, "r/#", 0);
    assert_true(c->client->output.pending >= OUTPUT_HIGH);
    assert_true(c->client->output.pending < TOPICS * PAYLOAD);
    assert_int_equal(retained_delivery_waiting(c->client), 1);
    core_take(c, SIZE_MAX);
    core_settle(&b->core);
    assert_int_equal(bed_count(c, MQTT_PUBLISH), TOPICS);
    assert_int_equal(retained_delivery_waiting(c->client), 0);
}

#define SUBSCRIBE "\x82\x08\0\1\0\3r/#\0" /* to r/# */

static void unsubscribe_ends_them(void **state)
{
    struct core_bed *b = *state;
    struct mqtt_packet p;
    retain(b, 3000, 1);
    struct core_client *c = join(b, true);
    bed_give(b, c, SUBSCRIBE, 10);
    core_turn(&b->core); /* the first chunk only */
    assert_int_equal(retained_delivery_waiting(c->client), 1);
    assert_true(retained_delivery_bytes(c->client) > 0);
    bed_unsubscribe(b, c, "r/#");
    assert_true(bed_find(c, MQTT_UNSUBACK, &p));
    assert_int_equal(bed_count(c, MQTT_PUBLISH), 0);
    assert_int_equal(retained_delivery_bytes(c->client), 0);
}

/* 3.8.4, however often. */
static void subscribing_while_they_are_sent_sends_them_again(void **state)
{
    enum { TOPICS = 600 };
    struct core_bed *b = *state;
    retain(b, TOPICS, 1);
    struct core_client *c = join(b, true);
    bed_give(b, c, SUBSCRIBE, 10);
    core_turn(&b->core);
    bed_give(b, c, SUBSCRIBE SUBSCRIBE, 20);
    core_turn(&b->core);
    assert_int_equal(retained_delivery_waiting(c->client), 1);
    core_settle(&b->core);
    assert_int_equal(bed_count(c, MQTT_PUBLISH), 2 * TOPICS);
}

static struct store_retained_read *fail_read(struct store *s, struct mqtt_slice filter,
                                             store_retained_fn *each,
                                             store_retained_chunk_fn *chunk, store_done_fn *done,
                                             void *arg)
{
    static struct store_retained_read read;
    (void)s, (void)filter, (void)each, (void)chunk;
    done(arg, STORE_UNAVAILABLE);
    return &read;
}

static void a_read_that_fails_ends_the_connection(void **state)
{
    struct core_bed *b = *state;
    struct core_client *c = join(b, true);
    held_begin(&b->core, 0);
    held.ops.retained_start = fail_read;
    bed_subscribe(b, c, "t", 0);
    assert_true(c->freed);
    assert_int_equal(bed_broker(b)->stats.ended[END_STORE_FAILED], 1);
    held_end(&b->core);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BED_TEST(values_follow_the_suback_and_are_marked),
        BED_TEST(a_value_has_the_lesser_qos_of_both),
        BED_TEST(a_durable_sessions_value_comes_again_until_it_is_acknowledged),
        BED_TEST(values_of_sys_are_this_brokers_own),
        BED_TEST(a_bridge_isnt_sent_its_own_values),
        BED_TEST(a_client_that_takes_nothing_is_waited_for),
        BED_TEST(unsubscribe_ends_them),
        BED_TEST(subscribing_while_they_are_sent_sends_them_again),
        BED_TEST(a_read_that_fails_ends_the_connection),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
