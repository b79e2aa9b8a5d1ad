/*
 * SUBSCRIBE, UNSUBSCRIBE and their answers: which are accepted, what a filter list holds, and with
 * which reason the others are refused.
 */
#include "common/mqtt/mqtt.h"
#include "tests/unit/common/mqtt_decoded.h"
#include "tests/unit/common/mqtt_packet_table.h"

static const struct valid_packet valid[] = {
    /* SUBSCRIBE, SUBACK */
    {V3, CLIENT, "82 [ 0001 <a> 00 ]"},
    {V3, CLIENT, "82 [ 000a <a/+/b> 01 <#> 02 <+> 00 ]"},
    {V3, CLIENT, "82 [ 000a <$share/g/a> 01 <$share/x> 00 ]"},
    {V31, CLIENT, "~8a [ 0001 <a> 00 ]"},
    {V5, CLIENT, "82 [ 0001 () <a> 00 ]"},
    {V5, CLIENT, "82 [ 0001 ( 0b ffffff7f 26 <k><v> ) <a> 2e <$share/g/#> 1a ]"},
    {V3, SERVER, "90 [ 0001 00 01 02 80 ]"},
    {V5, SERVER, "90 [ 0001 () 00 01 02 80 83 87 8f 91 97 9e a1 a2 ]"},
    {V5, SERVER, "90 [ 0001 ( 1f <why> 26 <k><v> ) 00 ]"},
    /* UNSUBSCRIBE, UNSUBACK */
    {V3, CLIENT, "a2 [ 0001 <a> ]"},
    {V3, CLIENT, "a2 [ 0001 <a/#> <b> ]"},
    {V31, CLIENT, "~aa [ 0001 <a> ]"},
    {V5, CLIENT, "a2 [ 0001 () <a> ]"},
    {V5, CLIENT, "a2 [ 0001 ( 26 <k><v> ) <a/#> <$share/g/b> ]"},
    {V3, SERVER, "b0 [ 0001 ]"},
    {V5, SERVER, "b0 [ 0001 () 00 11 80 83 87 8f 91 ]"},
    {V5, SERVER, "b0 [ 0001 ( 1f <why> ) 00 ]"},
};

static const struct invalid_packet invalid[] = {
    /* SUBSCRIBE */
    {ANY, CLIENT, R_MAL, "82 []"},
    {ANY, CLIENT, R_PROTO, "82 [ 0000 <a> 00 ]"},
    {V3, CLIENT, R_PROTO, "82 [ 0001 ]"},
    {V5, CLIENT, R_PROTO, "82 [ 0001 () ]"},
    {V5, CLIENT, R_MAL, "82 [ 0001 ]"},
    {V3, CLIENT, R_MAL, "82 [ 0001 <a> ]"},
    {V3, CLIENT, R_MAL, "82 [ 0001 0002 'a' ]"},
    {V3, CLIENT, R_MAL, "82 [ 0001 <a> 00 <b> ]"},
    {V3, CLIENT, R_MAL, "82 [ 0001 <a> 00 00 ]"},
    {V3, CLIENT, R_MAL, "82 [ 0001 <a> 03 ]"},
    {V3, CLIENT, R_MAL, "82 [ 0001 <a> 04 ]"},
    {V3, CLIENT, R_MAL, "82 [ 0001 <a> 80 ]"},
    {V3, CLIENT, MQTT_R_BAD_TOPIC_FILTER, "82 [ 0001 <> 00 ]"},
    {V3, CLIENT, MQTT_R_BAD_TOPIC_FILTER, "82 [ 0001 <a#> 00 ]"},
    {V3, CLIENT, MQTT_R_BAD_TOPIC_FILTER, "82 [ 0001 <a> 00 <#/a> 00 ]"},
    {V3, CLIENT, R_MAL, "82 [ 0001 0001 ff 00 ]"},
    {V3, CLIENT, R_MAL, "82 [ 0001 0001 00 00 ]"},
    {V5, CLIENT, R_PROTO, "82 [ 0001 () <a> 03 ]"},
    {V5, CLIENT, R_PROTO, "82 [ 0001 () <a> 30 ]"},
    {V5, CLIENT, R_MAL, "82 [ 0001 () <a> 40 ]"},
    {V5, CLIENT, R_MAL, "82 [ 0001 () <a> 80 ]"},
    {V5, CLIENT, R_PROTO, "82 [ 0001 () <$share/g/a> 04 ]"},
    {V5, CLIENT, MQTT_R_BAD_TOPIC_FILTER, "82 [ 0001 () <$share/g> 00 ]"},
    {V5, CLIENT, MQTT_R_BAD_TOPIC_FILTER, "82 [ 0001 () <$share/+/a> 00 ]"},
    {V5, CLIENT, MQTT_R_BAD_TOPIC_FILTER, "82 [ 0001 () <$share//a> 00 ]"},
    /* SUBACK */
    {ANY, SERVER, R_MAL, "90 [ 00 ]"},
    {ANY, SERVER, R_PROTO, "90 [ 0000 00 ]"},
    {V3, SERVER, R_PROTO, "90 [ 0001 ]"},
    {V3, SERVER, R_MAL, "90 [ 0001 03 ]"},
    {V3, SERVER, R_MAL, "90 [ 0001 87 ]"},
    {V5, SERVER, R_PROTO, "90 [ 0001 () ]"},
    {V5, SERVER, R_MAL, "90 [ 0001 () 03 ]"},
    {V5, SERVER, R_MAL, "90 [ 0001 () 11 ]"},
    {V5, SERVER, R_MAL, "90 [ 0001 ( 0b 01 ) 00 ]"},
    /* UNSUBSCRIBE, UNSUBACK */
    {ANY, CLIENT, R_PROTO, "a2 [ 0000 <a> ]"},
    {V3, CLIENT, R_PROTO, "a2 [ 0001 ]"},
    {V5, CLIENT, R_PROTO, "a2 [ 0001 () ]"},
    {V3, CLIENT, R_MAL, "a2 [ 0001 <a> 00 ]"},
    {V3, CLIENT, MQTT_R_BAD_TOPIC_FILTER, "a2 [ 0001 <a/#/b> ]"},
    {V5, CLIENT, R_MAL, "a2 [ 0001 ( 0b 01 ) <a> ]"},
    {V3, SERVER, R_PROTO, "b0 [ 0000 ]"},
    {V3, SERVER, R_MAL, "b0 [ 0001 00 ]"},
    {V5, SERVER, R_MAL, "b0 [ 0001 ]"},
    {V5, SERVER, R_PROTO, "b0 [ 0001 () ]"},
    {V5, SERVER, R_MAL, "b0 [ 0001 () 01 ]"},
    {V5, SERVER, R_MAL, "b0 [ 0001 () 97 ]"},
};

static const struct packet_table table = PACKET_TABLE(valid, invalid);

static void subscribe_filters_are_stepped_through(void **state)
{
    (void)state;
    struct decoded d = decode("82 [ 0005 () <a/+> 2d <$share/g/b> 12 ]", FROM_CLIENT(MQTT_V5));
    const struct mqtt_subscribe *s = &d.packet.u.subscribe;
    struct mqtt_filter f;
    uint32_t at = 0;
    assert_int_equal(d.result, DECODE_OK);
    assert_int_equal(s->packet_id, 5);
    assert_int_equal(s->count, 2);
    assert_true(mqtt_filters_next(s, true, &at, &f));
    expect_slice(f.filter, "a/+");
    assert_int_equal(f.qos, 1);
    assert_true(f.no_local && f.retain_as_published);
    assert_int_equal(f.retain_handling, 2);
    assert_true(mqtt_filters_next(s, true, &at, &f));
    expect_slice(f.filter, "$share/g/b");
    assert_int_equal(f.qos, 2);
    assert_false(f.no_local || f.retain_as_published);
    assert_int_equal(f.retain_handling, 1);
    assert_false(mqtt_filters_next(s, true, &at, &f));
    assert_false(mqtt_filters_next(s, true, &at, &f));
    free(d.bytes);

    d = decode("a2 [ 0005 <a> <b/#> ]", FROM_CLIENT(MQTT_V311));
    at = 0;
    assert_int_equal(d.packet.u.subscribe.count, 2);
    assert_true(mqtt_filters_next(&d.packet.u.subscribe, false, &at, &f));
    assert_true(mqtt_filters_next(&d.packet.u.subscribe, false, &at, &f));
    expect_slice(f.filter, "b/#");
    assert_false(mqtt_filters_next(&d.packet.u.subscribe, false, &at, &f));
    free(d.bytes);
}

static void filter_lists_are_built(void **state)
{
    (void)state;
    uint8_t buf[16];
    size_t used = 0;
    struct mqtt_filter f = {.qos = 1, .retain_handling = 2, .no_local = true};
    f.filter = slice("a/+");
    f.retain_as_published = true;
    assert_true(mqtt_filters_put(buf, sizeof(buf), &used, true, &f));
    expect_bytes(buf, used, "<a/+> 2d");
    assert_true(mqtt_filters_put(buf, sizeof(buf), &used, false, &f));
    expect_bytes(buf, used, "<a/+> 2d <a/+>");
    assert_false(mqtt_filters_put(buf, sizeof(buf), &used, true, &f));
    assert_int_equal(used, 11);
}

static void the_codes_of_suback_and_unsuback_are_told(void **state)
{
    (void)state;
    struct decoded d = decode("90 [ 0009 00 02 80 ]", FROM_SERVER(MQTT_V311));
    assert_int_equal(d.packet.u.suback.packet_id, 9);
    assert_int_equal(d.packet.u.suback.codes.len, 3);
    assert_int_equal(d.packet.u.suback.codes.data[2], MQTT_QOS_FAILURE);
    free(d.bytes);
    d = decode("b0 [ 0009 ]", FROM_SERVER(MQTT_V311));
    assert_int_equal(d.packet.u.ack.packet_id, 9);
    free(d.bytes);
    d = decode("b0 [ 0009 () 11 ]", FROM_SERVER(MQTT_V5));
    assert_int_equal(d.packet.u.suback.packet_id, 9);
    assert_int_equal(d.packet.u.suback.codes.data[0], MQTT_R_NO_SUBSCRIPTION_EXISTED);
    free(d.bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        PACKET_TABLE_TESTS(&table),
        cmocka_unit_test(subscribe_filters_are_stepped_through),
        cmocka_unit_test(filter_lists_are_built),
        cmocka_unit_test(the_codes_of_suback_and_unsuback_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
