/* fleet_keys: every broker of a fleet finds everything under the same name, and a client's bytes are in none. */
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
    assert_int_equal(fleet_topic_bucket(slice("")), fleet_topic_bucket(slice("/a")));
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

static void a_fleets_name_holds_nothing_that_a_key_or_pattern_could_mean(void **state)
{
    (void)state;
    assert_null(fleet_name_check(""));
    assert_null(fleet_name_check("Campus_2-b"));
    assert_null(fleet_name_check("0123456789abcdef0123456789abcdef"));
    assert_non_null(fleet_name_check("0123456789abcdef0123456789abcdef0"));
    assert_non_null(fleet_name_check("a{b}"));
    assert_non_null(fleet_name_check("a:b"));
    assert_non_null(fleet_name_check("a*"));
    assert_non_null(fleet_name_check("a b"));
    assert_non_null(fleet_name_check("\xc3\xa4"));
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
        same += fleet_client_bucket(&a, mqtt_slice_of(id, len)) ==
                fleet_client_bucket(&b, mqtt_slice_of(id, len));
        same += fleet_client_bucket(&a, mqtt_slice_of(id, len)) ==
                fleet_client_bucket(&plain, mqtt_slice_of(id, len));
        assert_true(fleet_client_bucket(&a, mqtt_slice_of(id, len)) < FLEET_CLIENT_BUCKETS);
    }
    assert_true(same < 20);
    /* As ever, in a fleet from before there were secrets. */
    assert_int_equal(fleet_client_bucket(&plain, mqtt_slice_of("device-1", 8)),
                     fleet_hash("device-1", 8) % FLEET_CLIENT_BUCKETS);
}

static void a_secret_is_read_as_it_was_written(void **state)
{
    uint8_t secret[SIPHASH_KEY_SIZE];
    char hex[FLEET_SECRET_HEX + 1];
    struct fleet_keys keys;
    (void)state;
    for (size_t i = 0; i < sizeof(secret); i++)
        secret[i] = (uint8_t)(17 * i);
    fleet_keys_init(&keys, NULL);
    fleet_secret_write(secret, hex);
    assert_int_equal(strlen(hex), FLEET_SECRET_HEX);
    assert_true(fleet_keys_set_secret(&keys, hex, FLEET_SECRET_HEX));
    assert_true(keys.keyed);
    assert_memory_equal(keys.secret, secret, sizeof(secret));
}

/* What is malformed changes nothing; an empty one says that the fleet has none. */
static void a_secret_that_is_malformed_is_refused_whole(void **state)
{
    char hex[] = "000102030405060708090a0b0c0d0e0f";
    struct fleet_keys keys;
    (void)state;
    fleet_keys_init(&keys, NULL);
    assert_false(fleet_keys_set_secret(&keys, hex, FLEET_SECRET_HEX - 1));
    assert_false(fleet_keys_set_secret(&keys, hex, 1));
    for (size_t i = 0; i < FLEET_SECRET_HEX; i++) {
        char was = hex[i];
        hex[i] = i % 3 == 0 ? 'A' : i % 3 == 1 ? 'g' : '\0';
        assert_false(fleet_keys_set_secret(&keys, hex, FLEET_SECRET_HEX));
        hex[i] = was;
    }
    assert_false(keys.keyed);
    assert_true(fleet_keys_set_secret(&keys, hex, FLEET_SECRET_HEX));
    assert_true(fleet_keys_set_secret(&keys, "", 0));
    assert_false(keys.keyed);
}

static void an_id_is_sixteen_digits_of_lower_case(void **state)
{
    uint64_t id = 7;
    (void)state;
    assert_true(fleet_hex_parse("fedcba9876543210", 16, &id));
    assert_true(id == 0xfedcba9876543210u);
    assert_false(fleet_hex_parse("00000000000000a", 15, &id));
    assert_false(fleet_hex_parse("000000000000000a0", 17, &id));
    assert_false(fleet_hex_parse("000000000000000g", 16, &id));
    assert_false(fleet_hex_parse("", 0, &id));
    assert_true(id == 0xfedcba9876543210u); /* what is none leaves it alone */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_hex_and_hash_tags_hold_no_client_bytes),
        cmocka_unit_test(a_fleets_name_is_in_every_key_and_channel),
        cmocka_unit_test(a_fleets_name_holds_nothing_that_a_key_or_pattern_could_mean),
        cmocka_unit_test(the_secret_decides_which_bucket_a_client_has),
        cmocka_unit_test(a_secret_is_read_as_it_was_written),
        cmocka_unit_test(a_secret_that_is_malformed_is_refused_whole),
        cmocka_unit_test(an_id_is_sixteen_digits_of_lower_case),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
