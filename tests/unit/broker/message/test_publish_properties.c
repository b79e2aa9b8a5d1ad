/* publish_properties: what of a PUBLISH's properties goes on to receivers, and what doesn't. */
#include "broker/message/publish_properties.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define SLICE(text)                                                                                \
    {                                                                                              \
        (const uint8_t *)(text), sizeof(text) - 1                                                  \
    }

/* Sections as on the wire: payload format, message expiry 7 s and 0 s, topic alias 258, will delay 5 s, user
 * properties, correlation data. */
#define FORMAT "\x01\x01"
#define FORMAT_0 "\x01\x00"
#define EXPIRY_7 "\x02\x00\x00\x00\x07"
#define EXPIRY_0 "\x02\x00\x00\x00\x00"
#define ALIAS "\x23\x01\x02"
#define DELAY "\x18\x00\x00\x00\x05"
#define USER_A                                                                                     \
    "\x26\x00\x01k\x00\x01"                                                                        \
    "a"
#define USER_B                                                                                     \
    "\x26\x00\x01k\x00\x01"                                                                        \
    "b"
#define DATA "\x09\x00\x02\x00\x23"

static const struct part {
    struct mqtt_slice in, out;
    bool has_expiry, is_text, same; /* same: not copied */
    uint32_t expiry_s;
    uint16_t alias;
} parts[] = {
    {.in = SLICE(""), .out = SLICE(""), .same = true},
    {.in = SLICE(FORMAT USER_A DATA USER_B),
     .out = SLICE(FORMAT USER_A DATA USER_B),
     .same = true,
     .is_text = true},
    {.in = SLICE(FORMAT_0), .out = SLICE(FORMAT_0), .same = true},
    {.in = SLICE(EXPIRY_7), .out = SLICE(""), .has_expiry = true, .expiry_s = 7},
    {.in = SLICE(EXPIRY_0 USER_A), .out = SLICE(USER_A), .has_expiry = true},
    {.in = SLICE(USER_B USER_A ALIAS), .out = SLICE(USER_B USER_A), .alias = 258},
    {.in = SLICE(USER_B ALIAS USER_A EXPIRY_7 DATA USER_B),
     .out = SLICE(USER_B USER_A DATA USER_B),
     .has_expiry = true,
     .expiry_s = 7,
     .alias = 258},
    {.in = SLICE(DELAY FORMAT EXPIRY_7 USER_A),
     .out = SLICE(FORMAT USER_A),
     .is_text = true,
     .has_expiry = true,
     .expiry_s = 7},
    {.in = SLICE(ALIAS EXPIRY_7),
     .out = SLICE(""),
     .has_expiry = true,
     .expiry_s = 7,
     .alias = 258},
};

static void what_is_of_one_hop_is_taken_out_and_the_rest_keeps_its_order(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        const struct part *p = &parts[i];
        struct mqtt_props in = {.raw = p->in};
        struct publish_properties out;
        uint8_t scratch[64];
        assert_true(publish_properties_take(in, scratch, sizeof(scratch), &out));
        assert_int_equal(out.props.raw.len, p->out.len);
        assert_memory_equal(out.props.raw.data, p->out.data, p->out.len);
        assert_int_equal(out.props.raw.data == in.raw.data, p->same);
        assert_int_equal(out.has_expiry, p->has_expiry);
        assert_int_equal(out.expiry_s, p->expiry_s);
        assert_int_equal(out.alias, p->alias);
        assert_int_equal(out.is_text, p->is_text);
    }
}

static void no_properties_need_no_room(void **state)
{
    (void)state;
    struct publish_properties out;
    assert_true(publish_properties_take((struct mqtt_props){0}, NULL, 0, &out));
    assert_int_equal(out.props.raw.len, 0);
    assert_false(out.has_expiry);
}

static void scratch_needs_room_for_what_goes_on(void **state)
{
    (void)state;
    struct mqtt_props in = {.raw = SLICE(USER_A EXPIRY_7 USER_B)};
    struct publish_properties out;
    uint8_t scratch[14];
    assert_true(publish_properties_take(in, scratch, sizeof(scratch), &out));
    assert_int_equal(out.props.raw.len, sizeof(scratch));
    assert_false(publish_properties_take(in, scratch, sizeof(scratch) - 1, &out));
    assert_false(publish_properties_take(in, scratch, 6, &out));
}

static void what_cannot_be_read_is_refused(void **state)
{
    (void)state;
    struct publish_properties out;
    uint8_t scratch[64];
    struct mqtt_props cut = {.raw = SLICE("\x02\x00\x00")};
    assert_false(publish_properties_take(cut, scratch, sizeof(scratch), &out));
    struct mqtt_props unknown = {.raw = SLICE(EXPIRY_7 "\x04\x01")};
    assert_false(publish_properties_take(unknown, scratch, sizeof(scratch), &out));
}

static struct message *will_with(struct mqtt_slice props)
{
    struct mqtt_publish p = {.qos = 1,
                             .retain = true,
                             .topic = SLICE("w"),
                             .payload = SLICE("gone"),
                             .props = {.raw = props}};
    struct message_id id = {.node = 7, .sequence = 9};
    struct message *will = message_new(&p, id, (struct mqtt_slice)SLICE("c"));
    assert_non_null(will);
    return will;
}

static void a_wills_expiry_counts_from_its_publication(void **state)
{
    (void)state;
    struct message *will = will_with((struct mqtt_slice)SLICE(USER_B DELAY EXPIRY_7 FORMAT));
    struct message *m = publish_properties_of_will(will, 100000);
    assert_non_null(m);
    assert_int_equal(m->expires_at_ms, 107000);
    assert_int_equal(m->props.len, sizeof(USER_B FORMAT) - 1);
    assert_memory_equal(m->props.data, USER_B FORMAT, m->props.len);
    assert_memory_equal(m->payload.data, "gone", 4);
    assert_memory_equal(m->publisher.data, "c", 1);
    assert_true(m->retain && m->qos == 1 && m->id.node == 7 && m->id.sequence == 9);
    message_unref(m);
    message_unref(will);
}

static void a_will_that_loses_nothing_is_published_as_it_is(void **state)
{
    (void)state;
    struct message *plain = will_with((struct mqtt_slice){0});
    struct message *rich = will_with((struct mqtt_slice)SLICE(USER_A FORMAT));
    assert_ptr_equal(publish_properties_of_will(plain, 1), plain);
    assert_ptr_equal(publish_properties_of_will(rich, 1), rich);
    assert_int_equal(rich->expires_at_ms, 0);
    for (int i = 0; i < 2; i++) {
        message_unref(plain);
        message_unref(rich);
    }
}

static void a_will_whose_properties_cannot_be_read_has_none(void **state)
{
    (void)state;
    struct message *will = will_with((struct mqtt_slice)SLICE(USER_A "\x02\x00"));
    struct message *m = publish_properties_of_will(will, 1);
    assert_int_equal(m->props.len, 0);
    assert_int_equal(m->expires_at_ms, 0);
    assert_memory_equal(m->payload.data, "gone", 4);
    message_unref(m);
    message_unref(will);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_of_one_hop_is_taken_out_and_the_rest_keeps_its_order),
        cmocka_unit_test(no_properties_need_no_room),
        cmocka_unit_test(scratch_needs_room_for_what_goes_on),
        cmocka_unit_test(what_cannot_be_read_is_refused),
        cmocka_unit_test(a_wills_expiry_counts_from_its_publication),
        cmocka_unit_test(a_will_that_loses_nothing_is_published_as_it_is),
        cmocka_unit_test(a_will_whose_properties_cannot_be_read_has_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
