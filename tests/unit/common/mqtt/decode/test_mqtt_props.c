/*
 * The properties of 5.0: which values each may have, what may be repeated, how a section is built and
 * read back. Where each may stand: test_mqtt_props_places.c.
 */
#include "common/mqtt/decode/mqtt_decoder.h"
#include "common/mqtt/mqtt.h"
#include "tests/unit/common/mqtt_decoded.h"
#include "tests/unit/common/mqtt_packet_table.h"

static const struct valid_packet valid[] = {
    /* each property where it may stand, and what may be repeated */
    {V5, CLIENT,
     "10 [ <MQTT> 05 02 003c ( 11 0000000a 21 0001 27 00000001 22 0000 19 01 17 00 "
     "26 <k><v> 26 <k><v> 15 <m> 16 <d> ) <a> ]"},
    {V5, CLIENT,
     "10 [ <MQTT> 05 0e 003c () <a> ( 18 00000005 01 01 02 00000001 03 <text> 08 <r/t> 09 <c> "
     "26 <k><v> ) <w/t> <bye> ]"},
    {V5, SERVER,
     "20 [ 00 00 ( 11 00000001 21 0014 24 00 25 01 27 00000064 12 <auto> 22 000a 1f <why> "
     "26 <k><v> 28 01 29 01 2a 00 13 003c 1a <info> 1c <other> 15 <m> 16 <d> ) ]"},
    {V5, EITHER,
     "30 [ <t> ( 01 01 02 0000003c 03 <text> 08 <r/t> 09 <c> 26 <k><v> 26 <k><w> 23 ffff ) ]"},
    {V5, SERVER, "30 [ <t> ( 0b 01 ) 'hi' ]"},
    {V5, SERVER, "30 [ <t> ( 0b 01 0b ffffff7f 0b 01 ) 'hi' ]"},
};

static const struct invalid_packet invalid[] = {
    /* CONNECT and its will */
    {ANY, CLIENT, R_MAL, "10 [ <MQTT> 05 02 003c ]"},
    {ANY, CLIENT, R_MAL, "10 [ <MQTT> 05 02 003c 05 <a> ]"},
    {ANY, CLIENT, R_MAL, "10 [ <MQTT> 05 02 003c 8000 <a> ]"},
    {ANY, CLIENT, R_MAL, "10 [ <MQTT> 05 02 003c ffffffff00 <a> ]"},
    {ANY, CLIENT, R_MAL, "10 [ <MQTT> 05 02 003c ( 00 ) <a> ]"},
    {ANY, CLIENT, R_MAL, "10 [ <MQTT> 05 02 003c ( 04 00 ) <a> ]"},
    {ANY, CLIENT, R_MAL, "10 [ <MQTT> 05 02 003c ( 2b 00 ) <a> ]"},
    {ANY, CLIENT, R_MAL, "10 [ <MQTT> 05 02 003c ( ff 00 ) <a> ]"},
    {ANY, CLIENT, R_MAL, "10 [ <MQTT> 05 02 003c ( 9100 00000001 ) <a> ]"},
    {ANY, CLIENT, R_MAL, "10 [ <MQTT> 05 02 003c ( 11 000000 ) <a> ]"},
    {ANY, CLIENT, R_MAL, "10 [ <MQTT> 05 02 003c ( 21 ) <a> ]"},
    {ANY, CLIENT, R_MAL, "10 [ <MQTT> 05 02 003c ( 26 <k> ) <a> ]"},
    {ANY, CLIENT, R_MAL, "10 [ <MQTT> 05 02 003c ( 26 <k> 0002 'v' ) <a> ]"},
    {ANY, CLIENT, R_MAL, "10 [ <MQTT> 05 02 003c ( 26 0001 00 <v> ) <a> ]"},
    {ANY, CLIENT, R_MAL, "10 [ <MQTT> 05 02 003c ( 26 <k> 0001 ff ) <a> ]"},
    {ANY, CLIENT, R_MAL, "10 [ <MQTT> 05 02 003c ( 15 0001 ff ) <a> ]"},
    {ANY, CLIENT, R_MAL, "10 [ <MQTT> 05 02 003c ( 01 00 ) <a> ]"},
    {ANY, CLIENT, R_MAL, "10 [ <MQTT> 05 02 003c ( 18 00000001 ) <a> ]"},
    {ANY, CLIENT, R_MAL, "10 [ <MQTT> 05 02 003c ( 12 <x> ) <a> ]"},
    {ANY, CLIENT, R_MAL, "10 [ <MQTT> 05 02 003c ( 23 0001 ) <a> ]"},
    {ANY, CLIENT, R_MAL, "10 [ <MQTT> 05 02 003c ( 1f <x> ) <a> ]"},
    {ANY, CLIENT, R_PROTO, "10 [ <MQTT> 05 02 003c ( 21 0000 ) <a> ]"},
    {ANY, CLIENT, R_PROTO, "10 [ <MQTT> 05 02 003c ( 27 00000000 ) <a> ]"},
    {ANY, CLIENT, R_PROTO, "10 [ <MQTT> 05 02 003c ( 17 02 ) <a> ]"},
    {ANY, CLIENT, R_PROTO, "10 [ <MQTT> 05 02 003c ( 19 ff ) <a> ]"},
    {ANY, CLIENT, R_PROTO, "10 [ <MQTT> 05 02 003c ( 21 0001 21 0001 ) <a> ]"},
    {ANY, CLIENT, R_PROTO, "10 [ <MQTT> 05 02 003c ( 11 00000000 11 00000000 ) <a> ]"},
    {ANY, CLIENT, R_MAL, "10 [ <MQTT> 05 06 003c () <a> <w> <x> ]"},
    {ANY, CLIENT, R_MAL, "10 [ <MQTT> 05 06 003c () <a> ( 11 00000001 ) <w> <x> ]"},
    {ANY, CLIENT, R_MAL, "10 [ <MQTT> 05 06 003c () <a> ( 23 0001 ) <w> <x> ]"},
    {ANY, CLIENT, R_PROTO, "10 [ <MQTT> 05 06 003c () <a> ( 01 02 ) <w> <x> ]"},
    {ANY, CLIENT, R_PROTO, "10 [ <MQTT> 05 06 003c () <a> ( 18 00000001 18 00000001 ) <w> <x> ]"},
    {ANY, CLIENT, R_PROTO, "10 [ <MQTT> 05 06 003c () <a> ( 08 <r/+> ) <w> <x> ]"},
    /* CONNACK */
    {V5, SERVER, R_PROTO, "20 [ 00 00 ( 24 02 ) ]"},
    {V5, SERVER, R_PROTO, "20 [ 00 00 ( 25 02 ) ]"},
    {V5, SERVER, R_PROTO, "20 [ 00 00 ( 28 02 ) ]"},
    {V5, SERVER, R_PROTO, "20 [ 00 00 ( 29 02 ) ]"},
    {V5, SERVER, R_PROTO, "20 [ 00 00 ( 2a 02 ) ]"},
    {V5, SERVER, R_PROTO, "20 [ 00 00 ( 21 0000 ) ]"},
    {V5, SERVER, R_PROTO, "20 [ 00 00 ( 12 <a> 12 <a> ) ]"},
    {V5, SERVER, R_MAL, "20 [ 00 00 ( 0b 01 ) ]"},
    {V5, SERVER, R_MAL, "20 [ 00 00 ( 17 01 ) ]"},
    /* PUBLISH */
    {V5, EITHER, MQTT_R_BAD_TOPIC_ALIAS, "30 [ <t> ( 23 0000 ) ]"},
    {V5, EITHER, R_PROTO, "30 [ <t> ( 23 0001 23 0001 ) ]"},
    {V5, EITHER, R_PROTO, "30 [ <t> ( 01 02 ) ]"},
    {V5, EITHER, R_PROTO, "30 [ <t> ( 01 01 01 01 ) ]"},
    {V5, EITHER, R_PROTO, "30 [ <t> ( 08 <a/#> ) ]"},
    {V5, EITHER, R_PROTO, "30 [ <t> ( 08 <> ) ]"},
    {V5, EITHER, R_MAL, "30 [ <t> ( 08 0001 ff ) ]"},
    {V5, EITHER, R_MAL, "30 [ <t> ( 03 0001 00 ) ]"},
    {V5, EITHER, R_MAL, "30 [ <t> ( 18 00000001 ) ]"},
    {V5, EITHER, R_MAL, "30 [ <t> ( 1f <x> ) ]"},
    {V5, CLIENT, R_PROTO, "30 [ <t> ( 0b 01 ) ]"},
    {V5, SERVER, R_PROTO, "30 [ <t> ( 0b 00 ) ]"},
    {V5, SERVER, R_MAL, "30 [ <t> ( 0b 8100 ) ]"},
    {V5, SERVER, R_MAL, "30 [ <t> ( 0b ffffffff01 ) ]"},
    /* SUBSCRIBE */
    {V5, CLIENT, R_PROTO, "82 [ 0001 ( 0b 00 ) <a> 00 ]"},
    {V5, CLIENT, R_PROTO, "82 [ 0001 ( 0b 01 0b 02 ) <a> 00 ]"},
    {V5, CLIENT, R_MAL, "82 [ 0001 ( 1f <x> ) <a> 00 ]"},
};

static const struct packet_table table = PACKET_TABLE(valid, invalid);

static void connect_v5_properties_are_told(void **state)
{
    (void)state;
    struct decoded d =
        decode("10 [ <MQTT> 05 06 003c ( 11 0000000a 21 0014 ) <id> ( 18 00000005 ) <w> <x> ]",
               FROM_CLIENT(MQTT_UNKNOWN));
    const struct mqtt_connect *c = &d.packet.u.connect;
    struct mqtt_prop p;
    assert_int_equal(d.result, DECODE_OK);
    assert_int_equal(c->version, MQTT_V5);
    assert_true(mqtt_props_find(&c->props, MQTT_P_SESSION_EXPIRY, &p));
    assert_int_equal(p.num, 10);
    assert_true(mqtt_props_find(&c->props, MQTT_P_RECEIVE_MAXIMUM, &p));
    assert_int_equal(p.num, 20);
    assert_false(mqtt_props_find(&c->props, MQTT_P_WILL_DELAY, &p));
    assert_true(mqtt_props_find(&c->will_props, MQTT_P_WILL_DELAY, &p));
    assert_int_equal(p.num, 5);
    free(d.bytes);
}

static void properties_are_built_and_read_back(void **state)
{
    (void)state;
    uint8_t buf[128];
    size_t used = 0;
    assert_true(mqtt_props_put_num(buf, sizeof(buf), &used, MQTT_P_PAYLOAD_FORMAT, 1));
    assert_true(mqtt_props_put_num(buf, sizeof(buf), &used, MQTT_P_MESSAGE_EXPIRY, 0xfffffffe));
    assert_true(mqtt_props_put_num(buf, sizeof(buf), &used, MQTT_P_TOPIC_ALIAS, 0x1234));
    assert_true(mqtt_props_put_num(buf, sizeof(buf), &used, MQTT_P_SUBSCRIPTION_ID, 268435455));
    assert_true(mqtt_props_put_str(buf, sizeof(buf), &used, MQTT_P_RESPONSE_TOPIC, slice("r/t")));
    assert_true(mqtt_props_put_pair(buf, sizeof(buf), &used, slice("k"), slice("v")));
    expect_bytes(buf, used, "01 01 02 fffffffe 23 1234 0b ffffff7f 08 <r/t> 26 <k> <v>");

    struct mqtt_props props = {{buf, (uint32_t)used}};
    struct mqtt_prop p;
    uint32_t at = 0;
    unsigned count = 0;
    while (mqtt_props_next(&props, &at, &p))
        count++;
    assert_int_equal(count, 6);
    assert_int_equal(p.id, MQTT_P_USER_PROPERTY);
    assert_int_equal(p.value.len, 1);
    assert_true(mqtt_props_find(&props, MQTT_P_SUBSCRIPTION_ID, &p));
    assert_int_equal(p.num, 268435455);
    assert_true(mqtt_props_find(&props, MQTT_P_RESPONSE_TOPIC, &p));
    assert_int_equal(p.str.len, 3);
    assert_false(mqtt_props_find(&props, MQTT_P_CONTENT_TYPE, &p));
}

static void properties_that_do_not_fit_change_nothing(void **state)
{
    (void)state;
    uint8_t buf[8];
    size_t used = 0;
    assert_true(mqtt_props_put_num(buf, sizeof(buf), &used, MQTT_P_MESSAGE_EXPIRY, 1));
    assert_int_equal(used, 5);
    assert_false(mqtt_props_put_num(buf, sizeof(buf), &used, MQTT_P_SESSION_EXPIRY, 1));
    assert_false(mqtt_props_put_str(buf, sizeof(buf), &used, MQTT_P_CONTENT_TYPE, slice("x")));
    assert_false(mqtt_props_put_pair(buf, sizeof(buf), &used, slice(""), slice("")));
    assert_int_equal(used, 5);
    assert_true(mqtt_props_put_num(buf, sizeof(buf), &used, MQTT_P_TOPIC_ALIAS, 1));
    assert_int_equal(used, 8);
}

static void properties_of_another_type_are_not_built(void **state)
{
    (void)state;
    uint8_t buf[64];
    size_t used = 0;
    assert_false(mqtt_props_put_num(buf, sizeof(buf), &used, MQTT_P_CONTENT_TYPE, 1));
    assert_false(mqtt_props_put_num(buf, sizeof(buf), &used, MQTT_P_PAYLOAD_FORMAT, 256));
    assert_false(mqtt_props_put_num(buf, sizeof(buf), &used, MQTT_P_TOPIC_ALIAS, 65536));
    assert_false(mqtt_props_put_num(buf, sizeof(buf), &used, MQTT_P_SUBSCRIPTION_ID, 268435456));
    assert_false(mqtt_props_put_num(buf, sizeof(buf), &used, (enum mqtt_property)0x7f, 1));
    assert_false(mqtt_props_put_str(buf, sizeof(buf), &used, MQTT_P_TOPIC_ALIAS, slice("x")));
    assert_false(mqtt_props_put_str(buf, sizeof(buf), &used, MQTT_P_USER_PROPERTY, slice("x")));
    assert_int_equal(used, 0);
}

static void reading_broken_properties_ends(void **state)
{
    (void)state;
    static const char *const broken[] = {"00", "ff", "11 0000", "26 <k>", "0b 80", "03 00ff 'x'"};
    for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
        size_t len;
        uint8_t *bytes = wire_new(broken[i], &len);
        struct mqtt_props props = {{bytes, (uint32_t)len}};
        struct mqtt_prop p;
        uint32_t at = 0;
        assert_false(mqtt_props_next(&props, &at, &p));
        free(bytes);
    }
    const struct mqtt_props none = {{NULL, 0}};
    struct mqtt_prop p;
    uint32_t at = 0;
    assert_false(mqtt_props_next(&none, &at, &p));
}

static void what_was_seen_is_told_by_id(void **state)
{
    (void)state;
    uint8_t bytes[] = {5, 0x21, 0, 1, 0x19, 1};
    struct mqtt_decode_error err = {0};
    struct mqtt_decoder d = {.in = {bytes, bytes + sizeof(bytes)}, .version = MQTT_V5, .err = &err};
    struct mqtt_props props;
    uint64_t seen = 0;
    assert_true(mqtt_decoder_props(&d, MQTT_CONNECT, &props, &seen));
    assert_true(seen == (UINT64_C(1) << MQTT_P_RECEIVE_MAXIMUM |
                         UINT64_C(1) << MQTT_P_REQUEST_RESPONSE_INFO));
    assert_int_equal(props.raw.len, 5);
}

static void versions_before_5_have_no_section(void **state)
{
    (void)state;
    uint8_t bytes[] = {2, 0x19, 1};
    struct mqtt_decode_error err = {0};
    struct mqtt_decoder d = {
        .in = {bytes, bytes + sizeof(bytes)}, .version = MQTT_V311, .err = &err};
    struct mqtt_props props = {{bytes, 3}};
    assert_true(mqtt_decoder_props(&d, MQTT_CONNECT, &props, NULL));
    assert_int_equal(props.raw.len, 0);
    assert_ptr_equal(d.in.at, bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        PACKET_TABLE_TESTS(&table),
        cmocka_unit_test(connect_v5_properties_are_told),
        cmocka_unit_test(properties_are_built_and_read_back),
        cmocka_unit_test(properties_that_do_not_fit_change_nothing),
        cmocka_unit_test(properties_of_another_type_are_not_built),
        cmocka_unit_test(reading_broken_properties_ends),
        cmocka_unit_test(what_was_seen_is_told_by_id),
        cmocka_unit_test(versions_before_5_have_no_section),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
