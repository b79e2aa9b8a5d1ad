/* connack: the answer to a CONNECT, in the words of the client's version. What it says of a 5.0 client's
 * terms: test_connack_v5.c. */
#include "broker/protocol/connack.h"

#include "tests/unit/broker/core_bed.h"

static struct core_client *refuse(struct core_bed *b, enum mqtt_version version,
                                  enum mqtt_reason reason)
{
    struct core_client *c = bed_connect(b);
    c->client->version = (uint8_t)version;
    connack_refuse(c->client, reason, REFUSED_STORE, NULL);
    assert_true(c->out_len >= 4);
    return c;
}

/* 3.1.1: 3.2.2.3; 5.0: 3.2.2.2. */
static void a_reason_is_said_in_the_words_of_the_clients_version(void **state)
{
    static const struct {
        enum mqtt_reason reason;
        enum mqtt_connack3 v3;
    } codes[] = {
        {MQTT_R_UNSUPPORTED_VERSION, MQTT_CONNACK_BAD_VERSION},
        {MQTT_R_BAD_CLIENT_ID, MQTT_CONNACK_BAD_CLIENT_ID},
        {MQTT_R_BAD_LOGIN, MQTT_CONNACK_BAD_LOGIN},
        {MQTT_R_NOT_AUTHORIZED, MQTT_CONNACK_NOT_AUTHORIZED},
        {MQTT_R_SERVER_UNAVAILABLE, MQTT_CONNACK_UNAVAILABLE},
        {MQTT_R_SERVER_BUSY, MQTT_CONNACK_UNAVAILABLE},
        {MQTT_R_USE_ANOTHER_SERVER, MQTT_CONNACK_UNAVAILABLE},
        {MQTT_R_QUOTA_EXCEEDED, MQTT_CONNACK_UNAVAILABLE},
    };
    struct core_bed *b = *state;
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        assert_int_equal(refuse(b, MQTT_V31, codes[i].reason)->out[3], codes[i].v3);
        assert_int_equal(refuse(b, MQTT_V311, codes[i].reason)->out[3], codes[i].v3);
        assert_int_equal(refuse(b, MQTT_V5, codes[i].reason)->out[3], codes[i].reason);
    }
}

static void it_says_whether_there_was_a_session(void **state)
{
    struct core_bed *b = *state;
    struct core_client *c = bed_connect(b);
    c->client->version = MQTT_V311;
    assert_true(connack_accept(c->client, true));
    assert_true(connack_accept(c->client, false));
    core_settle(&b->core);
    assert_int_equal(c->out_len, 8);
    assert_memory_equal(c->out, "\x20\2\1\0\x20\2\0\0", 8);
}

static void a_refused_client_is_told_counted_and_closed(void **state)
{
    struct core_bed *b = *state;
    struct core_client *c = bed_connect(b);
    c->client->version = MQTT_V5;
    connack_refuse(c->client, MQTT_R_SERVER_UNAVAILABLE, REFUSED_STORE, NULL);
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
    connack_refuse(c->client, MQTT_R_UNSUPPORTED_VERSION, REFUSED_VERSION, "no such version");
    assert_int_equal(c->out_len, 4);
    assert_memory_equal(c->out, "\x20\2\0\1", 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BED_TEST(a_reason_is_said_in_the_words_of_the_clients_version),
        BED_TEST(it_says_whether_there_was_a_session),
        BED_TEST(a_refused_client_is_told_counted_and_closed),
        BED_TEST(an_unknown_version_is_answered_as_3_1_1_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
