/* The encoder's own promises: sizes, limits, the shared PUBLISH head. */
#include "common/mqtt/mqtt.h"
#include "tests/unit/common/mqtt_decoded.h"

static void publish_head_leaves_room_for_the_packet_id(void **state)
{
    (void)state;
    struct mqtt_publish p = {.qos = 1, .packet_id = 0x0102, .retain = true};
    uint8_t buf[MQTT_PUBLISH_HEAD_MAX + 16];
    size_t id_at = 99;
    p.topic = slice("a/b");
    p.payload = slice("data");
    size_t n = mqtt_encode_publish_head(&p, MQTT_V311, buf, &id_at);
    assert_int_equal(id_at, 7);
    memcpy(buf + n, "data", 4);
    expect_bytes(buf, n + 4, "33 [ <a/b> 0102 'data' ]");

    p.qos = 0;
    n = mqtt_encode_publish_head(&p, MQTT_V311, buf, &id_at);
    assert_int_equal(id_at, 0);
    memcpy(buf + n, "data", 4);
    expect_bytes(buf, n + 4, "31 [ <a/b> 'data' ]");

    p.qos = 2;
    p.dup = true;
    p.props.raw = (struct mqtt_slice){(const uint8_t *)"\x01\x01", 2};
    n = mqtt_encode_publish_head(&p, MQTT_V5, buf, &id_at);
    assert_int_equal(id_at, 7);
    memcpy(buf + n, "data", 4);
    expect_bytes(buf, n + 4, "3d [ <a/b> 0102 ( 01 01 ) 'data' ]");
}

static void publish_head_fits_its_stated_bound(void **state)
{
    (void)state;
    struct mqtt_publish p = {.qos = 2, .packet_id = 1};
    uint8_t raw[200];
    uint8_t buf[MQTT_PUBLISH_HEAD_MAX + 1 + sizeof(raw)];
    memset(raw, 0, sizeof(raw));
    p.topic = slice("t");
    p.props.raw = (struct mqtt_slice){raw, sizeof(raw)};
    p.payload.len = MQTT_MAX_REMAINING - 300; /* four bytes of remaining length */
    size_t n = mqtt_encode_publish_head(&p, MQTT_V5, buf, NULL);
    assert_in_range(n, 1, sizeof(buf));
    assert_true(n <= MQTT_PUBLISH_HEAD_MAX + p.topic.len + p.props.raw.len);
}

static void too_large_packets_are_not_encoded(void **state)
{
    (void)state;
    struct mqtt_packet p = {.type = MQTT_PUBLISH};
    uint8_t buf[MQTT_PUBLISH_HEAD_MAX + 1];
    p.u.publish.topic = slice("t");
    p.u.publish.payload.len = MQTT_MAX_REMAINING - 3;
    assert_int_equal(mqtt_encoded_size(&p, MQTT_V311), 5 + (size_t)MQTT_MAX_REMAINING);
    assert_int_equal(mqtt_encoded_size(&p, MQTT_V5), 0);
    p.u.publish.payload.len++;
    assert_int_equal(mqtt_encoded_size(&p, MQTT_V311), 0);
    assert_int_equal(mqtt_encode_publish_head(&p.u.publish, MQTT_V311, buf, NULL), 0);
    p.u.publish.payload.len = UINT32_MAX;
    assert_int_equal(mqtt_encoded_size(&p, MQTT_V311), 0);
    p.u.publish.payload.len = 0;
    p.u.publish.topic.len = 65536;
    assert_int_equal(mqtt_encoded_size(&p, MQTT_V311), 0);
    assert_int_equal(mqtt_encode(&p, MQTT_V311, buf, sizeof(buf)), 0);
}

static void too_long_strings_are_not_encoded(void **state)
{
    (void)state;
    struct mqtt_packet p = {.type = MQTT_CONNECT};
    p.u.connect.client_id.len = 65536; /* never read: the size is refused first */
    assert_int_equal(mqtt_encoded_size(&p, MQTT_V311), 0);
    p.u.connect.client_id.len = 65535;
    assert_int_equal(mqtt_encoded_size(&p, MQTT_V311), 4 + 12 + 65535);
}

static void what_a_version_lacks_is_not_encoded(void **state)
{
    (void)state;
    struct mqtt_packet p = {.type = MQTT_AUTH};
    uint8_t buf[32];
    assert_int_equal(mqtt_encoded_size(&p, MQTT_V311), 0);
    assert_int_equal(mqtt_encoded_size(&p, MQTT_V5), 2);
    p.type = MQTT_PINGREQ;
    assert_int_equal(mqtt_encoded_size(&p, MQTT_UNKNOWN), 0);
    p.type = (enum mqtt_type)0;
    assert_int_equal(mqtt_encoded_size(&p, MQTT_V5), 0);

    p.type = MQTT_PUBACK;
    p.u.ack = (struct mqtt_ack){.packet_id = 1, .reason = MQTT_R_NOT_AUTHORIZED};
    size_t n = mqtt_encode(&p, MQTT_V311, buf, sizeof(buf));
    expect_bytes(buf, n, "40 [ 0001 ]");
    n = mqtt_encode(&p, MQTT_V5, buf, sizeof(buf));
    expect_bytes(buf, n, "40 [ 0001 87 ]");
}

static void four_byte_acks_have_their_flags(void **state)
{
    (void)state;
    uint8_t buf[4];
    mqtt_encode_ack4(MQTT_PUBACK, 0x1234, buf);
    expect_bytes(buf, 4, "40 02 1234");
    mqtt_encode_ack4(MQTT_PUBREC, 1, buf);
    expect_bytes(buf, 4, "50 02 0001");
    mqtt_encode_ack4(MQTT_PUBREL, 1, buf);
    expect_bytes(buf, 4, "62 02 0001");
    mqtt_encode_ack4(MQTT_PUBCOMP, 1, buf);
    expect_bytes(buf, 4, "70 02 0001");
    mqtt_encode_ack4(MQTT_UNSUBACK, 1, buf);
    expect_bytes(buf, 4, "b0 02 0001");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(publish_head_leaves_room_for_the_packet_id),
        cmocka_unit_test(publish_head_fits_its_stated_bound),
        cmocka_unit_test(too_large_packets_are_not_encoded),
        cmocka_unit_test(too_long_strings_are_not_encoded),
        cmocka_unit_test(what_a_version_lacks_is_not_encoded),
        cmocka_unit_test(four_byte_acks_have_their_flags),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
