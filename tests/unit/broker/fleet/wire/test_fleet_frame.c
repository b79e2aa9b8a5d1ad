/* fleet_frame, fleet_bytes, fleet_keys: what is written is read again, and nothing else is read. */
#include "broker/fleet/wire/fleet_frame.h"

#include "broker/fleet/wire/fleet_keys.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct mqtt_slice slice(const char *text)
{
    return (struct mqtt_slice){.data = (const uint8_t *)text, .len = (uint32_t)strlen(text)};
}

static struct message *sample(uint8_t qos, bool retain)
{
    struct mqtt_publish p = {.qos = qos,
                             .retain = retain,
                             .topic = slice("a/}{b"),
                             .payload = {.data = (const uint8_t *)"x\0y", .len = 3},
                             .props = {.raw = slice("pp")}};
    struct message *m = message_new(
        &p, (struct message_id){.node = 0xfedcba9876543210u, .sequence = 1u << 30}, slice("me"));

    assert_non_null(m);
    m->expires_at_ms = 1795509119534u;
    return m;
}

static void assert_same(struct mqtt_slice a, struct mqtt_slice b)
{
    assert_int_equal(a.len, b.len);
    assert_memory_equal(a.data, b.data, a.len);
}

static void messages_come_back_as_they_were(void **state)
{
    (void)state;
    for (uint8_t qos = 0; qos < 3; qos++) {
        struct fleet_bytes b = {0};
        struct message *m = sample(qos, qos == 1);
        struct fleet_reader r;

        fleet_frame_put(&b, m, qos == 2);
        fleet_frame_put(&b, m, false);
        r = fleet_reader_of(b.data, b.len);
        for (int i = 0; i < 2; i++) {
            bool remember;
            struct message *again = fleet_frame_get(&r, &remember);

            assert_non_null(again);
            assert_int_equal(remember, qos == 2 && i == 0);
            assert_int_equal(again->qos, qos);
            assert_int_equal(again->retain, m->retain);
            assert_same(again->topic, m->topic);
            assert_same(again->payload, m->payload);
            assert_same(again->props, m->props);
            assert_same(again->publisher, m->publisher);
            assert_true(again->expires_at_ms == m->expires_at_ms);
            if (qos > 0)
                assert_true(again->id.node == m->id.node && again->id.sequence == m->id.sequence);
            message_unref(again);
        }
        assert_false(fleet_reader_more(&r));
        message_unref(m);
        fleet_bytes_fini(&b);
    }
}

static void a_frame_that_was_cut_is_refused(void **state)
{
    struct fleet_bytes b = {0};
    struct message *m = sample(2, true);

    (void)state;
    fleet_frame_put(&b, m, true);
    for (size_t len = 0; len < b.len; len++) {
        struct fleet_reader r = fleet_reader_of(b.data, len);
        bool remember;

        assert_null(fleet_frame_get(&r, &remember));
        assert_true(r.failed);
    }
    message_unref(m);
    fleet_bytes_fini(&b);
}

static void nonsense_is_refused(void **state)
{
    static const struct {
        const char *bytes;
        size_t len;
    } bad[] = {
        {"\x03\x01t\x00", 4},                                     /* QoS 3 */
        {"\x00\x00\x00", 3},                                      /* no topic */
        {"\x00\x01t\xff\xff\xff\xff\x0f", 8},                     /* payload past the end */
        {"\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 12}, /* a length without end */
    };

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct fleet_reader r = fleet_reader_of(bad[i].bytes, bad[i].len);
        bool remember;

        assert_null(fleet_frame_get(&r, &remember));
    }
}

static void numbers_of_every_size_come_back(void **state)
{
    static const uint64_t numbers[] = {0, 1, 127, 128, 16383, 16384, UINT32_MAX, UINT64_MAX};
    struct fleet_bytes b = {0};
    struct fleet_reader r;

    (void)state;
    for (size_t i = 0; i < 8; i++) {
        fleet_bytes_varint(&b, numbers[i]);
        fleet_bytes_u64(&b, numbers[i]);
    }
    r = fleet_reader_of(b.data, b.len);
    for (size_t i = 0; i < 8; i++) {
        assert_true(fleet_reader_varint(&r) == numbers[i]);
        assert_true(fleet_reader_u64(&r) == numbers[i]);
    }
    assert_false(r.failed);
    fleet_bytes_fini(&b);
}

static void names_are_hex_and_hash_tags_hold_no_client_bytes(void **state)
{
    char hex[FLEET_HEX_SIZE];
    struct fleet_keys keys;
    uint64_t id = 0;

    (void)state;
    fleet_keys_init(&keys, NULL);
    fleet_hex(0x00ff12, hex);
    assert_string_equal(hex, "000000000000ff12");
    assert_true(fleet_hex_parse(hex, 16, &id));
    assert_int_equal(id, 0x00ff12);
    assert_false(fleet_hex_parse("000000000000FF12", 16, &id));
    assert_false(fleet_hex_parse("12", 2, &id));
    assert_string_equal(fleet_key_inbox(&keys, 0xabc).text, "fl:{n:0000000000000abc}:in");
    assert_string_equal(fleet_key_clients(&keys, 1023).text, "fl:{s1023}:");
    /* A topic and everything below its first level are in one bucket. */
    assert_int_equal(fleet_topic_bucket(slice("fleet")), fleet_topic_bucket(slice("fleet/1/gps")));
}

static void a_fleets_name_is_in_every_key_and_channel(void **state)
{
    struct fleet_keys keys;

    (void)state;
    fleet_keys_init(&keys, "campus-2");
    assert_string_equal(keys.fleet, "fl.campus-2:{r}:");
    assert_string_equal(keys.nodes, "fl.campus-2:{r}:nodes");
    assert_string_equal(keys.ver, "fl.campus-2:{r}:ver");
    assert_string_equal(keys.log, "fl.campus-2:{r}:log");
    assert_string_equal(keys.reap, "fl.campus-2:{r}:reap");
    assert_string_equal(fleet_key_routes(&keys, 1).text, "fl.campus-2:{r}:n:0000000000000001");
    assert_string_equal(fleet_key_inbox(&keys, 1).text, "fl.campus-2:{n:0000000000000001}:in");
    assert_string_equal(fleet_key_channel(&keys, 1).text, "fl.campus-2:n:0000000000000001");
    assert_string_equal(fleet_key_clients(&keys, 7).text, "fl.campus-2:{s7}:");
    assert_string_equal(fleet_key_topics(&keys, 7).text, "fl.campus-2:{t7}:");
    fleet_keys_init(&keys, "");
    assert_string_equal(keys.fleet, "fl:{r}:");
}

static void the_secret_decides_which_bucket_a_client_has(void **state)
{
    static const char one[] = "000102030405060708090a0b0c0d0e0f";
    static const char two[] = "f00102030405060708090a0b0c0d0e0f";
    struct fleet_keys plain;
    struct fleet_keys a;
    struct fleet_keys b;
    unsigned same = 0;

    (void)state;
    fleet_keys_init(&plain, "");
    a = b = plain;
    assert_true(fleet_keys_set_secret(&plain, "", 0));
    assert_true(fleet_keys_set_secret(&a, one, strlen(one)));
    assert_true(fleet_keys_set_secret(&b, two, strlen(two)));
    assert_false(fleet_keys_set_secret(&b, "0001", 4));
    assert_false(fleet_keys_set_secret(&b, "g00102030405060708090a0b0c0d0e0f", 32));
    for (int i = 0; i < 1000; i++) {
        char id[16];
        size_t len = (size_t)snprintf(id, sizeof(id), "device-%d", i);

        same += fleet_client_bucket(&a, id, len) == fleet_client_bucket(&b, id, len);
        same += fleet_client_bucket(&a, id, len) == fleet_client_bucket(&plain, id, len);
        assert_true(fleet_client_bucket(&a, id, len) < FLEET_CLIENT_BUCKETS);
    }
    assert_true(same < 20);
    /* As ever, in a fleet from before there were secrets. */
    assert_int_equal(fleet_client_bucket(&plain, "device-1", 8),
                     fleet_hash("device-1", 8) % FLEET_CLIENT_BUCKETS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_come_back_as_they_were),
        cmocka_unit_test(a_frame_that_was_cut_is_refused),
        cmocka_unit_test(nonsense_is_refused),
        cmocka_unit_test(numbers_of_every_size_come_back),
        cmocka_unit_test(names_are_hex_and_hash_tags_hold_no_client_bytes),
        cmocka_unit_test(a_fleets_name_is_in_every_key_and_channel),
        cmocka_unit_test(the_secret_decides_which_bucket_a_client_has),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
