/* deliver: a packet id isn't used again while its message isn't acknowledged. */
#include "broker/delivery/deliver.h"

#include "tests/unit/broker/core_bed.h"

static struct core_client *publisher(struct core_bed *b)
{
    return bed_join(b, "publisher", true);
}

static struct core_client *subscriber(struct core_bed *b, bool clean)
{
    struct core_client *c = bed_join(b, "c", clean);
    bed_subscribe(b, c, "#", 2);
    c->out_len = 0;
    return c;
}

/* Acknowledges what came, all of it at once, until nothing comes any more. */
static size_t acknowledge_all_but_the_first(struct core_bed *b, struct core_client *c)
{
    struct mqtt_packet p;
    size_t total = 0;
    for (size_t count = 1; count > 0; total += count) {
        uint8_t acks[4 * 256] = {0};
        count = 0;
        while (bed_find(c, MQTT_PUBLISH, &p)) {
            assert_int_not_equal(p.u.publish.packet_id, 1);
            assert_true(count < 256);
            mqtt_encode_ack4(MQTT_PUBACK, p.u.publish.packet_id, acks + 4 * count++);
        }
        bed_send(b, c, acks, 4 * count);
    }
    return total;
}

/* One message isn't acknowledged while so many others are that their ids come round to it. */
static void withheld_acknowledgement_holds_the_window_when_ids_come_round(bool clean,
                                                                          struct core_bed *b)
{
    enum { BURST = 150, BURSTS = 66000 / BURST }; /* more than the window at once */
    struct mqtt_packet p = {0};
    struct core_client *from = publisher(b), *c = subscriber(b, clean);
    bed_publish(b, from, "t", 1, false);
    assert_true(bed_find(c, MQTT_PUBLISH, &p));
    assert_int_equal(p.u.publish.packet_id, 1); /* the one that waits */
    size_t got = 0;
    for (int i = 0; i < BURSTS; i++) {
        for (int k = 0; k < BURST; k++)
            bed_publish(b, from, "t", 1, false);
        from->out_len = 0;
        got += acknowledge_all_but_the_first(b, c);
        assert_false(c->freed);
    }
    assert_true(got > 65000 && got < 65535);
    bed_ack(b, c, MQTT_PUBACK, 1);
    assert_true(bed_find(c, MQTT_PUBLISH, &p)); /* what waited goes on */
}

static void withheld_acknowledgement_holds_a_clean_session(void **state)
{
    withheld_acknowledgement_holds_the_window_when_ids_come_round(true, *state);
}

static void withheld_acknowledgement_holds_a_durable_session(void **state)
{
    withheld_acknowledgement_holds_the_window_when_ids_come_round(false, *state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BED_TEST(withheld_acknowledgement_holds_a_clean_session),
        BED_TEST(withheld_acknowledgement_holds_a_durable_session),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
