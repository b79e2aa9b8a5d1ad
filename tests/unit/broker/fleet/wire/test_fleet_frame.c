/* fleet_frame: what is written is read again, and nothing else is read. */
#include "broker/fleet/wire/fleet_frame.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_come_back_as_they_were),
        cmocka_unit_test(a_frame_that_was_cut_is_refused),
        cmocka_unit_test(nonsense_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
