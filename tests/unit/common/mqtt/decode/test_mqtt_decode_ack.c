/*
 * The packets that carry a verdict, and the pings: which are accepted in which version and from
 * which side, and with which reason the others are refused.
 */
#include "common/mqtt/mqtt.h"
#include "tests/unit/common/mqtt_decoded.h"
#include "tests/unit/common/mqtt_packet_table.h"

static const struct valid_packet valid[] = {
    /* PUBACK, PUBREC, PUBREL, PUBCOMP */
    {ANY, EITHER, "40 [ 0001 ]"},
    {ANY, EITHER, "50 [ 0001 ]"},
    {ANY, EITHER, "62 [ 0001 ]"},
    {ANY, EITHER, "70 [ ffff ]"},
    {V31, EITHER, "~6a [ 0001 ]"},
    {V5, EITHER, "~40 [ 0001 00 ]"},
    {V5, EITHER, "~40 [ 0001 00 () ]"},
    {V5, EITHER, "40 [ 0001 10 ]"},
    {V5, EITHER, "~40 [ 0001 10 () ]"},
    {V5, EITHER, "40 [ 0001 97 ( 1f <why> 26 <k><v> ) ]"},
    {V5, EITHER, "40 [ 0001 00 ( 1f <why> ) ]"},
    {V5, EITHER, "50 [ 0001 91 ]"},
    {V5, EITHER, "62 [ 0001 92 ( 1f <why> ) ]"},
    {V5, EITHER, "70 [ 0001 92 ]"},
    /* PINGREQ, PINGRESP */
    {ANY, CLIENT, "c0 []"},
    {ANY, SERVER, "d0 []"},
    /* DISCONNECT */
    {ANY, CLIENT, "e0 []"},
    {V5, SERVER, "e0 []"},
    {V5, EITHER, "~e0 [ 00 ]"},
    {V5, EITHER, "~e0 [ 00 () ]"},
    {V5, CLIENT, "e0 [ 04 ]"},
    {V5, CLIENT, "e0 [ 04 ( 11 0000003c 1f <why> 26 <k><v> ) ]"},
    {V5, SERVER, "e0 [ 8e ]"},
    {V5, SERVER, "e0 [ 9c ( 1c <other> ) ]"},
    {V5, CLIENT, "e0 [ 00 ( 11 0000003c ) ]"},
    /* AUTH */
    {V5, SERVER, "f0 []"},
    {V5, EITHER, "f0 [ 18 ( 15 <m> 16 <d> 1f <why> 26 <k><v> ) ]"},
    {V5, CLIENT, "f0 [ 19 ( 15 <m> ) ]"},
    {V5, SERVER, "f0 [ 00 ( 15 <m> 16 <d> ) ]"},
};

static const struct invalid_packet invalid[] = {
    /* PUBACK, PUBREC, PUBREL, PUBCOMP */
    {ANY, EITHER, R_MAL, "40 []"},
    {ANY, EITHER, R_MAL, "40 [ 01 ]"},
    {ANY, EITHER, R_PROTO, "40 [ 0000 ]"},
    {ANY, EITHER, R_PROTO, "50 [ 0000 ]"},
    {ANY, EITHER, R_PROTO, "62 [ 0000 ]"},
    {ANY, EITHER, R_PROTO, "70 [ 0000 ]"},
    {V3, EITHER, R_MAL, "40 [ 0001 00 ]"},
    {V3, EITHER, R_MAL, "62 [ 0001 00 ]"},
    {V5, EITHER, R_MAL, "40 [ 0001 01 ]"},
    {V5, EITHER, R_MAL, "40 [ 0001 92 ]"},
    {V5, EITHER, R_MAL, "40 [ 0001 ff ]"},
    {V5, EITHER, R_MAL, "50 [ 0001 92 ]"},
    {V5, EITHER, R_MAL, "62 [ 0001 10 ]"},
    {V5, EITHER, R_MAL, "70 [ 0001 80 ]"},
    {V5, EITHER, R_MAL, "40 [ 0001 00 01 ]"},
    {V5, EITHER, R_MAL, "40 [ 0001 00 () 00 ]"},
    {V5, EITHER, R_MAL, "40 [ 0001 00 ( 11 00000001 ) ]"},
    {V5, EITHER, R_PROTO, "40 [ 0001 00 ( 1f <x> 1f <y> ) ]"},
    /* PINGREQ, PINGRESP */
    {ANY, CLIENT, R_MAL, "c0 [ 00 ]"},
    {ANY, SERVER, R_MAL, "d0 [ 00 ]"},
    /* DISCONNECT */
    {V3, CLIENT, R_MAL, "e0 [ 00 ]"},
    {V5, CLIENT, R_MAL, "e0 [ 8e ]"},
    {V5, SERVER, R_MAL, "e0 [ 04 ]"},
    {V5, EITHER, R_MAL, "e0 [ 01 ]"},
    {V5, EITHER, R_MAL, "e0 [ 00 () 00 ]"},
    {V5, EITHER, R_MAL, "e0 [ 00 01 ]"},
    {V5, SERVER, R_PROTO, "e0 [ 8e ( 11 00000001 ) ]"},
    {V5, EITHER, R_MAL, "e0 [ 00 ( 12 <x> ) ]"},
    /* AUTH */
    {V5, CLIENT, R_MAL, "f0 []"},
    {V5, EITHER, R_MAL, "f0 [ 18 ]"},
    {V5, EITHER, R_PROTO, "f0 [ 18 () ]"},
    {V5, EITHER, R_PROTO, "f0 [ 18 ( 16 <d> ) ]"},
    {V5, CLIENT, R_MAL, "f0 [ 00 ( 15 <m> ) ]"},
    {V5, SERVER, R_MAL, "f0 [ 19 ( 15 <m> ) ]"},
    {V5, EITHER, R_MAL, "f0 [ 01 ( 15 <m> ) ]"},
    {V5, EITHER, R_MAL, "f0 [ 18 ( 15 <m> ) 00 ]"},
};

static const struct packet_table table = PACKET_TABLE(valid, invalid);

static void short_v5_acks_mean_success(void **state)
{
    (void)state;
    struct decoded d = decode("40 [ 0007 ]", FROM_SERVER(MQTT_V5));
    assert_int_equal(d.result, DECODE_OK);
    assert_int_equal(d.packet.u.ack.packet_id, 7);
    assert_int_equal(d.packet.u.ack.reason, MQTT_R_SUCCESS);
    assert_int_equal(d.packet.u.ack.props.raw.len, 0);
    free(d.bytes);
    d = decode("50 [ 0007 10 ]", FROM_SERVER(MQTT_V5));
    assert_int_equal(d.packet.u.ack.reason, MQTT_R_NO_MATCHING_SUBSCRIBERS);
    free(d.bytes);
    d = decode("e0 []", FROM_SERVER(MQTT_V5));
    assert_int_equal(d.result, DECODE_OK);
    assert_int_equal(d.packet.u.ack.reason, 0);
    assert_int_equal(d.packet.u.ack.packet_id, 0);
    free(d.bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        PACKET_TABLE_TESTS(&table),
        cmocka_unit_test(short_v5_acks_mean_success),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
