/* handle_auth: authentication in several steps, before CONNACK and again later (5.0: 4.12). By the method
 * X-MIRROR: name, challenge, challenge back to front. */
#include "broker/auth/auth_method.h"
#include "broker/client/client_v5.h"
#include "tests/unit/broker/v5_bed.h"

#define MIRROR "X-MIRROR"

static char allowed[] = MIRROR, *allowed_list[] = {allowed};

static int set_up(void **state)
{
    bed_set_up(state);
    struct core_bed *b = *state;
    bed_use_auth(b, BED_BOB BED_EVE, NULL);
    b->core.config.auth.methods = (struct config_strings){.items = allowed_list, .count = 1};
    return 0;
}

static int tear_down(void **state)
{
    struct core_bed *b = *state;
    b->core.config.auth.methods = (struct config_strings){0};
    return bed_tear_down(state);
}

static uint64_t refused(struct core_bed *b, enum refusal why)
{
    return bed_broker(b)->stats.refused[why];
}

/* A CONNECT that says this user's name at once; NULL: it says none yet. */
static struct core_client *begin(struct core_bed *b, const char *user)
{
    const struct mqtt_prop method = V5_STR(MQTT_P_AUTH_METHOD, MIRROR);
    return v5_join(b, "c", true,
                   user == NULL ? V5_PROPS(method)
                                : V5_PROPS(method, V5_STR(MQTT_P_AUTH_DATA, user)));
}

/* Takes the challenge; the answer to it. */
static struct mqtt_slice mirrored(struct core_client *c)
{
    static uint8_t answer[64];
    struct mqtt_packet p;
    struct mqtt_prop data;
    assert_true(bed_next(c, &p));
    assert_int_equal(p.type, MQTT_AUTH);
    assert_int_equal(p.u.ack.reason, MQTT_R_CONTINUE_AUTHENTICATION);
    assert_string_equal(v5_text(p.u.ack.props, MQTT_P_AUTH_METHOD), MIRROR); /* 4.12.0-5 */
    assert_true(mqtt_props_find(&p.u.ack.props, MQTT_P_AUTH_DATA, &data));
    assert_true(data.str.len <= sizeof(answer));
    for (uint32_t i = 0; i < data.str.len; i++)
        answer[i] = data.str.data[data.str.len - 1 - i];
    return mqtt_slice_of(answer, data.str.len);
}

static struct core_client *join(struct core_bed *b)
{
    struct core_client *c = begin(b, "bob");
    v5_auth(b, c, MQTT_R_CONTINUE_AUTHENTICATION, MIRROR, mirrored(c));
    assert_int_equal(bed_connack(c), MQTT_R_SUCCESS);
    return c;
}

/* ---- before CONNACK --------------------------------------------------------------------------- */

/* [MQTT-4.12.0-2], [MQTT-4.12.0-3] */
static void who_answers_rightly_is_let_in(void **state)
{
    struct core_bed *b = *state;
    struct core_client *c = begin(b, "bob");
    struct mqtt_packet p;
    assert_int_equal(c->client->state, CLIENT_CHALLENGED);
    v5_auth(b, c, MQTT_R_CONTINUE_AUTHENTICATION, MIRROR, mirrored(c));
    assert_true(bed_next(c, &p));
    assert_int_equal(p.type, MQTT_CONNACK);
    assert_int_equal(p.u.connack.code, MQTT_R_SUCCESS);
    assert_string_equal(v5_text(p.u.connack.props, MQTT_P_AUTH_METHOD), MIRROR);
    assert_string_equal(v5_text(p.u.connack.props, MQTT_P_AUTH_DATA), "welcome");
    assert_string_equal(c->client->who.username, "bob");
    assert_int_not_equal(c->client->user_stamp, 0);
    assert_null(c->client->v5->auth->exchange); /* it is over */
}

static void a_method_may_ask_as_often_as_it_has_to(void **state)
{
    struct core_bed *b = *state;
    struct core_client *c = begin(b, NULL);
    struct mqtt_packet p;
    assert_true(bed_next(c, &p)); /* asks for the name */
    assert_int_equal(p.type, MQTT_AUTH);
    assert_null(v5_text(p.u.ack.props, MQTT_P_AUTH_DATA));
    v5_auth(b, c, MQTT_R_CONTINUE_AUTHENTICATION, MIRROR, bed_text("bob"));
    v5_auth(b, c, MQTT_R_CONTINUE_AUTHENTICATION, MIRROR, mirrored(c));
    assert_int_equal(bed_connack(c), MQTT_R_SUCCESS);
}

/* [MQTT-4.12.0-4] */
static void who_answers_wrongly_is_refused(void **state)
{
    struct core_bed *b = *state;
    struct core_client *c = begin(b, "bob");
    mirrored(c);
    v5_auth(b, c, MQTT_R_CONTINUE_AUTHENTICATION, MIRROR, bed_text("0123456789abcdef"));
    assert_true(c->freed);
    assert_int_equal(bed_connack(c), MQTT_R_NOT_AUTHORIZED);
    assert_int_equal(refused(b, REFUSED_LOGIN), 1);
}

static void so_is_a_user_that_isnt_known(void **state)
{
    struct core_bed *b = *state;
    struct core_client *c = begin(b, "mallory");
    v5_auth(b, c, MQTT_R_CONTINUE_AUTHENTICATION, MIRROR, mirrored(c));
    assert_int_equal(bed_connack(c), MQTT_R_NOT_AUTHORIZED);
}

/* It isn't the user whose name it begins with. */
static void so_is_a_name_with_a_nul_in_it(void **state)
{
    struct core_bed *b = *state;
    struct core_client *c = begin(b, NULL);
    bed_next(c, &(struct mqtt_packet){0});
    v5_auth(b, c, MQTT_R_CONTINUE_AUTHENTICATION, MIRROR, mqtt_slice_of("bob\0x", 5));
    v5_auth(b, c, MQTT_R_CONTINUE_AUTHENTICATION, MIRROR, mirrored(c));
    assert_int_equal(bed_connack(c), MQTT_R_NOT_AUTHORIZED);
}

/* [MQTT-4.12.0-1] */
static void and_a_method_that_isnt_allowed_or_known(void **state)
{
    struct core_bed *b = *state;
    struct core_client *c = v5_join(b, "c", true, V5_PROPS(V5_STR(MQTT_P_AUTH_METHOD, "SCRAM")));
    assert_int_equal(bed_connack(c), MQTT_R_BAD_AUTH_METHOD);
    b->core.config.auth.methods.count = 0;
    c = begin(b, "bob");
    assert_int_equal(bed_connack(c), MQTT_R_BAD_AUTH_METHOD);
    assert_int_equal(refused(b, REFUSED_AUTH_METHOD), 2);
}

/* [MQTT-4.12.0-5] */
static void no_other_method_may_go_on(void **state)
{
    struct core_bed *b = *state;
    struct core_client *c = begin(b, "bob");
    v5_auth(b, c, MQTT_R_CONTINUE_AUTHENTICATION, "X-OTHER", mirrored(c));
    assert_true(c->freed);
    assert_int_equal(bed_connack(c), MQTT_R_PROTOCOL_ERROR);
}

/* 4.12.1: only who is let in can do so again. */
static void nor_may_it_begin_anew(void **state)
{
    struct core_bed *b = *state;
    struct core_client *c = begin(b, "bob");
    v5_auth(b, c, MQTT_R_REAUTHENTICATE, MIRROR, mirrored(c));
    assert_true(c->freed);
    assert_int_equal(bed_connack(c), MQTT_R_PROTOCOL_ERROR);
}

/* [MQTT-3.1.2-30] */
static void nothing_else_may_come_before_connack(void **state)
{
    struct core_bed *b = *state;
    struct core_client *c = begin(b, "bob");
    mirrored(c);
    bed_publish(b, c, "t", 0, false);
    assert_true(c->freed);
    assert_int_equal(c->out_len, 0); /* [MQTT-3.14.0-1] */
    c = begin(b, "bob");
    mirrored(c);
    v5_say(b, c, MQTT_DISCONNECT, 0, MQTT_R_SUCCESS, v5_none);
    assert_true(c->freed);
    assert_int_equal(bed_broker(b)->stats.ended[END_DISCONNECT], 1);
}

/* ---- again ------------------------------------------------------------------------------------ */

/* [MQTT-4.12.1-1] */
static void who_is_online_may_do_it_again(void **state)
{
    struct core_bed *b = *state;
    struct core_client *c = join(b);
    struct mqtt_packet p;
    for (int i = 0; i < 2; i++) {
        v5_auth(b, c, MQTT_R_REAUTHENTICATE, MIRROR, bed_text("bob"));
        struct mqtt_slice answer = mirrored(c);
        bed_publish(b, c, "t", 0, false); /* meanwhile all goes on */
        v5_auth(b, c, MQTT_R_CONTINUE_AUTHENTICATION, MIRROR, answer);
        assert_true(bed_next(c, &p));
        assert_int_equal(p.type, MQTT_AUTH);
        assert_int_equal(p.u.ack.reason, MQTT_R_SUCCESS);
        assert_string_equal(v5_text(p.u.ack.props, MQTT_P_AUTH_DATA), "welcome");
        assert_null(c->client->v5->auth->exchange);
    }
}

/* [MQTT-4.12.1-2] */
static void who_fails_then_is_closed(void **state)
{
    struct core_bed *b = *state;
    struct core_client *c = join(b);
    v5_auth(b, c, MQTT_R_REAUTHENTICATE, MIRROR, bed_text("bob"));
    mirrored(c);
    v5_auth(b, c, MQTT_R_CONTINUE_AUTHENTICATION, MIRROR, bed_text("wrong"));
    assert_int_equal(v5_end_reason(c), MQTT_R_NOT_AUTHORIZED);
}

/* Another one's rights aren't its own. */
static void nobody_becomes_another_user_by_it(void **state)
{
    struct core_bed *b = *state;
    struct core_client *c = join(b);
    v5_auth(b, c, MQTT_R_REAUTHENTICATE, MIRROR, bed_text("eve"));
    v5_auth(b, c, MQTT_R_CONTINUE_AUTHENTICATION, MIRROR, mirrored(c));
    assert_int_equal(v5_end_reason(c), MQTT_R_NOT_AUTHORIZED);
}

static void what_wasnt_begun_cant_go_on(void **state)
{
    struct core_bed *b = *state;
    struct core_client *c = join(b);
    v5_auth(b, c, MQTT_R_CONTINUE_AUTHENTICATION, MIRROR, bed_text("bob"));
    assert_int_equal(v5_end_reason(c), MQTT_R_PROTOCOL_ERROR);
}

/* [MQTT-4.12.0-7], [MQTT-4.12.1-1] */
static void nor_who_authenticated_otherwise(void **state)
{
    struct core_bed *b = *state;
    bed_use_auth(b, NULL, NULL); /* anyone is let in */
    struct core_client *c = v5_join(b, "c", true, v5_none);
    assert_int_equal(bed_connack(c), MQTT_R_SUCCESS);
    v5_auth(b, c, MQTT_R_REAUTHENTICATE, MIRROR, bed_text("bob"));
    assert_int_equal(v5_end_reason(c), MQTT_R_PROTOCOL_ERROR);
    c = begin(b, "bob");
    v5_auth(b, c, MQTT_R_CONTINUE_AUTHENTICATION, MIRROR, mirrored(c));
    assert_int_equal(bed_connack(c), MQTT_R_SUCCESS);
    v5_auth(b, c, MQTT_R_REAUTHENTICATE, "X-OTHER", bed_text("bob"));
    assert_int_equal(v5_end_reason(c), MQTT_R_PROTOCOL_ERROR);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(who_answers_rightly_is_let_in),
        TEST(a_method_may_ask_as_often_as_it_has_to),
        TEST(who_answers_wrongly_is_refused),
        TEST(so_is_a_user_that_isnt_known),
        TEST(so_is_a_name_with_a_nul_in_it),
        TEST(and_a_method_that_isnt_allowed_or_known),
        TEST(no_other_method_may_go_on),
        TEST(nor_may_it_begin_anew),
        TEST(nothing_else_may_come_before_connack),
        TEST(who_is_online_may_do_it_again),
        TEST(who_fails_then_is_closed),
        TEST(nobody_becomes_another_user_by_it),
        TEST(what_wasnt_begun_cant_go_on),
        TEST(nor_who_authenticated_otherwise),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
