/* share: which member of a group gets a message: one that may read it; and who gets the broker's own. With the memory
 * store. */
#include "broker/delivery/share.h"

#include "broker/delivery/publish.h"
#include "tests/unit/broker/core_bed.h"

/* Each may read what has its client id at the end. */
static const char own_ends[] = "topic write #\npattern read t/%c\n";

static struct core_client *member(struct core_bed *b, const char *id, bool is_clean, uint8_t qos)
{
    struct core_client *c = bed_join(b, id, is_clean);
    bed_subscribe(b, c, "$share/g/t/+", qos);
    return c;
}

static void publish_some(struct core_bed *b, const char *topic, uint8_t qos)
{
    struct core_client *p = bed_join(b, "p", true);
    for (int i = 0; i < 6; i++)
        bed_publish(b, p, topic, qos, false);
    bed_leave(b, p);
}

/* How many publishes a client was sent; it acknowledges them. */
static size_t got(struct core_bed *b, struct core_client *c)
{
    struct mqtt_packet p;
    size_t count = 0;
    while (bed_find(c, MQTT_PUBLISH, &p)) {
        count++;
        if (p.u.publish.qos == 1)
            bed_ack(b, c, MQTT_PUBACK, p.u.publish.packet_id);
    }
    return count;
}

static uint64_t dropped(struct core_bed *b, enum drop why)
{
    return bed_broker(b)->stats.dropped[why];
}

static void who_may_not_read_it_is_passed_over(void **state)
{
    struct core_bed *b = *state;
    bed_use_auth(b, NULL, own_ends);
    for (uint8_t qos = 0; qos < 2; qos++) {
        struct core_client *ann = member(b, "ann", true, qos);
        struct core_client *bob = member(b, "bob", true, qos);
        struct core_client *eve = member(b, "eve", qos == 0, qos); /* also from its own queue */
        publish_some(b, "t/eve", qos);
        publish_some(b, "t/bob", qos);
        assert_int_equal(got(b, ann), 0);
        assert_int_equal(got(b, bob), 6);
        assert_int_equal(got(b, eve), 6);
        bed_leave(b, ann);
        bed_leave(b, bob);
        bed_leave(b, eve);
    }
    assert_int_equal(dropped(b, DROP_DENIED), 0);
}

static void what_no_member_may_read_is_dropped_and_counted(void **state)
{
    struct core_bed *b = *state;
    bed_use_auth(b, NULL, own_ends);
    struct core_client *bob = member(b, "bob", true, 1), *eve = member(b, "eve", true, 1);
    publish_some(b, "t/nobody", 1);
    assert_int_equal(dropped(b, DROP_DENIED), 6);
    publish_some(b, "t/nobody", 0);
    assert_int_equal(dropped(b, DROP_SHARE_NOBODY), 6);
    publish_some(b, "t/bob", 1); /* it isn't in anything's way */
    assert_int_equal(got(b, bob) + got(b, eve), 6);
}

/* Nobody knows what it may read until it is back. */
static void it_waits_for_a_member_that_is_away(void **state)
{
    struct core_bed *b = *state;
    bed_use_auth(b, NULL, own_ends);
    struct core_client *eve = member(b, "eve", false, 1);
    bed_leave(b, eve);
    struct core_client *bob = member(b, "bob", true, 1);
    publish_some(b, "t/eve", 1);
    publish_some(b, "t/bob", 1);
    assert_int_equal(got(b, bob), 6);
    eve = bed_join(b, "eve", false);
    assert_int_equal(got(b, eve), 6);
    assert_int_equal(dropped(b, DROP_DENIED), 0);
}

static void a_full_reader_gets_it_when_it_has_room(void **state)
{
    struct core_bed *b = *state;
    bed_use_auth(b, NULL, own_ends);
    b->core.config.limits.max_inflight = 2;
    struct core_client *bob = member(b, "bob", true, 1), *eve = member(b, "eve", true, 1);
    publish_some(b, "t/eve", 1);
    assert_int_equal(got(b, eve), 6); /* two at a time */
    assert_int_equal(got(b, bob), 0);
    publish_some(b, "t/bob", 1);
    assert_int_equal(got(b, bob), 6);
}

static void each_of_the_brokers_own_goes_to_one_member(void **state)
{
    struct core_bed *b = *state;
    struct mqtt_publish p = {.topic = bed_text("$SYS/x"), .payload = bed_text("1")};
    struct core_client *one = bed_join(b, "one", true), *two = bed_join(b, "two", true);
    bed_subscribe(b, one, "$share/g/$SYS/#", 1);
    bed_subscribe(b, two, "$share/g/$SYS/#", 0);
    struct core_client *all = bed_join(b, "all", true);
    bed_subscribe(b, all, "$SYS/x", 0);
    bed_subscribe(b, all, "$share/h/#", 0); /* a wildcard doesn't begin with $ */
    for (int i = 0; i < 6; i++)
        publish_sys(bed_broker(b), &p);
    core_settle(&b->core);
    assert_int_equal(got(b, one), 3);
    assert_int_equal(got(b, two), 3);
    assert_int_equal(got(b, all), 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BED_TEST(who_may_not_read_it_is_passed_over),
        BED_TEST(what_no_member_may_read_is_dropped_and_counted),
        BED_TEST(it_waits_for_a_member_that_is_away),
        BED_TEST(a_full_reader_gets_it_when_it_has_room),
        BED_TEST(each_of_the_brokers_own_goes_to_one_member),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
