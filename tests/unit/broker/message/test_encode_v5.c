/* encode: a PUBLISH for receivers of 5.0, whose properties and topic alias may be their own (3.3.2). What all
 * versions have in common: test_encode.c. */
#include "broker/message/encode.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/hash.h"

#define CONTENT_TYPE "\3\0\1c" /* a property of the publisher's */

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

static struct mqtt_publish fields(void)
{
    return (struct mqtt_publish){.qos = 1,
                                 .topic = mqtt_slice_of("t", 1),
                                 .payload = mqtt_slice_of("x", 1),
                                 .props.raw =
                                     mqtt_slice_of(CONTENT_TYPE, sizeof(CONTENT_TYPE) - 1)};
}

static struct delivery begin(const struct mqtt_publish *p)
{
    return delivery_of_publish(encoder, p, (struct message_id){1, 2}, (struct mqtt_slice){0});
}

/* Without its first byte, which is the receiver's. */
#define assert_encoded(e, literal)                                                                 \
    do {                                                                                           \
        assert_non_null(e);                                                                        \
        assert_int_equal((e)->len, sizeof(literal));                                               \
        assert_memory_equal((e)->bytes + 1, literal, sizeof(literal) - 1);                         \
    } while (0)

/* [MQTT-3.3.2-4, -15 to -18, -20]: the publisher's properties go on unaltered. */
static void the_publishers_properties_go_to_receivers_of_5_0(void **state)
{
    (void)state;
    struct mqtt_publish p = fields();
    struct delivery d = begin(&p);
    assert_encoded(delivery_encode_own(&d, &(struct encode_own){0}),
                   "\x09\0\1t\4" CONTENT_TYPE "x");
    const struct encoded *e = delivery_encode_own(&d, &(struct encode_own){.with_id = true});
    assert_encoded(e, "\x0b\0\1t\0\0\4" CONTENT_TYPE "x");
    assert_int_equal(e->id_at, 5);
    delivery_end(&d);
}

static void receivers_of_earlier_versions_get_none(void **state)
{
    (void)state;
    struct mqtt_publish p = fields();
    struct delivery d = begin(&p);
    d.expires_at_ms = 1000;
    delivery_encode_own(&d, &(struct encode_own){.has_expiry = true, .expiry_s = 1});
    delivery_encode_own(&d,
                        &(struct encode_own){.with_id = true, .has_expiry = true, .expiry_s = 1});
    assert_encoded(delivery_encode(&d, MQTT_V311, false), "\4\0\1tx");
    assert_encoded(delivery_encode(&d, MQTT_V311, true), "\6\0\1t\0\0x");
    delivery_end(&d);
}

/* 3.3.2.3.3 */
static void what_is_left_of_the_expiry_is_told(void **state)
{
    (void)state;
    struct mqtt_publish p = fields();
    struct delivery d = begin(&p);
    assert_encoded(
        delivery_encode_own(&d, &(struct encode_own){.has_expiry = true, .expiry_s = 0x102}),
        "\x0e\0\1t\x09\2\0\0\1\2" CONTENT_TYPE "x");
    delivery_end(&d);
}

static void one_that_expires_now_says_so(void **state)
{
    (void)state;
    struct mqtt_publish p = fields();
    struct delivery d = begin(&p);
    assert_encoded(delivery_encode_own(&d, &(struct encode_own){.has_expiry = true}),
                   "\x0e\0\1t\x09\2\0\0\0\0" CONTENT_TYPE "x");
    delivery_end(&d);
}

/* 3.3.2.3.4: the packet that gives an alias its meaning has both. */
static void a_new_alias_comes_with_the_topic(void **state)
{
    (void)state;
    struct mqtt_publish p = fields();
    struct delivery d = begin(&p);
    assert_encoded(delivery_encode_own(&d, &(struct encode_own){.alias = {.alias = 0x102}}),
                   "\x0c\0\1t\7\x23\1\2" CONTENT_TYPE "x");
    delivery_end(&d);
}

static void a_known_one_stands_for_it(void **state)
{
    (void)state;
    struct mqtt_publish p = fields();
    struct delivery d = begin(&p);
    const struct encode_own own = {.with_id = true, .alias = {.alias = 3, .known = true}};
    const struct encoded *e = delivery_encode_own(&d, &own);
    assert_encoded(e, "\x0d\0\0\0\0\7\x23\0\3" CONTENT_TYPE "x");
    assert_int_equal(e->id_at, 4);
    assert_encoded(delivery_encode_own(&d, &(struct encode_own){0}),
                   "\x09\0\1t\4" CONTENT_TYPE "x"); /* others get the topic */
    delivery_end(&d);
}

/* [MQTT-3.3.4-3, -4] */
static void it_names_the_ids_of_the_receivers_subscriptions(void **state)
{
    static const uint32_t ids[] = {1, 128, 268435455};
    (void)state;
    struct mqtt_publish p = fields();
    struct delivery d = begin(&p);
    assert_encoded(delivery_encode_own(&d, &(struct encode_own){.ids = {ids, 3}}),
                   "\x13\0\1t\x0e\x0b\1\x0b\x80\1\x0b\xff\xff\xff\x7f" CONTENT_TYPE "x");
    delivery_end(&d);
}

static void all_of_it_at_once(void **state)
{
    static const uint32_t id = 7;
    (void)state;
    struct mqtt_publish p = fields();
    p.props.raw.len = 0;
    struct delivery d = begin(&p);
    const struct encode_own own = {.with_id = true,
                                   .has_expiry = true,
                                   .expiry_s = 60,
                                   .alias = {.alias = 1, .known = true},
                                   .ids = {&id, 1}};
    assert_encoded(delivery_encode_own(&d, &own), "\x10\0\0\0\0\x0a\2\0\0\0\x3c\x23\0\1\x0b\7x");
    delivery_end(&d);
}

/* ---- variants --------------------------------------------------------------------------------- */

static bool has(const struct encoded *e, const char *bytes, size_t len)
{
    for (size_t i = 0; i + len <= e->len; i++)
        if (memcmp(e->bytes + i, bytes, len) == 0)
            return true;
    return false;
}

static void what_is_the_same_for_all_is_encoded_once(void **state)
{
    (void)state;
    struct mqtt_publish p = fields();
    struct delivery d = begin(&p);
    const struct encode_own own = {.with_id = true, .has_expiry = true, .expiry_s = 60};
    const struct encoded *e = delivery_encode_own(&d, &own);
    ((uint8_t *)(uintptr_t)e->bytes)[3] = '!';
    assert_ptr_equal(delivery_encode_own(&d, &own), e);
    assert_int_equal(e->bytes[3], '!');
    assert_ptr_not_equal(delivery_encode_own(&d, &(struct encode_own){.has_expiry = true}), e);
    delivery_end(&d);
}

/* Each receiver gets its own, whoever came before it. */
static void no_receiver_gets_what_is_anothers(void **state)
{
    static const uint32_t ids[] = {11, 12};
    (void)state;
    struct mqtt_publish p = fields();
    struct delivery d = begin(&p);
    const struct encoded *shared = delivery_encode_own(&d, &(struct encode_own){0});
    const struct encoded *old = delivery_encode(&d, MQTT_V311, false);
    const struct encoded *e = delivery_encode_own(&d, &(struct encode_own){.ids = {ids, 1}});
    assert_true(has(e, "\x0b\x0b", 2));
    e = delivery_encode_own(&d, &(struct encode_own){.ids = {ids + 1, 1}});
    assert_true(has(e, "\x0b\x0c", 2));
    assert_false(has(e, "\x0b\x0b", 2));
    e = delivery_encode_own(&d, &(struct encode_own){.alias = {.alias = 1, .known = true}});
    assert_false(has(e, "\x0b\x0c", 2));
    assert_false(has(e, "\0\1t", 3));
    assert_encoded(shared, "\x09\0\1t\4" CONTENT_TYPE "x"); /* as they were */
    assert_encoded(old, "\4\0\1tx");
    assert_ptr_equal(delivery_encode_own(&d, &(struct encode_own){0}), shared);
    assert_ptr_equal(delivery_encode(&d, MQTT_V311, false), old);
    delivery_end(&d);
}

static void the_next_delivery_has_properties_of_its_own(void **state)
{
    (void)state;
    struct mqtt_publish p = fields();
    struct delivery d = begin(&p);
    delivery_encode_own(&d, &(struct encode_own){.has_expiry = true, .expiry_s = 5});
    delivery_end(&d);
    p.props.raw.len = 0;
    d = begin(&p);
    assert_encoded(delivery_encode_own(&d, &(struct encode_own){0}), "\5\0\1t\0x");
    delivery_end(&d);
}

/* For those who remember topics: aliases. */
static void a_delivery_has_the_hash_of_its_topic(void **state)
{
    (void)state;
    struct mqtt_publish p = fields();
    struct delivery d = begin(&p);
    uint64_t t = delivery_topic_hash(&d, 42);
    assert_int_equal(t, hash_bytes(42, "t", 1));
    delivery_encode_own(&d, &(struct encode_own){0});
    assert_int_equal(delivery_topic_hash(&d, 42), t);
    delivery_end(&d);
    p.topic = mqtt_slice_of("other", 5);
    d = begin(&p);
    assert_int_equal(delivery_topic_hash(&d, 42), hash_bytes(42, "other", 5));
    delivery_end(&d);
}

/* ---- sizes ------------------------------------------------------------------------------------ */

static void many_ids_and_large_properties_have_room(void **state)
{
    enum { IDS = 3000, TYPE = 60000 };
    static uint32_t ids[IDS];
    static uint8_t props[TYPE + 3];
    (void)state;
    size_t used = 0;
    static uint8_t type[TYPE];
    memset(type, 'c', sizeof(type));
    for (int i = 0; i < IDS; i++)
        ids[i] = 268435455;
    assert_true(mqtt_props_put_str(props, sizeof(props), &used, MQTT_P_CONTENT_TYPE,
                                   mqtt_slice_of(type, sizeof(type))));
    struct mqtt_publish p = fields();
    p.props.raw = mqtt_slice_of(props, used);
    struct delivery d = begin(&p);
    const struct encoded *e = delivery_encode_own(&d, &(struct encode_own){.ids = {ids, IDS}});
    assert_non_null(e);
    struct mqtt_packet packet;
    struct mqtt_decode_opts opts = {.version = MQTT_V5, .from_server = true};
    static uint8_t whole[TYPE + 6 * IDS + 64];
    size_t size;
    assert_true(e->whole && e->len <= sizeof(whole));
    memcpy(whole, e->bytes, e->len);
    whole[0] = publish_first_byte(0, false, false);
    assert_int_equal(mqtt_decode(whole, e->len, &opts, &packet, &size, NULL), DECODE_OK);
    assert_int_equal(size, e->packet);
    assert_int_equal(packet.u.publish.props.raw.len, 5 * IDS + used);
    delivery_end(&d);
}

static void a_kept_message_has_its_properties_and_its_expiry(void **state)
{
    (void)state;
    struct mqtt_publish p = fields(), scratch;
    struct delivery d = begin(&p);
    d.expires_at_ms = 77;
    struct message *m = message_ref(delivery_message(&d));
    delivery_end(&d);
    assert_int_equal(m->expires_at_ms, 77);
    d = delivery_of_message(encoder, m, &scratch);
    assert_int_equal(d.expires_at_ms, 77);
    assert_encoded(delivery_encode_own(&d, &(struct encode_own){0}),
                   "\x09\0\1t\4" CONTENT_TYPE "x");
    delivery_end(&d);
    message_unref(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_publishers_properties_go_to_receivers_of_5_0),
        cmocka_unit_test(receivers_of_earlier_versions_get_none),
        cmocka_unit_test(what_is_left_of_the_expiry_is_told),
        cmocka_unit_test(one_that_expires_now_says_so),
        cmocka_unit_test(a_new_alias_comes_with_the_topic),
        cmocka_unit_test(a_known_one_stands_for_it),
        cmocka_unit_test(it_names_the_ids_of_the_receivers_subscriptions),
        cmocka_unit_test(all_of_it_at_once),
        cmocka_unit_test(what_is_the_same_for_all_is_encoded_once),
        cmocka_unit_test(no_receiver_gets_what_is_anothers),
        cmocka_unit_test(the_next_delivery_has_properties_of_its_own),
        cmocka_unit_test(a_delivery_has_the_hash_of_its_topic),
        cmocka_unit_test(many_ids_and_large_properties_have_room),
        cmocka_unit_test(a_kept_message_has_its_properties_and_its_expiry),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
