/* What the decoder tells about a packet: its fields, its size, its version, the reason it refuses.
 */
#include "common/mqtt/mqtt.h"
#include "tests/unit/common/mqtt_wire.h"

struct decoded {
    uint8_t *bytes;
    size_t len, size;
    struct mqtt_packet packet;
    struct mqtt_decode_error err;
    enum decode_result result;
};

static struct decoded decode(const char *text, struct mqtt_decode_opts opts)
{
    struct decoded d = {.result = DECODE_OK};
    d.bytes = wire_new(text, &d.len);
    d.result = mqtt_decode(d.bytes, d.len, &opts, &d.packet, &d.size, &d.err);
    return d;
}

#define FROM_CLIENT(v) ((struct mqtt_decode_opts){.version = (v)})
#define FROM_SERVER(v) ((struct mqtt_decode_opts){.version = (v), .from_server = true})

static void expect_slice(struct mqtt_slice s, const char *text)
{
    assert_int_equal(s.len, strlen(text));
    if (s.len > 0)
        assert_memory_equal(s.data, text, s.len);
}

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

static void connack_and_suback_are_told(void **state)
{
    (void)state;
    struct decoded d = decode("20 [ 01 00 ]", FROM_SERVER(MQTT_V311));
    assert_int_equal(d.result, DECODE_OK);
    assert_true(d.packet.u.connack.session_present);
    assert_int_equal(d.packet.u.connack.code, MQTT_CONNACK_ACCEPTED);
    free(d.bytes);
    d = decode("90 [ 0009 00 02 80 ]", FROM_SERVER(MQTT_V311));
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
        cmocka_unit_test(connect_fields_are_told),
        cmocka_unit_test(connect_absent_fields_are_empty),
        cmocka_unit_test(connect_v5_properties_are_told),
        cmocka_unit_test(connect_with_an_unknown_level_is_passed_on),
        cmocka_unit_test(connect_of_a_bridge_is_its_version_and_a_flag),
        cmocka_unit_test(refused_connect_tells_its_version_for_the_answer),
        cmocka_unit_test(v31_flags_without_their_fields_mean_none),
        cmocka_unit_test(nothing_but_connect_opens_a_connection),
        cmocka_unit_test(foreign_protocols_are_refused_at_once),
        cmocka_unit_test(publish_fields_are_told_in_place),
        cmocka_unit_test(short_v5_acks_mean_success),
        cmocka_unit_test(subscribe_filters_are_stepped_through),
        cmocka_unit_test(connack_and_suback_are_told),
        cmocka_unit_test(size_limit_is_told_as_soon_as_the_length_is_known),
        cmocka_unit_test(limits_by_type_are_told_before_the_packet_is_there),
        cmocka_unit_test(an_empty_buffer_needs_a_fixed_header),
        cmocka_unit_test(the_largest_remaining_length_is_accepted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
