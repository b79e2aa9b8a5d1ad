/* deliver: what goes into a client's output at once, what waits for its window, and what is given up. */
#include "broker/delivery/deliver.h"

#include "broker/base/account.h"
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

static uint64_t ended(struct core_bed *b, enum client_end why)
{
    return bed_broker(b)->stats.ended[why];
}

/* ---- QoS 0 ------------------------------------------------------------------------------------ */

static void qos_0_is_dropped_when_the_output_is_over_its_limit(void **state)
{
    struct core_bed *b = *state;
    struct core_client *p = publisher(b), *c = subscriber(b, true);
    core_take(c, 0);
    bed_publish(b, p, "t", 0, false);
    size_t one = c->client->output.pending;
    b->core.config.limits.max_output = one;
    bed_publish(b, p, "t", 0, false); /* it isn't over it yet */
    bed_publish(b, p, "t", 0, false);
    assert_int_equal(c->client->output.pending, 2 * one);
    assert_int_equal(bed_broker(b)->stats.dropped[DROP_SLOW_CONSUMER], 1);
    core_take(c, SIZE_MAX);
    core_settle(&b->core);
    assert_int_equal(bed_count(c, MQTT_PUBLISH), 2);
}

static void or_when_all_outputs_together_are(void **state)
{
    struct core_bed *b = *state;
    struct core_client *p = publisher(b), *c = subscriber(b, true), *other = bed_join(b, "d", true);
    bed_subscribe(b, other, "#", 0);
    other->out_len = 0;
    core_take(c, 0);
    bed_publish(b, p, "t", 0, false);
    bed_broker(b)->output_limit = 1;
    bed_publish(b, p, "t", 0, false);
    assert_int_equal(bed_broker(b)->stats.dropped[DROP_SLOW_CONSUMER], 1);
    assert_int_equal(bed_count(other, MQTT_PUBLISH), 2); /* nothing waits for this one */
    core_take(c, SIZE_MAX);
}

static void or_when_it_takes_nothing_and_memory_is_short(void **state)
{
    struct core_bed *b = *state;
    struct core_client *p = publisher(b), *c = subscriber(b, true);
    bed_broker(b)->memory.tight = 1;
    bed_publish(b, p, "t", 0, false);
    assert_int_equal(bed_count(c, MQTT_PUBLISH), 1);
    core_take(c, 0);
    bed_publish(b, p, "t", 0, false);
    assert_true(c->client->blocked);
    assert_int_equal(bed_broker(b)->stats.dropped[DROP_SLOW_CONSUMER], 0);
    bed_publish(b, p, "t", 0, false);
    assert_int_equal(bed_broker(b)->stats.dropped[DROP_SLOW_CONSUMER], 1);
}

/* ---- who may get it --------------------------------------------------------------------------- */

static void what_a_client_may_not_read_isnt_sent_to_it(bool clean, struct core_bed *b)
{
    bed_use_auth(b, NULL, "topic write #\ntopic read open\n");
    struct core_client *p = publisher(b), *c = subscriber(b, clean);
    struct mqtt_packet packet;
    for (uint8_t qos = 0; qos <= 1; qos++) {
        bed_publish(b, p, "shut", qos, false);
        bed_publish(b, p, "open", qos, false);
        assert_true(bed_find(c, MQTT_PUBLISH, &packet));
        assert_true(bed_is_text(packet.u.publish.topic, "open"));
        assert_int_equal(packet.u.publish.qos, qos);
        assert_int_equal(bed_count(c, MQTT_PUBLISH), 0);
    }
    assert_int_equal(inflight_open(&c->client->inflight), 1);
}

static void what_a_clean_session_may_not_read_isnt_sent(void **state)
{
    what_a_client_may_not_read_isnt_sent_to_it(true, *state);
}

/* It leaves the queue all the same. */
static void what_a_durable_session_may_not_read_isnt_sent(void **state)
{
    struct core_bed *b = *state;
    what_a_client_may_not_read_isnt_sent_to_it(false, b);
    struct core_client *c = b->clients[1].c;
    bed_ack(b, c, MQTT_PUBACK, 2);
    bed_leave(b, c);
    assert_int_equal(account.by_kind[ACCOUNT_KEPT], 0);
}

/* ---- a clean session's window ----------------------------------------------------------------- */

static void what_is_beyond_the_window_waits_in_order(void **state)
{
    struct core_bed *b = *state;
    b->core.config.limits.max_inflight = 2;
    struct core_client *p = publisher(b), *c = subscriber(b, true);
    struct mqtt_packet packet;
    char topic[8];
    for (int i = 0; i < 80; i++) { /* more than two blocks of the queue */
        snprintf(topic, sizeof(topic), "%d", i);
        bed_publish(b, p, topic, 1, false);
    }
    assert_int_equal(inflight_open(&c->client->inflight), 2);
    assert_true(deliver_is_behind(c->client));
    assert_true(deliver_queue_bytes(c->client) > 0);
    for (int i = 0; i < 80; i++) {
        snprintf(topic, sizeof(topic), "%d", i);
        assert_true(bed_find(c, MQTT_PUBLISH, &packet));
        assert_true(bed_is_text(packet.u.publish.topic, topic));
        assert_int_equal(packet.u.publish.packet_id, i + 1);
        bed_ack(b, c, MQTT_PUBACK, (uint16_t)(i + 1));
    }
    assert_null(c->client->queue);
    assert_false(deliver_is_behind(c->client));
    assert_int_equal(deliver_queue_bytes(c->client), 0);
}

/* Its client learns of the loss. */
static void a_full_queue_closes_its_client(void **state)
{
    struct core_bed *b = *state;
    b->core.config.limits.max_inflight = 1;
    b->core.config.limits.max_queued_messages = 2;
    struct core_client *p = publisher(b), *c = subscriber(b, true);
    for (int i = 0; i < 3; i++)
        bed_publish(b, p, "t", 1, false);
    assert_false(c->freed);
    bed_publish(b, p, "t", 1, false);
    assert_true(c->freed);
    assert_int_equal(ended(b, END_QUEUE_FULL), 1);
    assert_int_equal(account.by_kind[ACCOUNT_WINDOWS], 0);
}

static void a_queue_is_full_by_its_bytes_too(void **state)
{
    struct core_bed *b = *state;
    b->core.config.limits.max_inflight = 1;
    struct core_client *p = publisher(b), *c = subscriber(b, true);
    bed_publish(b, p, "t", 1, false);
    bed_publish(b, p, "t", 1, false);
    b->core.config.limits.max_queued_bytes = deliver_queue_bytes(c->client) + 1;
    bed_publish(b, p, "t", 1, false);
    assert_false(c->freed);
    bed_publish(b, p, "t", 1, false);
    assert_int_equal(ended(b, END_QUEUE_FULL), 1);
}

static void a_high_output_has_what_is_acknowledged_wait(void **state)
{
    static uint8_t payload[60000], bytes[sizeof(payload) + 64];
    struct core_bed *b = *state;
    struct mqtt_packet large = {.type = MQTT_PUBLISH,
                                .u.publish = {.topic = bed_text("t"),
                                              .qos = 1,
                                              .packet_id = 1,
                                              .payload = {payload, sizeof(payload)}}};
    size_t len = mqtt_encode(&large, MQTT_V311, bytes, sizeof(bytes));
    struct core_client *p = publisher(b), *c = subscriber(b, true);
    core_take(c, 0);
    for (int i = 0; i < 9; i++) {
        core_give(p, bytes, len);
        core_settle(&b->core);
    }
    assert_true(c->client->output.pending >= OUTPUT_HIGH);
    uint32_t open = inflight_open(&c->client->inflight);
    bed_publish(b, p, "t", 1, false);
    assert_int_equal(inflight_open(&c->client->inflight), open);
    core_take(c, SIZE_MAX);
    core_settle(&b->core);
    assert_int_equal(inflight_open(&c->client->inflight), open + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BED_TEST(qos_0_is_dropped_when_the_output_is_over_its_limit),
        BED_TEST(or_when_all_outputs_together_are),
        BED_TEST(or_when_it_takes_nothing_and_memory_is_short),
        BED_TEST(what_a_clean_session_may_not_read_isnt_sent),
        BED_TEST(what_a_durable_session_may_not_read_isnt_sent),
        BED_TEST(what_is_beyond_the_window_waits_in_order),
        BED_TEST(a_full_queue_closes_its_client),
        BED_TEST(a_queue_is_full_by_its_bytes_too),
        BED_TEST(a_high_output_has_what_is_acknowledged_wait),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
