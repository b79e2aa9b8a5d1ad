/* handle_connect: CONNECTs of 5.0. What all versions have in common: test_handle_connect.c. */
#include "broker/client/client_v5.h"
#include "tests/unit/broker/held_store.h"
#include "tests/unit/broker/v5_bed.h"

static uint64_t refused(struct core_bed *b, enum refusal why)
{
    return bed_broker(b)->stats.refused[why];
}

static struct core_client *connect_as(struct core_bed *b, struct mqtt_connect fields)
{
    fields.version = MQTT_V5;
    fields.level = 5;
    fields.clean_start = true;
    fields.client_id = bed_text("c");
    return bed_join_as(b, &fields);
}

/* ---- keep alive ------------------------------------------------------------------------------- */

/* [MQTT-3.1.2-21], [MQTT-3.2.2-21]: silence of one and a half times as long closes it. */
static void a_keep_alive_that_doesnt_keep_within_the_bound_is_cut(void **state)
{
    static const struct {
        uint64_t bound_ms;
        uint16_t asked_s;
        int told_s; /* -1: nothing */
    } cases[] = {
        {0, 0, -1},      {0, 65535, -1}, {90000, 60, -1},      {90000, 59, -1},
        {90000, 61, 60}, {90000, 0, 60}, /* none at all */
        {1, 5, 1},       {1499, 5, 1},   {65535000, 0, 43690}, {65535000, 65535, 43690},
    };
    struct core_bed *b = *state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct mqtt_packet p;
        b->core.config.limits.max_keep_alive_ms = cases[i].bound_ms;
        struct core_client *c =
            connect_as(b, (struct mqtt_connect){.keep_alive_s = cases[i].asked_s});
        assert_true(bed_find(c, MQTT_CONNACK, &p));
        assert_int_equal(v5_num(p.u.connack.props, MQTT_P_SERVER_KEEP_ALIVE), cases[i].told_s);
        assert_int_equal(c->client->keep_alive_s,
                         cases[i].told_s < 0 ? cases[i].asked_s : cases[i].told_s);
    }
}

/* They can't be told; the bound itself is applied. */
static void that_of_an_earlier_version_is_left_as_it_is(void **state)
{
    struct core_bed *b = *state;
    b->core.config.limits.max_keep_alive_ms = 90000;
    struct core_client *c = bed_join_as(b, &(struct mqtt_connect){.clean_start = true,
                                                                  .client_id = bed_text("old"),
                                                                  .keep_alive_s = 1000});
    assert_int_equal(bed_connack(c), 0);
    assert_int_equal(c->client->keep_alive_s, 1000);
}

/* ---- refused ---------------------------------------------------------------------------------- */

/* [MQTT-4.12.0-1] */
static void an_authentication_method_is_refused(void **state)
{
    struct core_bed *b = *state;
    struct core_client *c =
        v5_join(b, "c", true, V5_PROPS(V5_STR(MQTT_P_AUTH_METHOD, "SCRAM-SHA-1")));
    assert_true(c->freed);
    assert_int_equal(bed_connack(c), MQTT_R_BAD_AUTH_METHOD);
    assert_int_equal(refused(b, REFUSED_AUTH_METHOD), 1);
}

static void a_client_id_that_is_too_long_is_refused(void **state)
{
    struct core_bed *b = *state;
    b->core.config.limits.max_client_id_length = 4;
    assert_int_equal(bed_connack(v5_join(b, "1234", true, v5_none)), MQTT_R_SUCCESS);
    assert_int_equal(bed_connack(v5_join(b, "12345", true, v5_none)), MQTT_R_BAD_CLIENT_ID);
}

/* 4.13: with a reason, which a client that isn't let in gets by CONNACK. */
static void a_malformed_connect_is_told_so(void **state)
{
    struct core_bed *b = *state;
    struct core_client *c = bed_connect(b);
    c->version = MQTT_V5;
    BED_SEND(b, c, "\x10\x0e\0\4MQTT\5\3\0\0\0\0\1c"); /* the reserved flag [MQTT-3.1.2-3] */
    assert_true(c->freed);
    assert_int_equal(bed_connack(c), MQTT_R_MALFORMED_PACKET);
    assert_int_equal(refused(b, REFUSED_MALFORMED), 1);
    c = bed_connect(b); /* receive maximum 0: 3.1.2.11.3 */
    c->version = MQTT_V5;
    BED_SEND(b, c, "\x10\x11\0\4MQTT\5\2\0\0\3\x21\0\0\0\1c");
    assert_int_equal(bed_connack(c), MQTT_R_PROTOCOL_ERROR);
}

static void one_of_an_earlier_version_is_closed_without_a_word(void **state)
{
    struct core_bed *b = *state;
    struct core_client *c = bed_connect(b);
    BED_SEND(b, c, "\x10\x0d\0\4MQTT\4\3\0\0\0\1c");
    assert_true(c->freed);
    assert_int_equal(c->out_len, 0);
    assert_int_equal(bed_broker(b)->stats.ended[END_MALFORMED], 1);
}

/* ---- its will --------------------------------------------------------------------------------- */

static struct core_client *with_will(struct core_bed *b, struct mqtt_connect fields)
{
    fields.has_will = true;
    fields.will_topic = bed_text("w");
    if (fields.will_payload.data == NULL)
        fields.will_payload = bed_text("x");
    return connect_as(b, fields);
}

/* [MQTT-3.2.2-12], [MQTT-3.2.2-13] */
static void a_will_that_asks_for_what_isnt_offered_is_refused(void **state)
{
    struct core_bed *b = *state;
    b->core.config.mqtt.max_qos = 1;
    b->core.config.mqtt.retain = false;
    struct core_client *c = with_will(b, (struct mqtt_connect){.will_qos = 2});
    assert_int_equal(bed_connack(c), MQTT_R_QOS_NOT_SUPPORTED);
    c = with_will(b, (struct mqtt_connect){.will_retain = true});
    assert_int_equal(bed_connack(c), MQTT_R_RETAIN_NOT_SUPPORTED);
    assert_int_equal(refused(b, REFUSED_WILL), 2);
    c = with_will(b, (struct mqtt_connect){.will_qos = 1});
    assert_int_equal(bed_connack(c), MQTT_R_SUCCESS);
}

/* 3.1.3.2.3 */
static void so_is_one_whose_payload_isnt_what_it_says(void **state)
{
    struct core_bed *b = *state;
    struct mqtt_props text = V5_PROPS(V5_NUM(MQTT_P_PAYLOAD_FORMAT, 1));
    struct core_client *c =
        with_will(b, (struct mqtt_connect){.will_payload = bed_text("\xff"), .will_props = text});
    assert_int_equal(bed_connack(c), MQTT_R_BAD_PAYLOAD_FORMAT);
    c = with_will(b,
                  (struct mqtt_connect){.will_payload = bed_text("\xc3\xbc"), .will_props = text});
    assert_int_equal(bed_connack(c), MQTT_R_SUCCESS);
    c = with_will(b, (struct mqtt_connect){.will_payload = bed_text("\xff")});
    assert_int_equal(bed_connack(c), MQTT_R_SUCCESS);
}

static struct store_will asked; /* with the last CONNECT */

static void note_connect(struct store *s, const struct store_connect_request *r,
                         store_connect_fn *done, void *arg)
{
    asked = r->will;
    held.real->connect(s, r, done, arg);
}

/* 3.1.3.2.2 */
static void the_store_learns_how_long_it_waits(void **state)
{
    struct core_bed *b = *state;
    held_begin(&b->core, 0);
    held.ops.connect = note_connect;
    with_will(b, (struct mqtt_connect){.will_props = V5_PROPS(V5_NUM(MQTT_P_WILL_DELAY, 30))});
    assert_non_null(asked.message);
    assert_int_equal(asked.delay_s, 30);
    with_will(b, (struct mqtt_connect){.will_qos = 0});
    assert_int_equal(asked.delay_s, 0);
    held_end(&b->core);
}

/* ---- the session ------------------------------------------------------------------------------ */

static bool present(struct core_bed *b, bool clean, uint32_t expiry_s)
{
    struct mqtt_packet p;
    struct core_client *c =
        v5_join(b, "c", clean, V5_PROPS(V5_NUM(MQTT_P_SESSION_EXPIRY, expiry_s)));
    assert_true(bed_find(c, MQTT_CONNACK, &p));
    bed_leave(b, c);
    return p.u.connack.session_present;
}

/* 3.1.2.4, 3.1.2.11.2: Clean Start is about the session before, the expiry about this one. */
static void a_session_stays_for_its_expiry_even_after_a_clean_start(void **state)
{
    struct core_bed *b = *state;
    assert_false(present(b, true, 60));
    assert_true(present(b, false, 60));
    assert_false(present(b, true, 60)); /* [MQTT-3.1.2-4] */
    assert_true(present(b, false, 0));  /* it is there, and ends now */
    assert_false(present(b, false, 0)); /* [MQTT-3.2.2-3] */
    assert_false(present(b, true, 0));
    assert_false(present(b, false, 60));
}

/* What it asked for, and no default of the configuration. */
static void the_store_is_told_the_clients_own_expiry(void **state)
{
    struct core_bed *b = *state;
    struct core_client *c = v5_join(b, "c", false, V5_PROPS(V5_NUM(MQTT_P_SESSION_EXPIRY, 77)));
    held_begin(&b->core, HOLDS(HELD_DISCONNECT));
    bed_leave(b, c);
    assert_int_equal(held.expiry_s, 77);
    held_end(&b->core);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BED_TEST(a_keep_alive_that_doesnt_keep_within_the_bound_is_cut),
        BED_TEST(that_of_an_earlier_version_is_left_as_it_is),
        BED_TEST(an_authentication_method_is_refused),
        BED_TEST(a_client_id_that_is_too_long_is_refused),
        BED_TEST(a_malformed_connect_is_told_so),
        BED_TEST(one_of_an_earlier_version_is_closed_without_a_word),
        BED_TEST(a_will_that_asks_for_what_isnt_offered_is_refused),
        BED_TEST(so_is_one_whose_payload_isnt_what_it_says),
        BED_TEST(the_store_learns_how_long_it_waits),
        BED_TEST(a_session_stays_for_its_expiry_even_after_a_clean_start),
        BED_TEST(the_store_is_told_the_clients_own_expiry),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
