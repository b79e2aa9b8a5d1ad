/* retained_delivery: no older value follows a newer live message. */
#include "broker/delivery/retained_delivery.h"

#include "tests/unit/broker/core_bed.h"
#include "tests/unit/broker/held_store.h"

/* There is a value, of this client. */
static struct core_client *retain(struct core_bed *b)
{
    struct core_client *c = bed_join(b, "publisher", true);
    bed_publish(b, c, "r/0", 0, true);
    return c;
}

static void subscribing_again_tells_what_came_live_meanwhile(void **state)
{
    struct core_bed *b = *state;
    held_begin(&b->core, 0);
    held.ops.untargeted_is_done = false; /* what was told is remembered for a while */
    struct core_client *publisher = retain(b), *c = bed_join(b, "c", true);
    bed_subscribe(b, c, "r/0", 0);
    assert_int_equal(bed_count(c, MQTT_PUBLISH), 1);
    bed_publish(b, publisher, "r/0", 0, true);
    assert_int_equal(bed_count(c, MQTT_PUBLISH), 1);
    bed_subscribe(b, c, "r/0", 0); /* 3.8.4: retained messages are sent again */
    assert_int_equal(bed_count(c, MQTT_PUBLISH), 1);
    held_end(&b->core);
}

/* The value that is read then may be older than it. */
static void what_came_live_before_the_suback_isnt_followed_by_a_value(void **state)
{
    struct core_bed *b = *state;
    struct core_client *publisher = retain(b), *c = bed_join(b, "c", true);
    held_begin(&b->core, HOLDS(HELD_SUBSCRIBE));
    bed_subscribe(b, c, "r/0", 0);
    bed_publish(b, publisher, "r/0", 0, true);
    held_answer(HELD_SUBSCRIBE, STORE_OK);
    core_settle(&b->core);
    assert_int_equal(bed_count(c, MQTT_PUBLISH), 1);
    held_end(&b->core);
}

/* For live messages that come late. */
static void in_a_fleet_what_was_told_is_known_for_ten_seconds(void **state)
{
    struct core_bed *b = *state;
    struct broker *broker = bed_broker(b);
    held_begin(&b->core, 0);
    held.ops.untargeted_is_done = false;
    retain(b);
    struct core_client *c = bed_join(b, "c", true);
    bed_subscribe(b, c, "none", 0);
    assert_null(c->client->retained); /* nothing was told */
    bed_subscribe(b, c, "r/0", 0);
    assert_non_null(c->client->retained);
    wheel_advance(&broker->wheel, broker->now_ms + 9900);
    assert_non_null(c->client->retained);
    wheel_advance(&broker->wheel, broker->now_ms + 10100);
    assert_null(c->client->retained);
    held_end(&b->core);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BED_TEST(subscribing_again_tells_what_came_live_meanwhile),
        BED_TEST(what_came_live_before_the_suback_isnt_followed_by_a_value),
        BED_TEST(in_a_fleet_what_was_told_is_known_for_ten_seconds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
