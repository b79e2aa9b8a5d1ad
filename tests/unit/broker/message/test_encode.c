/* encode: one PUBLISH, encoded once per variant, and kept as a message only where somebody has to. */
#include "broker/message/encode.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "broker/base/account.h"

enum { COPIED = 2048 }; /* payloads up to here are copied */

static struct encoder *encoder;

static int set_up(void **state)
{
    (void)state;
    encoder = encoder_new();
    return encoder != NULL ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    encoder_free(encoder);
    return 0;
}

static struct mqtt_publish fields(uint32_t payload)
{
    static uint8_t bytes[COPIED + 1];
    memset(bytes, 'x', sizeof(bytes));
    return (struct mqtt_publish){
        .qos = 1, .retain = true, .topic = {(const uint8_t *)"t", 1}, .payload = {bytes, payload}};
}

static struct delivery begin(const struct mqtt_publish *p)
{
    return delivery_of_publish(encoder, p, (struct message_id){1, 2}, (struct mqtt_slice){0});
}

static void a_variant_lacks_what_is_the_receivers_own(void **state)
{
    (void)state;
    struct mqtt_publish p = fields(1);
    struct delivery d = begin(&p);
    const struct encoded *e = delivery_encode(&d, MQTT_V311, false);
    assert_int_equal(e->len, 6);
    assert_memory_equal(e->bytes + 1, "\4\0\1tx", 5);
    assert_int_equal(e->id_at, 0);
    e = delivery_encode(&d, MQTT_V311, true);
    assert_memory_equal(e->bytes + 1, "\6\0\1t\0\0x", 7);
    assert_int_equal(e->id_at, 5);
    e = delivery_encode_own(&d, &(struct encode_own){0});
    assert_memory_equal(e->bytes + 1, "\5\0\1t\0x", 6); /* no properties */
    e = delivery_encode_own(&d, &(struct encode_own){.with_id = true});
    assert_memory_equal(e->bytes + 1, "\7\0\1t\0\0\0x", 8);
    delivery_end(&d);
}

static void each_variant_is_encoded_once(void **state)
{
    (void)state;
    struct mqtt_publish p = fields(1);
    struct delivery d = begin(&p);
    const struct encoded *e = delivery_encode(&d, MQTT_V311, false);
    ((uint8_t *)(uintptr_t)e->bytes)[5] = '!';
    assert_ptr_equal(delivery_encode(&d, MQTT_V311, false), e);
    assert_int_equal(e->bytes[5], '!');
    assert_ptr_not_equal(delivery_encode(&d, MQTT_V311, true), e);
    delivery_end(&d);
}

static void the_next_delivery_is_encoded_anew(void **state)
{
    (void)state;
    struct mqtt_publish p = fields(1), other = fields(1), scratch;
    struct delivery d = begin(&p);
    delivery_encode(&d, MQTT_V311, false);
    struct message *m = message_ref(delivery_message(&d));
    delivery_end(&d);
    other.topic.data = (const uint8_t *)"u";
    d = begin(&other);
    assert_int_equal(delivery_encode(&d, MQTT_V311, false)->bytes[4], 'u');
    delivery_end(&d);
    d = delivery_of_message(encoder, m, &scratch);
    assert_int_equal(delivery_encode(&d, MQTT_V311, false)->bytes[4], 't');
    delivery_end(&d);
    message_unref(m);
}

static void large_payloads_follow_by_reference(void **state)
{
    (void)state;
    struct mqtt_publish p = fields(COPIED);
    struct delivery d = begin(&p);
    const struct encoded *e = delivery_encode(&d, MQTT_V311, false);
    assert_true(e->whole);
    assert_int_equal(e->len, e->packet);
    assert_int_equal(e->bytes[e->len - 1], 'x');
    delivery_end(&d);
    p = fields(COPIED + 1);
    d = begin(&p);
    e = delivery_encode(&d, MQTT_V311, false);
    assert_false(e->whole);
    assert_int_equal(e->packet, e->len + COPIED + 1);
    assert_int_equal(e->len, 6); /* up to the payload */
    delivery_end(&d);
    p = fields(0);
    d = begin(&p);
    e = delivery_encode(&d, MQTT_V311, false);
    assert_true(e->whole);
    assert_int_equal(e->len, 5);
    delivery_end(&d);
}

static void a_message_is_made_once_and_only_on_demand(void **state)
{
    (void)state;
    struct mqtt_publish p = fields(1);
    struct delivery d = begin(&p);
    delivery_encode(&d, MQTT_V311, false);
    assert_null(d.message);
    struct message *m = delivery_message(&d);
    assert_ptr_equal(delivery_message(&d), m);
    assert_int_equal(m->id.sequence, 2);
    assert_true(m->retain);
    delivery_end(&d);
    assert_int_equal(account.by_kind[ACCOUNT_MESSAGES], 0);
    delivery_end(&d);
}

static void a_kept_message_is_delivered_as_it_was_published(void **state)
{
    (void)state;
    struct mqtt_publish p = fields(1), scratch;
    struct message *m = message_new(&p, (struct message_id){1, 2}, (struct mqtt_slice){0});
    struct delivery d = delivery_of_message(encoder, m, &scratch);
    assert_ptr_equal(delivery_message(&d), m);
    assert_int_equal(d.publish->qos, 1);
    assert_true(d.publish->retain);
    assert_int_equal(d.publish->topic.len, 1);
    message_unref(m); /* the delivery has a reference of its own */
    assert_int_equal(d.message->refs, 1);
    delivery_end(&d);
}

static void the_first_byte_says_qos_retain_and_dup(void **state)
{
    (void)state;
    assert_int_equal(publish_first_byte(0, false, false), 0x30);
    assert_int_equal(publish_first_byte(1, true, false), 0x33);
    assert_int_equal(publish_first_byte(2, false, true), 0x3c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_variant_lacks_what_is_the_receivers_own),
        cmocka_unit_test(each_variant_is_encoded_once),
        cmocka_unit_test(the_next_delivery_is_encoded_anew),
        cmocka_unit_test(large_payloads_follow_by_reference),
        cmocka_unit_test(a_message_is_made_once_and_only_on_demand),
        cmocka_unit_test(a_kept_message_is_delivered_as_it_was_published),
        cmocka_unit_test(the_first_byte_says_qos_retain_and_dup),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
