/* The encoder's own promises: sizes, limits, the shared PUBLISH head, property and filter lists. */
#include "common/mqtt/mqtt.h"
#include "tests/unit/common/mqtt_wire.h"

static struct mqtt_slice slice(const char *s)
{
    return (struct mqtt_slice){(const uint8_t *)s, (uint32_t)strlen(s)};
}

static void expect_bytes(const uint8_t *bytes, size_t len, const char *text)
{
    struct wire w = {.len = 0};
    wire_parse(&w, text);
    assert_int_equal(len, w.len);
    assert_memory_equal(bytes, w.bytes, len);
}

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

static void every_type_and_reason_has_a_name(void **state)
{
    (void)state;
    for (unsigned type = 0; type < 20; type++) {
        bool known = type >= MQTT_CONNECT && type <= MQTT_AUTH;
        assert_int_equal(strcmp(mqtt_type_name((enum mqtt_type)type), "unknown") != 0, known);
    }
    assert_string_equal(mqtt_type_name(MQTT_PUBLISH), "PUBLISH");
    unsigned named = 0;
    for (unsigned reason = 0; reason < 256; reason++)
        named += strcmp(mqtt_reason_name((uint8_t)reason), "unknown") != 0;
    assert_int_equal(named, 43);
    assert_string_equal(mqtt_reason_name(MQTT_R_NOT_AUTHORIZED), "not_authorized");
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
        cmocka_unit_test(properties_are_built_and_read_back),
        cmocka_unit_test(properties_that_do_not_fit_change_nothing),
        cmocka_unit_test(properties_of_another_type_are_not_built),
        cmocka_unit_test(reading_broken_properties_ends),
        cmocka_unit_test(filter_lists_are_built),
        cmocka_unit_test(every_type_and_reason_has_a_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
