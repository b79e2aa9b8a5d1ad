/* handle_subscribe for 5.0: a reason code per filter, and when retained messages are sent. */
#include "tests/unit/broker/held_store.h"
#include "tests/unit/broker/v5_subscribe.h"

#define FILTERS(...) ((const char *const[]){__VA_ARGS__, NULL})

static struct core_client *join(struct core_bed *b, const char *id)
{
    struct core_client *c = v5_join(b, id, true, v5_none);
    assert_int_equal(bed_connack(c), 0);
    return c;
}

/* ---- codes ------------------------------------------------------------------------------------ */

static void each_refusal_has_its_reason(void **state)
{
    struct core_bed *b = *state;
    b->core.config.limits.max_topic_levels = 3;
    b->core.config.limits.max_subscriptions = 4;
    struct core_client *c = join(b, "c");
    V5_SUBSCRIBE(b, c, 0, {.filter = bed_text("a/0")}, {.filter = bed_text("a/1"), .qos = 1},
                 {.filter = bed_text("a/2"), .qos = 2}, {.filter = bed_text("a/b/c/d")},
                 {.filter = bed_text("$share/g/a")}, {.filter = bed_text("a/3")},
                 {.filter = bed_text("a/4")}, {.filter = bed_text("a/0"), .qos = 2});
    assert_string_equal(v5_codes(c, MQTT_SUBACK), "00 01 02 8f 00 97 97 02");
    assert_false(c->freed);
}

/* [MQTT-3.2.2-10]: it may ask for more than may be published with. */
static void no_higher_qos_is_granted_than_is_offered(void **state)
{
    struct core_bed *b = *state;
    b->core.config.mqtt.max_qos = 1;
    struct core_client *c = join(b, "c"), *old = bed_join(b, "old", true);
    V5_SUBSCRIBE(b, c, 0, {.filter = bed_text("a/0")}, {.filter = bed_text("a/1"), .qos = 1},
                 {.filter = bed_text("a/2"), .qos = 2});
    assert_string_equal(v5_codes(c, MQTT_SUBACK), "00 01 01");
    assert_false(c->freed);
    bed_subscribe(b, old, "a", 2);
    assert_string_equal(bed_granted(old), "1");
    b->core.config.mqtt.max_qos = 0;
    bed_subscribe(b, old, "a", 2);
    assert_string_equal(bed_granted(old), "0");
}

static void what_the_store_doesnt_take_has_its_reason_too(void **state)
{
    struct core_bed *b = *state;
    struct core_client *c = join(b, "c");
    held_begin(&b->core, HOLDS(HELD_SUBSCRIBE));
    V5_SUBSCRIBE(b, c, 0, {.filter = bed_text("$share/g/t")}, {.filter = bed_text("a")});
    held_answer(HELD_SUBSCRIBE, STORE_FULL);
    core_settle(&b->core);
    assert_string_equal(v5_codes(c, MQTT_SUBACK), "97 97");
    V5_SUBSCRIBE(b, c, 0, {.filter = bed_text("a"), .qos = 1});
    held_answer(HELD_SUBSCRIBE, STORE_UNAVAILABLE);
    core_settle(&b->core);
    assert_string_equal(v5_codes(c, MQTT_SUBACK), "80");
    held_end(&b->core);
}

/* What it would replace stays, with its identifier. */
static void what_the_store_doesnt_take_changes_nothing(void **state)
{
    struct core_bed *b = *state;
    struct core_client *c = join(b, "c");
    V5_SUBSCRIBE(b, c, 5, {.filter = bed_text("a"), .qos = 1});
    held_begin(&b->core, HOLDS(HELD_SUBSCRIBE));
    V5_SUBSCRIBE(b, c, 6, {.filter = bed_text("a")}, {.filter = bed_text("b")});
    held_answer(HELD_SUBSCRIBE, STORE_FULL);
    core_settle(&b->core);
    held_end(&b->core);
    bed_publish(b, c, "a", 2, false);
    bed_publish(b, c, "b", 2, false);
    bed_ack(b, c, MQTT_PUBREL, 1);
    assert_string_equal(v5_got(c), "a 1 [5]");
}

static void unsuback_says_which_subscriptions_there_were(void **state)
{
    struct core_bed *b = *state;
    struct core_client *c = join(b, "c");
    V5_SUBSCRIBE(b, c, 0, {.filter = bed_text("a")}, {.filter = bed_text("b/+")});
    bed_filters(b, c, MQTT_UNSUBSCRIBE, 0, FILTERS("a", "b/c", "b/+", "a"));
    assert_string_equal(v5_codes(c, MQTT_UNSUBACK), "00 11 00 11");
}

static void no_local_of_a_shared_subscription_is_a_protocol_error(void **state)
{
    struct core_bed *b = *state;
    struct core_client *c = join(b, "c");
    V5_SUBSCRIBE(b, c, 0, {.filter = bed_text("a")},
                 {.filter = bed_text("$share/g/a"), .no_local = true});
    assert_int_equal(v5_end_reason(c), MQTT_R_PROTOCOL_ERROR);
}

/* ---- retained messages ------------------------------------------------------------------------ */

static void retained_messages_are_sent_by_the_retain_handling(void **state)
{
    struct core_bed *b = *state;
    struct core_client *c = join(b, "c");
    bed_publish(b, join(b, "p"), "r", 0, true);
    V5_SUBSCRIBE(b, c, 0, {.filter = bed_text("r"), .retain_handling = 2});
    assert_string_equal(v5_got(c), "");
    V5_SUBSCRIBE(b, c, 0, {.filter = bed_text("r"), .retain_handling = 1}); /* it is there */
    assert_string_equal(v5_got(c), "");
    V5_SUBSCRIBE(b, c, 0, {.filter = bed_text("r"), .retain_handling = 0});
    assert_string_equal(v5_got(c), "r 0 r");
    V5_SUBSCRIBE(b, c, 0, {.filter = bed_text("r"), .retain_handling = 0});
    assert_string_equal(v5_got(c), "r 0 r");
    bed_unsubscribe(b, c, "r");
    V5_SUBSCRIBE(b, c, 0, {.filter = bed_text("r"), .retain_handling = 1});
    assert_string_equal(v5_got(c), "r 0 r");
}

/* 3.8.3.1: whether it existed is asked for each filter in its turn. */
static void a_filter_that_is_named_twice_is_new_once(void **state)
{
    struct core_bed *b = *state;
    struct core_client *c = join(b, "c");
    bed_publish(b, join(b, "p"), "r", 0, true);
    V5_SUBSCRIBE(b, c, 3, {.filter = bed_text("r"), .retain_handling = 1},
                 {.filter = bed_text("r"), .retain_handling = 1});
    assert_string_equal(v5_got(c), "r 0 r [3]");
}

static void a_session_that_comes_back_has_its_subscriptions(void **state)
{
    struct core_bed *b = *state;
    struct mqtt_props kept = V5_PROPS(V5_NUM(MQTT_P_SESSION_EXPIRY, 1000));
    struct core_client *c = v5_join(b, "c", false, kept);
    bed_publish(b, join(b, "p"), "r", 1, true);
    V5_SUBSCRIBE(b, c, 4, {.filter = bed_text("r"), .qos = 1});
    assert_string_equal(v5_got(c), "r 1 r [4]");
    bed_ack(b, c, MQTT_PUBACK, 1);
    bed_leave(b, c);
    c = v5_join(b, "c", false, kept);
    V5_SUBSCRIBE(b, c, 4, {.filter = bed_text("r"), .qos = 1, .retain_handling = 1});
    assert_string_equal(v5_got(c), "");
}

/* Alone: another subscription that matches has no part in it. */
static void retained_messages_have_the_identifier_of_their_subscription(void **state)
{
    struct core_bed *b = *state;
    struct core_client *c = join(b, "c");
    bed_publish(b, join(b, "p"), "r/1", 0, true);
    V5_SUBSCRIBE(b, c, 1, {.filter = bed_text("r/+")});
    assert_string_equal(v5_got(c), "r/1 0 r [1]");
    V5_SUBSCRIBE(b, c, 268435455, {.filter = bed_text("r/#")});
    assert_string_equal(v5_got(c), "r/1 0 r [268435455]");
    V5_SUBSCRIBE(b, c, 0, {.filter = bed_text("r/1")});
    assert_string_equal(v5_got(c), "r/1 0 r");
}

/* Also what goes through a durable session's queue. */
static void retained_messages_expire_as_they_were_published(void **state)
{
    struct core_bed *b = *state;
    struct mqtt_packet p;
    v5_publish(b, join(b, "p"),
               &(struct mqtt_publish){.topic = bed_text("r"),
                                      .qos = 1,
                                      .packet_id = 1,
                                      .retain = true,
                                      .payload = bed_text("x"),
                                      .props = V5_PROPS(V5_NUM(MQTT_P_MESSAGE_EXPIRY, 1000))});
    struct core_client *c = v5_join(b, "c", false, V5_PROPS(V5_NUM(MQTT_P_SESSION_EXPIRY, 9)));
    for (uint8_t qos = 0; qos < 2; qos++) {
        V5_SUBSCRIBE(b, c, 0, {.filter = bed_text("r"), .qos = qos});
        assert_true(bed_find(c, MQTT_PUBLISH, &p));
        assert_int_equal(p.u.publish.qos, qos);
        assert_in_range(v5_num(p.u.publish.props, MQTT_P_MESSAGE_EXPIRY), 990, 1000);
    }
}

static void no_local_leaves_out_ones_own_retained_messages(void **state)
{
    struct core_bed *b = *state;
    struct core_client *c = join(b, "c");
    bed_publish(b, c, "r/own", 0, true);
    bed_publish(b, join(b, "p"), "r/other", 0, true);
    V5_SUBSCRIBE(b, c, 0, {.filter = bed_text("r/+"), .no_local = true});
    assert_string_equal(v5_got(c), "r/other 0 r");
    V5_SUBSCRIBE(b, c, 0, {.filter = bed_text("r/own")});
    assert_string_equal(v5_got(c), "r/own 0 r");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BED_TEST(each_refusal_has_its_reason),
        BED_TEST(no_higher_qos_is_granted_than_is_offered),
        BED_TEST(what_the_store_doesnt_take_has_its_reason_too),
        BED_TEST(what_the_store_doesnt_take_changes_nothing),
        BED_TEST(unsuback_says_which_subscriptions_there_were),
        BED_TEST(no_local_of_a_shared_subscription_is_a_protocol_error),
        BED_TEST(retained_messages_are_sent_by_the_retain_handling),
        BED_TEST(a_filter_that_is_named_twice_is_new_once),
        BED_TEST(a_session_that_comes_back_has_its_subscriptions),
        BED_TEST(retained_messages_have_the_identifier_of_their_subscription),
        BED_TEST(retained_messages_expire_as_they_were_published),
        BED_TEST(no_local_leaves_out_ones_own_retained_messages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
