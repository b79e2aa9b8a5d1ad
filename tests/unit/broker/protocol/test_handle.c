/* handle: which packet may come when, and which topics are within the limits. */
#include "broker/protocol/handle.h"

#include "tests/unit/broker/core_bed.h"

#define CONNECT "\x10\x0d\0\4MQTT\4\2\0\0\0\1c"

static void the_first_packet_is_a_connect(void **state)
{
    struct core_bed *b = *state;
    struct core_client *c = bed_connect(b);
    BED_SEND(b, c, "\xc0\0"); /* PINGREQ */
    assert_true(c->freed);
    assert_int_equal(c->out_len, 0);
    assert_int_equal(bed_broker(b)->stats.ended[END_MALFORMED], 1);
}

static void there_is_no_second_one(void **state)
{
    struct core_bed *b = *state;
    struct core_client *c = bed_connect(b);
    BED_SEND(b, c, CONNECT);
    assert_int_equal(bed_connack(c), 0);
    BED_SEND(b, c, CONNECT);
    assert_true(c->freed);
    assert_int_equal(bed_broker(b)->stats.ended[END_MALFORMED], 1);
}

static void a_ping_is_answered(void **state)
{
    struct core_bed *b = *state;
    struct core_client *c = bed_join(b, "c", true);
    assert_int_equal(bed_connack(c), 0);
    BED_SEND(b, c, "\xc0\0");
    assert_int_equal(bed_count(c, MQTT_PINGRESP), 1);
}

/* ---- ends ------------------------------------------------------------------------------------- */

static struct core_client *join_with_will(struct core_bed *b)
{
    return bed_join_as(b, &(struct mqtt_connect){.clean_start = true,
                                                 .client_id = bed_text("c"),
                                                 .has_will = true,
                                                 .will_topic = bed_text("w"),
                                                 .will_payload = bed_text("x")});
}

static void who_disconnects_has_no_will(void **state)
{
    struct core_bed *b = *state;
    struct core_client *other = bed_join(b, "other", true);
    bed_subscribe(b, other, "w", 0);
    struct core_client *c = join_with_will(b);
    BED_SEND(b, c, "\xe0\0");
    assert_true(c->freed);
    assert_int_equal(bed_broker(b)->stats.ended[END_DISCONNECT], 1);
    assert_int_equal(bed_count(other, MQTT_PUBLISH), 0);
    bed_leave(b, join_with_will(b)); /* without it there is one */
    assert_int_equal(bed_count(other, MQTT_PUBLISH), 1);
}

/* ---- topics ----------------------------------------------------------------------------------- */

static bool fits(struct core_bed *b, const char *topic)
{
    return handle_topic_fits(b->clients[0].c->client, bed_text(topic));
}

static void a_topic_may_be_as_long_as_the_limit(void **state)
{
    struct core_bed *b = *state;
    bed_connect(b);
    b->core.config.limits.max_topic_length = 8;
    assert_true(fits(b, "12345678"));
    assert_false(fits(b, "123456789"));
}

static void a_topic_may_have_as_many_levels_as_the_limit(void **state)
{
    struct core_bed *b = *state;
    bed_connect(b);
    b->core.config.limits.max_topic_levels = 3;
    assert_true(fits(b, "a"));
    assert_true(fits(b, "//"));
    assert_false(fits(b, "///")); /* as many bytes as levels are allowed */
    assert_true(fits(b, "a/b/c"));
    assert_false(fits(b, "a/b/c/d"));
    assert_true(fits(b, "long/names/count for nothing"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BED_TEST(the_first_packet_is_a_connect),
        BED_TEST(there_is_no_second_one),
        BED_TEST(a_ping_is_answered),
        BED_TEST(who_disconnects_has_no_will),
        BED_TEST(a_topic_may_be_as_long_as_the_limit),
        BED_TEST(a_topic_may_have_as_many_levels_as_the_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
