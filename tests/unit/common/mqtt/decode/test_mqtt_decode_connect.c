/*
 * What opens a connection: which CONNECT and CONNACK are accepted, what is told of them, and with
 * which reason the others are refused.
 */
#include "common/mqtt/mqtt.h"
#include "tests/unit/common/mqtt_decoded.h"
#include "tests/unit/common/mqtt_packet_table.h"

static const struct valid_packet valid[] = {
    /* CONNECT */
    {V31, CLIENT, "10 [ <MQIsdp> 03 02 003c <a> ]"},
    {V311, CLIENT, "10 [ <MQTT> 04 02 003c <a> ]"},
    {V31, CLIENT, "10 [ <MQIsdp> 83 02 003c <a> ]"},
    {V311, CLIENT, "10 [ <MQTT> 84 02 003c <a> ]"},
    {V311, CLIENT, "10 [ <MQTT> 04 02 0000 <> ]"},
    {V311, CLIENT, "10 [ <MQTT> 04 00 ffff <> ]"},
    {V311, CLIENT, "10 [ <MQTT> 04 06 003c <a> <w/t> <bye> ]"},
    {V311, CLIENT, "10 [ <MQTT> 04 36 003c <a> <w/t> <> ]"},
    {V311, CLIENT, "10 [ <MQTT> 04 c2 003c <a> <user> <pw> ]"},
    {V311, CLIENT, "10 [ <MQTT> 04 82 003c <a> <user> ]"},
    {V311, CLIENT, "10 [ <MQTT> 04 c2 003c <a> <> <> ]"},
    {V311, CLIENT, "10 [ <MQTT> 04 c2 003c <a> <user> 0003 00ff80 ]"},
    {V311, CLIENT, "10 [ <MQTT> 04 ee 003c <a> <w/t> <bye> <user> <pw> ]"},
    {V31, CLIENT, "~10 [ <MQIsdp> 03 c2 003c <a> ]"},
    {V31, CLIENT, "~10 [ <MQIsdp> 03 c2 003c <a> <user> ]"},
    {V31, CLIENT, "~10 [ <MQIsdp> 03 3a 003c <a> ]"},
    {V5, CLIENT, "10 [ <MQTT> 05 02 003c () <a> ]"},
    {V5, CLIENT, "10 [ <MQTT> 05 42 003c () <a> <pw> ]"},
    /* CONNACK */
    {ANY & ~V5, SERVER, "20 [ 00 00 ]"},
    {V3, SERVER, "20 [ 01 00 ]"},
    {V3, SERVER, "20 [ 00 05 ]"},
    {V5, SERVER, "20 [ 00 00 () ]"},
    {V5, SERVER, "20 [ 01 00 () ]"},
    {V5, SERVER, "20 [ 00 9f () ]"},
};

static const struct invalid_packet invalid[] = {
    /* CONNECT: protocol name and level */
    {ANY, CLIENT, MQTT_R_UNSUPPORTED_VERSION, "10 [ <MQTX> 04 02 003c <a> ]"},
    {ANY, CLIENT, MQTT_R_UNSUPPORTED_VERSION, "10 [ <mqtt> 04 02 003c <a> ]"},
    {ANY, CLIENT, MQTT_R_UNSUPPORTED_VERSION, "10 [ <MQTTT> 04 02 003c <a> ]"},
    {ANY, CLIENT, MQTT_R_UNSUPPORTED_VERSION, "10 [ <> 04 02 003c <a> ]"},
    {ANY, CLIENT, R_MAL, "10 []"},
    {ANY, CLIENT, R_MAL, "10 [ 00 ]"},
    {ANY, CLIENT, R_MAL, "10 [ 0004 'MQT' ]"},
    {ANY, CLIENT, R_MAL, "10 [ <MQTT> ]"},
    {ANY, CLIENT, R_MAL, "10 [ <MQTT> 04 ]"},
    {ANY, CLIENT, R_MAL, "10 [ <MQTT> 04 02 ]"},
    {ANY, CLIENT, R_MAL, "10 [ <MQTT> 04 02 00 ]"},
    {ANY, CLIENT, R_MAL, "10 [ <MQTT> 04 02 003c ]"},
    {ANY, CLIENT, R_MAL, "10 [ <MQTT> 04 02 003c 0002 'a' ]"},
    /* CONNECT: flags */
    {ANY, CLIENT, R_MAL, "10 [ <MQTT> 04 03 003c <a> ]"},
    {ANY, CLIENT, R_MAL, "10 [ <MQIsdp> 03 03 003c <a> ]"},
    {ANY, CLIENT, R_MAL, "10 [ <MQTT> 05 03 003c () <a> ]"},
    {ANY, CLIENT, R_MAL, "10 [ <MQTT> 04 0a 003c <a> ]"},
    {ANY, CLIENT, R_MAL, "10 [ <MQTT> 04 12 003c <a> ]"},
    {ANY, CLIENT, R_MAL, "10 [ <MQTT> 04 22 003c <a> ]"},
    {ANY, CLIENT, R_MAL, "10 [ <MQTT> 04 1e 003c <a> <w> <x> ]"},
    {ANY, CLIENT, R_MAL, "10 [ <MQTT> 04 42 003c <a> <pw> ]"},
    {ANY, CLIENT, R_MAL, "10 [ <MQIsdp> 03 42 003c <a> <pw> ]"},
    /* CONNECT: payload */
    {ANY, CLIENT, R_MAL, "10 [ <MQTT> 04 02 003c 0001 00 ]"},
    {ANY, CLIENT, R_MAL, "10 [ <MQTT> 04 02 003c 0001 ff ]"},
    {ANY, CLIENT, R_MAL, "10 [ <MQTT> 04 02 003c 0003 eda080 ]"},
    {ANY, CLIENT, R_MAL, "10 [ <MQTT> 04 02 003c <a> 00 ]"},
    {ANY, CLIENT, R_MAL, "10 [ <MQTT> 04 02 003c <a> <user> ]"},
    {ANY, CLIENT, R_MAL, "10 [ <MQTT> 04 06 003c <a> ]"},
    {ANY, CLIENT, R_MAL, "10 [ <MQTT> 04 06 003c <a> <w> ]"},
    {ANY, CLIENT, R_MAL, "10 [ <MQTT> 04 06 003c <a> 0001 ff <x> ]"},
    {ANY, CLIENT, MQTT_R_BAD_TOPIC_NAME, "10 [ <MQTT> 04 06 003c <a> <w/#> <x> ]"},
    {ANY, CLIENT, MQTT_R_BAD_TOPIC_NAME, "10 [ <MQTT> 04 06 003c <a> <> <x> ]"},
    {ANY, CLIENT, R_MAL, "10 [ <MQTT> 04 82 003c <a> ]"},
    {ANY, CLIENT, R_MAL, "10 [ <MQTT> 04 82 003c <a> 0001 c3 ]"},
    {ANY, CLIENT, R_MAL, "10 [ <MQTT> 04 c2 003c <a> <user> ]"},
    {ANY, CLIENT, R_MAL, "10 [ <MQTT> 04 c2 003c <a> <user> 0002 'x' ]"},
    {ANY, CLIENT, R_MAL, "10 [ <MQTT> 04 c2 003c <a> <user> <pw> 00 ]"},
    {ANY, CLIENT, R_MAL, "10 [ <MQIsdp> 03 c2 003c <a> 00 ]"},
    /* CONNECT: authentication data without a method */
    {ANY, CLIENT, R_PROTO, "10 [ <MQTT> 05 02 003c ( 16 <d> ) <a> ]"},
    /* CONNACK */
    {ANY, SERVER, R_MAL, "20 []"},
    {ANY, SERVER, R_MAL, "20 [ 00 ]"},
    {ANY, SERVER, R_MAL, "20 [ 02 00 ]"},
    {ANY, SERVER, R_MAL, "20 [ 80 00 ]"},
    {V3, SERVER, R_PROTO, "20 [ 01 05 ]"},
    {V5, SERVER, R_PROTO, "20 [ 01 87 () ]"},
    {V3, SERVER, R_MAL, "20 [ 00 06 ]"},
    {V3, SERVER, R_MAL, "20 [ 00 80 ]"},
    {V5, SERVER, R_MAL, "20 [ 00 01 () ]"},
    {V5, SERVER, R_MAL, "20 [ 00 8e () ]"},
    {V3, SERVER, R_MAL, "20 [ 00 00 00 ]"},
    {V5, SERVER, R_MAL, "20 [ 00 00 ]"},
    {V5, SERVER, R_MAL, "20 [ 00 00 () 00 ]"},
};

static const struct packet_table table = PACKET_TABLE(valid, invalid);

static void connect_fields_are_told(void **state)
{
    (void)state;
    struct decoded d =
        decode("10 [ <MQTT> 04 ee 0102 <id> <w/t> <bye> <user> <pw> ]", FROM_CLIENT(MQTT_UNKNOWN));
    const struct mqtt_connect *c = &d.packet.u.connect;
    assert_int_equal(d.result, DECODE_OK);
    assert_int_equal(d.packet.type, MQTT_CONNECT);
    assert_int_equal(c->version, MQTT_V311);
    assert_int_equal(c->level, 4);
    assert_true(c->clean_start && c->has_will && c->will_retain && c->has_username);
    assert_true(c->has_password);
    assert_int_equal(c->will_qos, 1);
    assert_int_equal(c->keep_alive_s, 0x0102);
    expect_slice(c->client_id, "id");
    expect_slice(c->will_topic, "w/t");
    expect_slice(c->will_payload, "bye");
    expect_slice(c->username, "user");
    expect_slice(c->password, "pw");
    assert_int_equal(c->props.raw.len, 0);
    free(d.bytes);
}

static void connect_absent_fields_are_empty(void **state)
{
    (void)state;
    struct decoded d = decode("10 [ <MQTT> 04 00 0000 <> ]", FROM_CLIENT(MQTT_UNKNOWN));
    const struct mqtt_connect *c = &d.packet.u.connect;
    assert_int_equal(d.result, DECODE_OK);
    assert_false(c->clean_start || c->has_will || c->has_username || c->has_password);
    assert_int_equal(c->client_id.len, 0);
    assert_int_equal(c->will_topic.len, 0);
    assert_int_equal(c->username.len, 0);
    free(d.bytes);
}

/* The broker answers these with "unsupported protocol version" (3.1.2-2). */
static void connect_with_an_unknown_level_is_passed_on(void **state)
{
    (void)state;
    static const struct {
        const char *packet;
        uint8_t level;
    } cases[] = {
        {"10 [ <MQTT> 06 02 003c <a> ]", 6},    {"10 [ <MQTT> 03 02 003c <a> ]", 3},
        {"10 [ <MQTT> 85 02 003c <a> ]", 0x85}, {"10 [ <MQTT> 83 02 003c <a> ]", 0x83},
        {"10 [ <MQIsdp> 04 02 003c <a> ]", 4},  {"10 [ <MQIsdp> 84 02 003c <a> ]", 0x84},
        {"10 [ <MQTT> 00 ff ff ]", 0},          {"10 [ <MQTT> ff ]", 0xff},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct decoded d = decode(cases[i].packet, FROM_CLIENT(MQTT_UNKNOWN));
        assert_int_equal(d.result, DECODE_OK);
        assert_int_equal(d.packet.u.connect.version, MQTT_UNKNOWN);
        assert_int_equal(d.packet.u.connect.level, cases[i].level);
        assert_int_equal(d.packet.u.connect.client_id.len, 0);
        assert_int_equal(d.size, d.len);
        free(d.bytes);
    }
}

static void connect_of_a_bridge_is_its_version_and_a_flag(void **state)
{
    (void)state;
    static const struct {
        const char *packet;
        enum mqtt_version version;
        bool bridge;
    } cases[] = {
        {"10 [ <MQTT> 84 02 003c <a> ]", MQTT_V311, true},
        {"10 [ <MQIsdp> 83 02 003c <a> ]", MQTT_V31, true},
        {"10 [ <MQTT> 04 02 003c <a> ]", MQTT_V311, false},
        {"10 [ <MQIsdp> 03 02 003c <a> ]", MQTT_V31, false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct decoded d = decode(cases[i].packet, FROM_CLIENT(MQTT_UNKNOWN));
        assert_int_equal(d.result, DECODE_OK);
        assert_int_equal(d.packet.u.connect.version, cases[i].version);
        assert_int_equal(d.packet.u.connect.bridge, cases[i].bridge);
        expect_slice(d.packet.u.connect.client_id, "a");
        free(d.bytes);
    }
}

static void refused_connect_tells_its_version_for_the_answer(void **state)
{
    (void)state;
    struct decoded d = decode("10 [ <MQTT> 05 03 003c () <a> ]", FROM_CLIENT(MQTT_UNKNOWN));
    assert_int_equal(d.result, DECODE_MALFORMED);
    assert_int_equal(d.packet.type, MQTT_CONNECT);
    assert_int_equal(d.packet.u.connect.version, MQTT_V5);
    free(d.bytes);
    d = decode("10 [ <MQTT> 04 02 003c 0001 ff ]", FROM_CLIENT(MQTT_UNKNOWN));
    assert_int_equal(d.result, DECODE_MALFORMED);
    assert_int_equal(d.packet.u.connect.version, MQTT_V311);
    free(d.bytes);
    d = decode("10 [ <XXXX> 05 02 003c () <a> ]", FROM_CLIENT(MQTT_UNKNOWN));
    assert_int_equal(d.result, DECODE_MALFORMED);
    assert_int_equal(d.packet.u.connect.version, MQTT_UNKNOWN);
    free(d.bytes);
    memset(&d.packet, 0xff, sizeof(d.packet));
    d = decode("11 [ <MQTT> 04 02 003c <a> ]", FROM_CLIENT(MQTT_UNKNOWN));
    assert_int_equal(d.result, DECODE_MALFORMED);
    assert_int_equal(d.packet.u.connect.version, MQTT_UNKNOWN);
    free(d.bytes);
}

static void v31_flags_without_their_fields_mean_none(void **state)
{
    (void)state;
    struct decoded d = decode("10 [ <MQIsdp> 03 c2 003c <a> ]", FROM_CLIENT(MQTT_UNKNOWN));
    assert_int_equal(d.result, DECODE_OK);
    assert_false(d.packet.u.connect.has_username || d.packet.u.connect.has_password);
    free(d.bytes);
    d = decode("10 [ <MQIsdp> 03 c2 003c <a> <user> ]", FROM_CLIENT(MQTT_UNKNOWN));
    assert_int_equal(d.result, DECODE_OK);
    assert_true(d.packet.u.connect.has_username);
    assert_false(d.packet.u.connect.has_password);
    free(d.bytes);
}

static void connack_is_told(void **state)
{
    (void)state;
    struct decoded d = decode("20 [ 01 00 ]", FROM_SERVER(MQTT_V311));
    assert_int_equal(d.result, DECODE_OK);
    assert_true(d.packet.u.connack.session_present);
    assert_int_equal(d.packet.u.connack.code, MQTT_CONNACK_ACCEPTED);
    free(d.bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        PACKET_TABLE_TESTS(&table),
        cmocka_unit_test(connect_fields_are_told),
        cmocka_unit_test(connect_absent_fields_are_empty),
        cmocka_unit_test(connect_with_an_unknown_level_is_passed_on),
        cmocka_unit_test(connect_of_a_bridge_is_its_version_and_a_flag),
        cmocka_unit_test(refused_connect_tells_its_version_for_the_answer),
        cmocka_unit_test(v31_flags_without_their_fields_mean_none),
        cmocka_unit_test(connack_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
