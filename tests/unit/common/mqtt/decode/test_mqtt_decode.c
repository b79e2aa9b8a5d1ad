/*
 * The decoder's front: fixed headers, sizes, who may send what, and PUBLISH.
 */
#include "common/mqtt/mqtt.h"
#include "tests/unit/common/mqtt_decoded.h"
#include "tests/unit/common/mqtt_packet_table.h"

static const struct valid_packet valid[] = {
    /* PUBLISH */
    {V3, EITHER, "30 [ <t> 'hi' ]"},
    {V3, EITHER, "30 [ <t> ]"},
    {V3, EITHER, "31 [ <a/b/c/d/e/f/g/h> 'payload' ]"},
    {V3, EITHER, "32 [ <t> 0001 'hi' ]"},
    {V3, EITHER, "3a [ <t> ffff 'hi' ]"},
    {V3, EITHER, "34 [ <t> 000a ]"},
    {V3, EITHER, "3d [ <t> 000a 'x' ]"},
    {V5, EITHER, "30 [ <t> () 'hi' ]"},
    {V5, EITHER, "32 [ <t> 0001 () 'hi' ]"},
    {V5, EITHER, "30 [ <> ( 23 0001 ) 'hi' ]"},
    {V5, EITHER, "30 [ <t> ( 23 0001 ) 'hi' ]"},
    /* a remaining length in a longer form than needed is forbidden by 5.0 only */
    {V3, EITHER, "~30 8300 <t>"},
    {V3, EITHER, "~30 83808000 <t>"},
    {V311, CLIENT, "~10 8d00 <MQTT> 04 02 003c <a>"},
};

static const struct invalid_packet invalid[] = {
    /* fixed header: type 0, remaining length over four bytes, not minimal */
    {ANY, EITHER, R_MAL, "00 []"},
    {ANY, EITHER, R_MAL, "0f []"},
    {ANY, EITHER, R_MAL, "30 ffffffff"},
    {ANY, EITHER, R_MAL, "30 8080808001"},
    {V5, EITHER, R_MAL, "30 8400 <t> ()"},
    {V5, CLIENT, R_MAL, "c0 8000"},
    {V5, CLIENT, R_MAL, "10 8e00 <MQTT> 05 02 003c () <a>"},
    /* fixed header: flags */
    {ANY, CLIENT, R_MAL, "11 [ <MQTT> 04 02 003c <a> ]"},
    {ANY, CLIENT, R_MAL, "18 [ <MQTT> 04 02 003c <a> ]"},
    {ANY, SERVER, R_MAL, "22 [ 00 00 ]"},
    {ANY, EITHER, R_MAL, "41 [ 0001 ]"},
    {ANY, EITHER, R_MAL, "52 [ 0001 ]"},
    {ANY, EITHER, R_MAL, "60 [ 0001 ]"},
    {ANY, EITHER, R_MAL, "63 [ 0001 ]"},
    {ANY, EITHER, R_MAL, "64 [ 0001 ]"},
    {V311 | V5, EITHER, R_MAL, "6a [ 0001 ]"},
    {ANY, EITHER, R_MAL, "78 [ 0001 ]"},
    {V3, CLIENT, R_MAL, "80 [ 0001 <a> 00 ]"},
    {V311, CLIENT, R_MAL, "8a [ 0001 <a> 00 ]"},
    {V3, SERVER, R_MAL, "91 [ 0001 00 ]"},
    {V3, CLIENT, R_MAL, "a0 [ 0001 <a> ]"},
    {V3, SERVER, R_MAL, "b2 [ 0001 ]"},
    {ANY, CLIENT, R_MAL, "c1 []"},
    {ANY, SERVER, R_MAL, "d4 []"},
    {ANY, CLIENT, R_MAL, "e1 []"},
    {V5, EITHER, R_MAL, "f1 [ 18 ( 15 <m> ) ]"},
    /* the wrong side */
    {ANY, SERVER, R_PROTO, "10 [ <MQTT> 04 02 003c <a> ]"},
    {ANY, CLIENT, R_PROTO, "20 [ 00 00 ]"},
    {ANY, SERVER, R_PROTO, "82 [ 0001 <a> 00 ]"},
    {ANY, CLIENT, R_PROTO, "90 [ 0001 00 ]"},
    {ANY, SERVER, R_PROTO, "a2 [ 0001 <a> ]"},
    {ANY, CLIENT, R_PROTO, "b0 [ 0001 ]"},
    {ANY, SERVER, R_PROTO, "c0 []"},
    {ANY, CLIENT, R_PROTO, "d0 []"},
    {V3, SERVER, R_PROTO, "e0 []"},
    {V3, EITHER, R_PROTO, "f0 []"},
    /* PUBLISH */
    {ANY, EITHER, R_MAL, "36 [ <t> 0001 ]"},
    {ANY, EITHER, R_MAL, "37 [ <t> 0001 ]"},
    {ANY, EITHER, R_MAL, "3e [ <t> 0001 ]"},
    {ANY, EITHER, R_MAL, "38 [ <t> ]"},
    {ANY, EITHER, R_MAL, "39 [ <t> ]"},
    {ANY, EITHER, R_MAL, "30 []"},
    {ANY, EITHER, R_MAL, "30 [ 00 ]"},
    {ANY, EITHER, R_MAL, "30 [ 0002 't' ]"},
    {ANY, EITHER, R_MAL, "30 [ ffff 't' ]"},
    {V3, EITHER, R_PROTO, "30 [ <> 'hi' ]"},
    {ANY, EITHER, R_MAL, "30 [ 0001 00 ]"},
    {ANY, EITHER, R_MAL, "30 [ 0001 ff ]"},
    {ANY, EITHER, R_MAL, "30 [ 0002 c080 ]"},
    {ANY, EITHER, R_MAL, "30 [ 0003 eda080 ]"},
    {ANY, EITHER, MQTT_R_BAD_TOPIC_NAME, "30 [ <#> ]"},
    {ANY, EITHER, MQTT_R_BAD_TOPIC_NAME, "30 [ <a/+> ]"},
    {ANY, EITHER, MQTT_R_BAD_TOPIC_NAME, "30 [ <a/b/c/d/e/f+> ]"},
    {ANY, EITHER, R_PROTO, "32 [ <t> 0000 ]"},
    {ANY, EITHER, R_PROTO, "34 [ <t> 0000 ]"},
    {ANY, EITHER, R_MAL, "32 [ <t> ]"},
    {ANY, EITHER, R_MAL, "32 [ <t> 00 ]"},
    {V5, EITHER, R_MAL, "30 [ <t> ]"},
    {V5, EITHER, R_MAL, "30 [ <t> 01 ]"},
    {V5, EITHER, R_PROTO, "30 [ <> () 'hi' ]"},
    {V5, EITHER, R_PROTO, "30 [ <> ( 01 00 ) 'hi' ]"},
};

static const struct packet_table table = PACKET_TABLE(valid, invalid);

static void nothing_but_connect_opens_a_connection(void **state)
{
    (void)state;
    for (unsigned type = 0; type < 16; type++) {
        const uint8_t first = (uint8_t)(type << 4 | (type == 6 || type == 8 || type == 10 ? 2 : 0));
        struct mqtt_decode_opts opts = {.version = MQTT_UNKNOWN, .max_packet = 0};
        struct mqtt_packet p;
        struct mqtt_decode_error err = {0};
        size_t size;
        enum decode_result r = mqtt_decode(&first, 1, &opts, &p, &size, &err);
        assert_int_equal(r, type == MQTT_CONNECT ? DECODE_NEED_MORE : DECODE_MALFORMED);
        if (type > MQTT_CONNECT)
            assert_int_equal(err.reason, MQTT_R_PROTOCOL_ERROR);
    }
}

/* Whoever sends TLS or HTTP to a plain port is not waited for. */
static void foreign_protocols_are_refused_at_once(void **state)
{
    (void)state;
    static const char *const greetings[] = {"160301", "'GET'", "'SSH'", "00", "'PROXY'"};
    for (size_t i = 0; i < sizeof(greetings) / sizeof(greetings[0]); i++) {
        struct decoded d = decode(greetings[i], FROM_CLIENT(MQTT_UNKNOWN));
        assert_int_equal(d.result, DECODE_MALFORMED);
        free(d.bytes);
    }
}

static void publish_fields_are_told_in_place(void **state)
{
    (void)state;
    struct decoded d = decode("3d [ <a/b> 0102 'data' ]", FROM_CLIENT(MQTT_V311));
    const struct mqtt_publish *p = &d.packet.u.publish;
    assert_int_equal(d.result, DECODE_OK);
    assert_true(p->dup && p->retain);
    assert_int_equal(p->qos, 2);
    assert_int_equal(p->packet_id, 0x0102);
    expect_slice(p->topic, "a/b");
    expect_slice(p->payload, "data");
    assert_ptr_equal(p->topic.data, d.bytes + 4);
    assert_ptr_equal(p->payload.data, d.bytes + 9);
    assert_int_equal(p->props.raw.len, 0);
    free(d.bytes);

    d = decode("30 [ <t> ]", FROM_SERVER(MQTT_V31));
    assert_int_equal(d.result, DECODE_OK);
    assert_false(d.packet.u.publish.dup || d.packet.u.publish.retain);
    assert_int_equal(d.packet.u.publish.packet_id, 0);
    assert_int_equal(d.packet.u.publish.payload.len, 0);
    free(d.bytes);
}

static void size_limit_is_told_as_soon_as_the_length_is_known(void **state)
{
    (void)state;
    const uint8_t head[3] = {0x30, 0xe8, 0x07}; /* 1,000 bytes follow: 1,003 in all */
    struct mqtt_packet p;
    struct mqtt_decode_error err = {0};
    size_t size;
    struct mqtt_decode_opts opts = {.version = MQTT_V311, .max_packet = 1002};
    assert_int_equal(mqtt_decode(head, 2, &opts, &p, &size, &err), DECODE_NEED_MORE);
    assert_int_equal(size, 3);
    assert_int_equal(mqtt_decode(head, 3, &opts, &p, &size, &err), DECODE_MALFORMED);
    assert_int_equal(err.reason, MQTT_R_PACKET_TOO_LARGE);
    opts.max_packet = 1003;
    assert_int_equal(mqtt_decode(head, 3, &opts, &p, &size, &err), DECODE_NEED_MORE);
    assert_int_equal(size, 1003);
    opts.max_packet = 0;
    assert_int_equal(mqtt_decode(head, 3, &opts, &p, &size, &err), DECODE_NEED_MORE);
}

static void limits_by_type_are_told_before_the_packet_is_there(void **state)
{
    static const struct {
        uint8_t first;
        enum mqtt_version version;
    } cases[] = {
        {0x10, MQTT_UNKNOWN}, {0x30, MQTT_V311}, {0x40, MQTT_V311}, {0x50, MQTT_V311},
        {0x62, MQTT_V311},    {0x70, MQTT_V311}, {0x82, MQTT_V311}, {0xa2, MQTT_V311},
        {0xc0, MQTT_V311},    {0xe0, MQTT_V311}, {0xf0, MQTT_V5},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint32_t limits[16];
        for (unsigned type = 0; type < 16; type++)
            limits[type] = 10;
        const uint8_t head[3] = {cases[i].first, 0xe8, 0x07}; /* 1,003 bytes in all */
        struct mqtt_decode_opts opts = {
            .version = cases[i].version, .max_packet = 10, .max_by_type = limits};
        struct mqtt_decode_error err = {0};
        struct mqtt_packet p;
        size_t size;
        limits[cases[i].first >> 4] = 1002;
        assert_int_equal(mqtt_decode(head, 3, &opts, &p, &size, &err), DECODE_MALFORMED);
        assert_int_equal(err.reason, MQTT_R_PACKET_TOO_LARGE);
        limits[cases[i].first >> 4] = 1003;
        assert_int_equal(mqtt_decode(head, 3, &opts, &p, &size, &err), DECODE_NEED_MORE);
        assert_int_equal(size, 1003);
    }
}

static void an_empty_buffer_needs_a_fixed_header(void **state)
{
    (void)state;
    struct mqtt_packet p;
    size_t size = 0;
    struct mqtt_decode_opts opts = {.version = MQTT_V311, .max_packet = 0};
    assert_int_equal(mqtt_decode(NULL, 0, &opts, &p, &size, NULL), DECODE_NEED_MORE);
    assert_int_equal(size, 2);
}

static void the_largest_remaining_length_is_accepted(void **state)
{
    (void)state;
    const uint8_t head[5] = {0x30, 0xff, 0xff, 0xff, 0x7f};
    struct mqtt_packet p;
    size_t size;
    struct mqtt_decode_opts opts = {.version = MQTT_V311, .max_packet = 0};
    assert_int_equal(mqtt_decode(head, 5, &opts, &p, &size, NULL), DECODE_NEED_MORE);
    assert_int_equal(size, 5 + (size_t)MQTT_MAX_REMAINING);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        PACKET_TABLE_TESTS(&table),
        cmocka_unit_test(nothing_but_connect_opens_a_connection),
        cmocka_unit_test(foreign_protocols_are_refused_at_once),
        cmocka_unit_test(publish_fields_are_told_in_place),
        cmocka_unit_test(size_limit_is_told_as_soon_as_the_length_is_known),
        cmocka_unit_test(limits_by_type_are_told_before_the_packet_is_there),
        cmocka_unit_test(an_empty_buffer_needs_a_fixed_header),
        cmocka_unit_test(the_largest_remaining_length_is_accepted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
