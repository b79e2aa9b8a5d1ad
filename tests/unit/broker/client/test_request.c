/* request: answers in the order of the packets, and how much of a client may wait for the store. */
#include "broker/client/request.h"

#include "broker/base/account.h"
#include "tests/unit/broker/core_bed.h"
#include "tests/unit/broker/held_store.h"
#include "tests/unit/broker/v5_bed.h"

#define PUBLISH_1 "\x32\x06\0\1t\0\1x" /* QoS 1: packet ids 1, 2, 3 */
#define PUBLISH_2 "\x32\x06\0\1t\0\2x"
#define PUBLISH_3 "\x32\x06\0\1t\0\3x"
#define DENIED_2 "\x32\x0b\0\6$SYS/a\0\2x" /* acknowledged without the store */
#define PING "\xc0\0"

static struct core_client *join(struct core_bed *b)
{
    struct core_client *c = bed_join(b, "c", true);
    assert_int_equal(bed_connack(c), 0);
    held_begin(&b->core, HOLDS(HELD_PUBLISH));
    return c;
}

static void answers_go_out_in_the_order_of_the_packets(void **state)
{
    struct core_bed *b = *state;
    struct core_client *c = join(b);
    BED_SEND(b, c, PUBLISH_1 PUBLISH_2);
    struct held_call *first = held_take(HELD_PUBLISH);
    struct held_call *second = held_take(HELD_PUBLISH);
    second->done(second->arg, STORE_OK);
    core_settle(&b->core);
    assert_int_equal(c->out_len, 0);
    first->done(first->arg, STORE_OK);
    core_settle(&b->core);
    assert_true(bed_acked(c, MQTT_PUBACK, 1));
    assert_true(bed_acked(c, MQTT_PUBACK, 2));
    assert_null(c->client->last_request);
    held_end(&b->core);
}

static void what_needs_no_store_is_answered_at_once(void **state)
{
    struct core_bed *b = *state;
    struct core_client *c = join(b);
    BED_SEND(b, c, DENIED_2);
    assert_true(bed_acked(c, MQTT_PUBACK, 2));
    held_end(&b->core);
}

static void it_waits_behind_what_needs_the_store(void **state)
{
    struct core_bed *b = *state;
    struct core_client *c = join(b);
    BED_SEND(b, c, PUBLISH_1 DENIED_2 PUBLISH_3);
    assert_int_equal(c->out_len, 0);
    held_answer(HELD_PUBLISH, STORE_OK);
    core_settle(&b->core);
    assert_true(bed_acked(c, MQTT_PUBACK, 1));
    assert_true(bed_acked(c, MQTT_PUBACK, 2));
    assert_int_equal(c->out_len, 0); /* 3 waits */
    held_answer(HELD_PUBLISH, STORE_OK);
    core_settle(&b->core);
    assert_true(bed_acked(c, MQTT_PUBACK, 3));
    held_end(&b->core);
}

static void a_client_with_as_many_as_it_may_have_isnt_read(void **state)
{
    struct core_bed *b = *state;
    struct core_client *c = join(b);
    b->core.config.limits.max_unacknowledged = 2;
    BED_SEND(b, c, PUBLISH_1 PING);
    assert_int_equal(c->out_len, 2);
    BED_SEND(b, c, PUBLISH_2 PING);
    assert_true(c->client->pause & PAUSE_UNACKNOWLEDGED);
    assert_int_equal(c->out_len, 2);
    held_answer(HELD_PUBLISH, STORE_OK);
    core_settle(&b->core);
    assert_int_equal(c->client->pause, 0);
    assert_int_equal(c->out_len, 8); /* PINGRESP, PUBACK, PINGRESP */
    held_end(&b->core);
}

/* Topic and payload are two bytes. */
static void nor_is_one_with_as_many_bytes_as_it_may_have(void **state)
{
    struct core_bed *b = *state;
    struct core_client *c = join(b);
    b->core.config.limits.max_unacknowledged_bytes = 4;
    BED_SEND(b, c, PUBLISH_1);
    assert_int_equal(c->client->pause, 0);
    BED_SEND(b, c, PUBLISH_2);
    assert_true(c->client->pause & PAUSE_UNACKNOWLEDGED);
    held_answer(HELD_PUBLISH, STORE_OK);
    assert_int_equal(c->client->pause, 0);
    held_end(&b->core);
}

static void a_failed_one_closes_the_client_and_nothing_overtakes_it(void **state)
{
    struct core_bed *b = *state;
    struct core_client *c = join(b);
    BED_SEND(b, c, PUBLISH_1 PUBLISH_2);
    held_answer(HELD_PUBLISH, STORE_UNAVAILABLE);
    held_answer(HELD_PUBLISH, STORE_OK);
    core_settle(&b->core);
    assert_true(c->freed);
    assert_int_equal(c->out_len, 0);
    assert_int_equal(bed_broker(b)->stats.ended[END_STORE_FAILED], 1);
    held_end(&b->core);
}

static void a_fenced_one_says_that_the_client_was_taken_over(void **state)
{
    struct core_bed *b = *state;
    struct core_client *c = join(b);
    BED_SEND(b, c, PUBLISH_1);
    held_answer(HELD_PUBLISH, STORE_FENCED);
    core_settle(&b->core);
    assert_true(c->freed);
    assert_int_equal(bed_broker(b)->stats.ended[END_TAKEN_OVER], 1);
    held_end(&b->core);
}

static void what_is_completed_after_the_end_is_freed_then(void **state)
{
    struct core_bed *b = *state;
    struct core_client *c = join(b);
    const uint64_t *held_bytes = &account.by_kind[ACCOUNT_REQUESTS];
    BED_SEND(b, c, PUBLISH_1);
    uint64_t one = *held_bytes;
    assert_int_not_equal(one, 0);
    BED_SEND(b, c, DENIED_2);
    assert_int_equal(*held_bytes, 2 * one);
    bed_leave(b, c);
    assert_true(c->freed);
    assert_int_equal(*held_bytes, one); /* what is at the store */
    held_answer(HELD_PUBLISH, STORE_OK);
    core_settle(&b->core);
    assert_int_equal(*held_bytes, 0);
    assert_int_equal(account.by_kind[ACCOUNT_CLIENTS], 0); /* it was the last thing of the client */
    held_end(&b->core);
}

/* ---- reasons of 5.0 --------------------------------------------------------------------------- */

static struct core_client *join_v5(struct core_bed *b)
{
    struct core_client *c = v5_join(b, "c", true, v5_none);
    assert_int_equal(bed_connack(c), 0);
    held_begin(&b->core, HOLDS(HELD_PUBLISH));
    return c;
}

static void publish_v5(struct core_bed *b, struct core_client *c, uint16_t id, const char *topic)
{
    v5_publish(b, c, &(struct mqtt_publish){.topic = bed_text(topic), .qos = 1, .packet_id = id});
}

static struct request *waiting(const struct core_client *c, unsigned place)
{
    struct request *q = c->client->last_request->next;
    while (place-- > 0)
        q = q->next;
    return q;
}

/* The store says so before it completes; 3.4.2.1. */
static void one_that_reached_nobody_says_so(void **state)
{
    struct core_bed *b = *state;
    struct core_client *c = join_v5(b);
    publish_v5(b, c, 1, "t");
    publish_v5(b, c, 2, "t");
    waiting(c, 1)->reached = true;
    held_answer(HELD_PUBLISH, STORE_OK);
    held_answer(HELD_PUBLISH, STORE_OK);
    core_settle(&b->core);
    assert_true(v5_acked(c, MQTT_PUBACK, 1, MQTT_R_NO_MATCHING_SUBSCRIBERS));
    assert_true(v5_acked(c, MQTT_PUBACK, 2, MQTT_R_SUCCESS));
    held_end(&b->core);
}

/* [MQTT-4.6.0-2] */
static void a_reason_that_waits_goes_to_its_own_packet(void **state)
{
    struct core_bed *b = *state;
    struct core_client *c = join_v5(b);
    publish_v5(b, c, 1, "t");
    publish_v5(b, c, 2, "$SYS/t"); /* denied */
    bed_ack(b, c, MQTT_PUBREL, 9); /* nobody knows it */
    publish_v5(b, c, 3, "t");
    assert_int_equal(c->out_len, 0);
    waiting(c, 0)->reached = waiting(c, 3)->reached = true;
    held_answer(HELD_PUBLISH, STORE_OK);
    held_answer(HELD_PUBLISH, STORE_OK);
    core_settle(&b->core);
    assert_true(v5_acked(c, MQTT_PUBACK, 1, MQTT_R_SUCCESS));
    assert_true(v5_acked(c, MQTT_PUBACK, 2, MQTT_R_NOT_AUTHORIZED));
    assert_true(v5_acked(c, MQTT_PUBCOMP, 9, MQTT_R_PACKET_ID_NOT_FOUND));
    assert_true(v5_acked(c, MQTT_PUBACK, 3, MQTT_R_SUCCESS));
    held_end(&b->core);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BED_TEST(answers_go_out_in_the_order_of_the_packets),
        BED_TEST(what_needs_no_store_is_answered_at_once),
        BED_TEST(it_waits_behind_what_needs_the_store),
        BED_TEST(a_client_with_as_many_as_it_may_have_isnt_read),
        BED_TEST(nor_is_one_with_as_many_bytes_as_it_may_have),
        BED_TEST(a_failed_one_closes_the_client_and_nothing_overtakes_it),
        BED_TEST(a_fenced_one_says_that_the_client_was_taken_over),
        BED_TEST(what_is_completed_after_the_end_is_freed_then),
        BED_TEST(one_that_reached_nobody_says_so),
        BED_TEST(a_reason_that_waits_goes_to_its_own_packet),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
