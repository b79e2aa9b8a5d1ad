/* connack: the answer to a CONNECT, in the words of the client's version. */
#include "broker/protocol/connack.h"

#include "tests/unit/broker/core_bed.h"

static const uint8_t *sent(struct core_bed *b, enum mqtt_version version, enum mqtt_connack3 code,
                           bool session_present)
{
    struct core_client *c = bed_connect(b);
    c->client->version = (uint8_t)version;
    assert_true(connack_send(c->client, code, session_present));
    core_settle(&b->core);
    assert_true(c->out_len >= 4);
    return c->out;
}

static void a_code_is_the_one_of_the_clients_version(void **state)
{
    static const struct {
        enum mqtt_connack3 code;
        uint8_t v5;
    } codes[] = {
        {MQTT_CONNACK_ACCEPTED, 0x00},      {MQTT_CONNACK_BAD_VERSION, 0x84},
        {MQTT_CONNACK_BAD_CLIENT_ID, 0x85}, {MQTT_CONNACK_UNAVAILABLE, 0x88},
        {MQTT_CONNACK_BAD_LOGIN, 0x86},     {MQTT_CONNACK_NOT_AUTHORIZED, 0x87},
    };
    struct core_bed *b = *state;
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        assert_int_equal(sent(b, MQTT_V31, codes[i].code, false)[3], i);
        assert_int_equal(sent(b, MQTT_V311, codes[i].code, false)[3], i);
        assert_int_equal(sent(b, MQTT_V5, codes[i].code, false)[3], codes[i].v5);
    }
}

static void it_says_whether_there_was_a_session(void **state)
{
    struct core_bed *b = *state;
    assert_memory_equal(sent(b, MQTT_V311, MQTT_CONNACK_ACCEPTED, true), "\x20\2\1\0", 4);
    assert_memory_equal(sent(b, MQTT_V311, MQTT_CONNACK_ACCEPTED, false), "\x20\2\0\0", 4);
}

static void a_refused_client_is_told_counted_and_closed(void **state)
{
    struct core_bed *b = *state;
    struct core_client *c = bed_connect(b);
    c->client->version = MQTT_V5;
    connack_refuse(c->client, MQTT_CONNACK_UNAVAILABLE, REFUSED_STORE);
    assert_int_equal(c->client->state, CLIENT_CLOSED);
    assert_int_equal(c->out[3], 0x88);
    assert_true(c->finished);
    assert_int_equal(bed_broker(b)->stats.refused[REFUSED_STORE], 1);
    assert_int_equal(bed_broker(b)->stats.ended[END_REFUSED], 1);
}

static void an_unknown_version_is_answered_as_3_1_1_is(void **state)
{
    struct core_bed *b = *state;
    struct core_client *c = bed_connect(b);
    connack_refuse(c->client, MQTT_CONNACK_BAD_VERSION, REFUSED_VERSION);
    assert_int_equal(c->out_len, 4);
    assert_memory_equal(c->out, "\x20\2\0\1", 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BED_TEST(a_code_is_the_one_of_the_clients_version),
        BED_TEST(it_says_whether_there_was_a_session),
        BED_TEST(a_refused_client_is_told_counted_and_closed),
        BED_TEST(an_unknown_version_is_answered_as_3_1_1_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
