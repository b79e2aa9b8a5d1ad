/* connack: what a 5.0 client is told that it may do (3.2.2.3), or why it may not connect. The codes of all versions:
 * test_connack.c. */
#include "broker/protocol/connack.h"

#include "broker/client/client_v5.h"
#include "tests/unit/broker/v5_bed.h"

/* What a CONNACK says; good until the next packet is taken. */
static struct mqtt_connack taken(struct core_client *c)
{
    struct mqtt_packet p;
    assert_true(bed_find(c, MQTT_CONNACK, &p));
    return p.u.connack;
}

static struct mqtt_props terms(struct core_bed *b, struct mqtt_props asked)
{
    struct mqtt_connack k = taken(v5_join(b, "c", true, asked));
    assert_int_equal(k.code, MQTT_R_SUCCESS);
    return k.props;
}

/* ---- always ----------------------------------------------------------------------------------- */

/* 3.2.2.3.3, 3.2.2.3.6, 3.2.2.3.8 */
static void a_client_is_told_the_limits_that_hold(void **state)
{
    struct core_bed *b = *state;
    b->core.config.limits.max_unacknowledged = 20;
    b->core.config.limits.max_packet_size = 5000;
    b->core.config.mqtt.topic_alias_maximum = 7;
    struct mqtt_props p = terms(b, v5_none);
    assert_int_equal(v5_num(p, MQTT_P_RECEIVE_MAXIMUM), 20);
    assert_int_equal(v5_num(p, MQTT_P_MAXIMUM_PACKET_SIZE), 5000);
    assert_int_equal(v5_num(p, MQTT_P_TOPIC_ALIAS_MAXIMUM), 7);
}

static void the_receive_maximum_is_the_lower_of_two_bounds(void **state)
{
    struct core_bed *b = *state;
    struct limits_config *l = &b->core.config.limits;
    l->max_unacknowledged = 20;
    l->max_open_qos2 = 30;
    assert_int_equal(connack_receive_maximum(&b->core.config), 20);
    l->max_open_qos2 = 10;
    assert_int_equal(connack_receive_maximum(&b->core.config), 10);
    l->max_unacknowledged = l->max_open_qos2 = 65535;
    assert_int_equal(connack_receive_maximum(&b->core.config), 65535);
}

/* ---- only where it differs from what the client asked for, or from the specification's default --- */

static void what_is_the_default_isnt_said(void **state)
{
    struct core_bed *b = *state;
    b->core.config.mqtt.topic_alias_maximum = 0;
    struct mqtt_props p = terms(b, V5_PROPS(V5_NUM(MQTT_P_SESSION_EXPIRY, 60)));
    assert_int_equal(v5_num(p, MQTT_P_SESSION_EXPIRY), -1);
    assert_int_equal(v5_num(p, MQTT_P_MAXIMUM_QOS), -1);
    assert_int_equal(v5_num(p, MQTT_P_RETAIN_AVAILABLE), -1);
    assert_int_equal(v5_num(p, MQTT_P_TOPIC_ALIAS_MAXIMUM), -1);
    assert_int_equal(v5_num(p, MQTT_P_SERVER_KEEP_ALIVE), -1);
    assert_null(v5_text(p, MQTT_P_ASSIGNED_CLIENT_ID));
    assert_null(v5_text(p, MQTT_P_RESPONSE_INFO));
    assert_null(v5_text(p, MQTT_P_REASON_STRING));
}

/* 3.2.2.3.2 */
static void a_session_expiry_that_was_cut_is_told(void **state)
{
    struct core_bed *b = *state;
    b->core.config.limits.session_expiry_ms = 100 * 1000;
    struct mqtt_props p = terms(b, V5_PROPS(V5_NUM(MQTT_P_SESSION_EXPIRY, 101)));
    assert_int_equal(v5_num(p, MQTT_P_SESSION_EXPIRY), 100);
    p = terms(b, V5_PROPS(V5_NUM(MQTT_P_SESSION_EXPIRY, 100)));
    assert_int_equal(v5_num(p, MQTT_P_SESSION_EXPIRY), -1);
}

/* [MQTT-3.2.2-9], 3.2.2.3.5 */
static void so_is_what_isnt_offered(void **state)
{
    struct core_bed *b = *state;
    b->core.config.mqtt.max_qos = 1;
    b->core.config.mqtt.retain = false;
    struct mqtt_props p = terms(b, v5_none);
    assert_int_equal(v5_num(p, MQTT_P_MAXIMUM_QOS), 1);
    assert_int_equal(v5_num(p, MQTT_P_RETAIN_AVAILABLE), 0);
    b->core.config.mqtt.max_qos = 0;
    assert_int_equal(v5_num(terms(b, v5_none), MQTT_P_MAXIMUM_QOS), 0);
}

/* [MQTT-3.1.3-6], 3.2.2.3.7 */
static void a_client_that_has_no_id_is_told_its_own(void **state)
{
    struct core_bed *b = *state;
    for (int clean = 0; clean <= 1; clean++) { /* 5.0 allows both */
        struct core_client *c = v5_join(b, "", clean == 1, v5_none);
        const char *id = v5_text(taken(c).props, MQTT_P_ASSIGNED_CLIENT_ID);
        assert_non_null(id);
        assert_string_equal(id, c->client->session->id);
    }
}

/* 3.1.2.11.6, 3.2.2.3.15 */
static void response_information_is_for_who_asks(void **state)
{
    char text[] = "answers/";
    struct core_bed *b = *state;
    struct mqtt_props asks = V5_PROPS(V5_NUM(MQTT_P_REQUEST_RESPONSE_INFO, 1));
    assert_null(v5_text(terms(b, asks), MQTT_P_RESPONSE_INFO)); /* there is none */
    b->core.config.mqtt.response_information = text;
    assert_string_equal(v5_text(terms(b, asks), MQTT_P_RESPONSE_INFO), "answers/");
    assert_null(v5_text(terms(b, v5_none), MQTT_P_RESPONSE_INFO));
    text[0] = '\0';
    assert_null(v5_text(terms(b, asks), MQTT_P_RESPONSE_INFO));
    b->core.config.mqtt.response_information = NULL;
}

/* Even with the longest texts that may be configured. */
static void all_of_it_has_room(void **state)
{
    char text[257];
    struct core_bed *b = *state;
    memset(text, 'r', 256);
    text[256] = '\0';
    b->core.config.mqtt = (struct mqtt_config){
        .allow_empty_client_id = true, .topic_alias_maximum = 9, .response_information = text};
    b->core.config.limits.session_expiry_ms = 1000;
    b->core.config.limits.max_keep_alive_ms = 1500;
    struct mqtt_props p = taken(v5_join(b, "", true,
                                        V5_PROPS(V5_NUM(MQTT_P_REQUEST_RESPONSE_INFO, 1),
                                                 V5_NUM(MQTT_P_SESSION_EXPIRY, 9))))
                              .props;
    assert_string_equal(v5_text(p, MQTT_P_RESPONSE_INFO), text);
    assert_non_null(v5_text(p, MQTT_P_ASSIGNED_CLIENT_ID));
    assert_int_equal(v5_num(p, MQTT_P_SERVER_KEEP_ALIVE), 1);
    assert_int_equal(v5_num(p, MQTT_P_SESSION_EXPIRY), 1);
    assert_int_equal(v5_num(p, MQTT_P_MAXIMUM_QOS), 0);
    b->core.config.mqtt.response_information = NULL;
}

/* [MQTT-3.1.2-24]: then there is nothing to say, a DISCONNECT neither [MQTT-3.14.0-1]. */
static void who_takes_no_such_packet_is_closed_without_a_word(void **state)
{
    struct core_bed *b = *state;
    struct core_client *c = v5_join(b, "c", true, V5_PROPS(V5_NUM(MQTT_P_MAXIMUM_PACKET_SIZE, 9)));
    assert_true(c->freed);
    assert_int_equal(c->out_len, 0);
    assert_int_equal(bed_broker(b)->stats.ended[END_PROTOCOL], 1);
}

/* ---- refused ---------------------------------------------------------------------------------- */

static void a_refusal_may_have_words(void **state)
{
    struct core_bed *b = *state;
    struct core_client *c = v5_join(b, "c", true, V5_PROPS(V5_NUM(MQTT_P_REQUEST_PROBLEM_INFO, 0)));
    c->out_len = 0;
    connack_refuse(c->client, MQTT_R_QUOTA_EXCEEDED, REFUSED_STORE, "too many");
    struct mqtt_connack k = taken(c);
    assert_int_equal(k.code, MQTT_R_QUOTA_EXCEEDED);
    assert_false(k.session_present);                                         /* [MQTT-3.2.2-6] */
    assert_string_equal(v5_text(k.props, MQTT_P_REASON_STRING), "too many"); /* 3.1.2.11.7 */
}

/* 3.2.2.3.16, 4.11 */
static void who_is_sent_elsewhere_is_told_where(void **state)
{
    static const int reasons[] = {[DRAIN_SHUTTING_DOWN] = MQTT_R_SERVER_UNAVAILABLE,
                                  [DRAIN_USE_ANOTHER] = MQTT_R_USE_ANOTHER_SERVER,
                                  [DRAIN_MOVED] = MQTT_R_SERVER_MOVED};
    char other[] = "other:1883";
    struct core_bed *b = *state;
    bed_broker(b)->state = BROKER_DRAINING;
    b->core.config.mqtt.server_reference = other;
    for (int says = DRAIN_SHUTTING_DOWN; says <= DRAIN_MOVED; says++) {
        b->core.config.mqtt.drain_says = says;
        struct mqtt_connack k = taken(v5_join(b, "c", true, v5_none));
        assert_int_equal(k.code, reasons[says]);
        const char *reference = v5_text(k.props, MQTT_P_SERVER_REFERENCE);
        assert_true(says == DRAIN_SHUTTING_DOWN ? reference == NULL
                                                : strcmp(reference, other) == 0);
    }
    struct core_client *old = bed_join(b, "old", true);
    assert_int_equal(bed_connack(old), MQTT_CONNACK_UNAVAILABLE);
    b->core.config.mqtt.server_reference = NULL;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BED_TEST(a_client_is_told_the_limits_that_hold),
        BED_TEST(the_receive_maximum_is_the_lower_of_two_bounds),
        BED_TEST(what_is_the_default_isnt_said),
        BED_TEST(a_session_expiry_that_was_cut_is_told),
        BED_TEST(so_is_what_isnt_offered),
        BED_TEST(a_client_that_has_no_id_is_told_its_own),
        BED_TEST(response_information_is_for_who_asks),
        BED_TEST(all_of_it_has_room),
        BED_TEST(who_takes_no_such_packet_is_closed_without_a_word),
        BED_TEST(a_refusal_may_have_words),
        BED_TEST(who_is_sent_elsewhere_is_told_where),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
