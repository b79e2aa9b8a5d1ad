/* handle: DISCONNECT and AUTH of 5.0. What all versions have in common: test_handle.c. */
#include "broker/protocol/handle.h"

#include "broker/client/client_v5.h"
#include "tests/unit/broker/held_store.h"
#include "tests/unit/broker/v5_bed.h"

static struct core_client *join(struct core_bed *b, uint32_t expiry_s)
{
    struct core_client *c = bed_join_as(
        b, &(struct mqtt_connect){.version = MQTT_V5,
                                  .level = 5,
                                  .client_id = bed_text("c"),
                                  .has_will = true,
                                  .will_topic = bed_text("w"),
                                  .will_payload = bed_text("x"),
                                  .props = V5_PROPS(V5_NUM(MQTT_P_SESSION_EXPIRY, expiry_s))});
    assert_int_equal(bed_connack(c), 0);
    return c;
}

static void disconnect(struct core_bed *b, struct core_client *c, uint8_t reason,
                       struct mqtt_props props)
{
    v5_say(b, c, MQTT_DISCONNECT, 0, reason, props);
}

/* ---- the will --------------------------------------------------------------------------------- */

/* [MQTT-3.14.4-3] */
static void a_normal_disconnection_takes_the_will_along(void **state)
{
    struct core_bed *b = *state;
    struct core_client *c = join(b, 0);
    held_begin(&b->core, HOLDS(HELD_DISCONNECT));
    disconnect(b, c, MQTT_R_SUCCESS, v5_none);
    assert_true(c->freed);
    assert_false(held.with_will);
    held_end(&b->core);
}

/* 3.14.2.1 */
static void any_other_reason_leaves_it(void **state)
{
    static const uint8_t reasons[] = {MQTT_R_DISCONNECT_WITH_WILL, MQTT_R_UNSPECIFIED,
                                      MQTT_R_ADMINISTRATIVE_ACTION};
    struct core_bed *b = *state;
    for (size_t i = 0; i < sizeof(reasons); i++) {
        struct core_client *c = join(b, 0);
        held_begin(&b->core, HOLDS(HELD_DISCONNECT));
        disconnect(b, c, reasons[i], v5_none);
        assert_true(c->freed);
        assert_true(held.with_will);
        held_end(&b->core);
    }
    assert_int_equal(bed_broker(b)->stats.ended[END_DISCONNECT], 3);
}

static void which_is_published(void **state)
{
    struct core_bed *b = *state;
    struct core_client *other = bed_join(b, "other", true);
    bed_subscribe(b, other, "w", 0);
    disconnect(b, join(b, 0), MQTT_R_SUCCESS, v5_none);
    assert_int_equal(bed_count(other, MQTT_PUBLISH), 0);
    disconnect(b, join(b, 0), MQTT_R_DISCONNECT_WITH_WILL, v5_none);
    assert_int_equal(bed_count(other, MQTT_PUBLISH), 1);
}

/* ---- session expiry --------------------------------------------------------------------------- */

static struct mqtt_props expiry(uint32_t seconds)
{
    return V5_PROPS(V5_NUM(MQTT_P_SESSION_EXPIRY, seconds));
}

/* What the store was told at the end. */
static uint32_t expiry_after(struct core_bed *b, uint32_t at_connect_s, struct mqtt_props props)
{
    struct core_client *c = join(b, at_connect_s);
    held_begin(&b->core, HOLDS(HELD_DISCONNECT));
    disconnect(b, c, MQTT_R_SUCCESS, props);
    assert_true(c->freed);
    assert_int_equal(c->out_len, 0); /* no DISCONNECT of ours */
    held_end(&b->core);
    return held.expiry_s;
}

/* 3.14.2.2.2 */
static void a_disconnect_may_change_how_long_the_session_stays(void **state)
{
    struct core_bed *b = *state;
    b->core.config.limits.session_expiry_ms = 3600 * 1000;
    assert_int_equal(expiry_after(b, 60, v5_none), 60);
    assert_int_equal(expiry_after(b, 60, expiry(10)), 10);
    assert_int_equal(expiry_after(b, 60, expiry(100)), 100);
    assert_int_equal(expiry_after(b, 60, expiry(4000)), 3600);
    assert_int_equal(expiry_after(b, 60, expiry(0)), 0);
    assert_int_equal(expiry_after(b, 0, expiry(0)), 0);
}

static void but_not_make_one_of_it_that_stays(void **state)
{
    struct core_bed *b = *state;
    struct core_client *c = join(b, 0);
    held_begin(&b->core, HOLDS(HELD_DISCONNECT));
    disconnect(b, c, MQTT_R_SUCCESS, expiry(1));
    assert_int_equal(v5_end_reason(c), MQTT_R_PROTOCOL_ERROR);
    assert_int_equal(held.expiry_s, 0);
    assert_true(held.with_will); /* it didn't end in order */
    held_end(&b->core);
}

/* 3.1.2.11.2: with an expiry of 0 the session ends with the connection, whatever Clean Start said. */
static void a_session_without_expiry_is_gone_with_its_subscriptions(void **state)
{
    struct core_bed *b = *state;
    struct core_client *c = join(b, 0);
    bed_subscribe(b, c, "t", 1);
    assert_int_equal(router_subscription_count(bed_broker(b)->router), 1);
    bed_leave(b, c);
    assert_null(session_table_find(bed_broker(b)->sessions, bed_text("c")));
    assert_int_equal(router_subscription_count(bed_broker(b)->router), 0);
    c = join(b, 60);
    bed_subscribe(b, c, "t", 1);
    bed_leave(b, c);
    assert_int_equal(router_subscription_count(bed_broker(b)->router), 1);
}

/* ---- what isn't allowed ----------------------------------------------------------------------- */

/* [MQTT-3.1.0-2] */
static void a_second_connect_is_a_protocol_error(void **state)
{
    struct core_bed *b = *state;
    struct core_client *c = join(b, 0);
    BED_SEND(b, c, "\x10\x0e\0\4MQTT\5\2\0\0\0\0\1c");
    assert_int_equal(v5_end_reason(c), MQTT_R_PROTOCOL_ERROR);
}

/* Its own fault, of which only a CONNACK could speak, doesn't matter any more. */
static void nor_may_it_be_a_bad_one(void **state)
{
    struct core_bed *b = *state;
    struct core_client *c = join(b, 0);
    BED_SEND(b, c, "\x10\x0e\0\4MOTT\5\2\0\0\0\0\1c");
    assert_int_equal(v5_end_reason(c), MQTT_R_PROTOCOL_ERROR);
}

/* 4.12: nobody can authenticate anew who hasn't so the first time. */
static void so_is_auth(void **state)
{
    struct core_bed *b = *state;
    struct core_client *c = join(b, 0);
    BED_SEND(b, c, "\xf0\2\x19\0"); /* re-authenticate */
    assert_true(c->freed);
    assert_int_equal(v5_end_reason(c), MQTT_R_PROTOCOL_ERROR);
}

/* 4.13.1 */
static void bytes_that_are_no_packet_are_told_as_such(void **state)
{
    struct core_bed *b = *state;
    struct core_client *c = join(b, 0);
    struct mqtt_packet p;
    BED_SEND(b, c, "\x36\4\0\1tx"); /* PUBLISH with QoS 3 */
    assert_true(c->freed);
    assert_true(bed_find(c, MQTT_DISCONNECT, &p));
    assert_int_equal(p.u.ack.reason, MQTT_R_MALFORMED_PACKET);
    assert_non_null(v5_text(p.u.ack.props, MQTT_P_REASON_STRING));
}

/* 3.2.2.3.6 */
static void so_is_a_packet_larger_than_allowed(void **state)
{
    struct core_bed *b = *state;
    struct core_client *c = join(b, 0);
    bed_broker(b)->packet_limits[0] = bed_broker(b)->packet_limits[MQTT_PUBLISH] = 100;
    BED_SEND(b, c, "\x30\x7f\0\1t");
    assert_int_equal(v5_end_reason(c), MQTT_R_PACKET_TOO_LARGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BED_TEST(a_normal_disconnection_takes_the_will_along),
        BED_TEST(any_other_reason_leaves_it),
        BED_TEST(which_is_published),
        BED_TEST(a_disconnect_may_change_how_long_the_session_stays),
        BED_TEST(but_not_make_one_of_it_that_stays),
        BED_TEST(a_session_without_expiry_is_gone_with_its_subscriptions),
        BED_TEST(a_second_connect_is_a_protocol_error),
        BED_TEST(nor_may_it_be_a_bad_one),
        BED_TEST(so_is_auth),
        BED_TEST(bytes_that_are_no_packet_are_told_as_such),
        BED_TEST(so_is_a_packet_larger_than_allowed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
