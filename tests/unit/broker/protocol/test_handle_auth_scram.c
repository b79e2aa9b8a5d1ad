/* handle_auth with SCRAM-SHA-256: failures that are counted and answered later (the exchange itself:
 * test_auth_method_scram). */
#include "broker/auth/auth_method.h"
#include "broker/client/client_v5.h"
#include "tests/unit/broker/auth/scram_client.h"
#include "tests/unit/broker/v5_bed.h"

#define METHOD "SCRAM-SHA-256"

static char allowed[] = METHOD, *allowed_list[] = {allowed};

/* With so costly a hash in the file, an answer that is as late as a hash takes long enough to be seen. */
#define COSTLY "costly:$7$30000$Ptfbf+/UilUk4JMs$" HASH_TAIL
#define HASH_TAIL                                                                                  \
    "ydlQabaPjb0+npFzHtU/4PYdOTDjX3OlejCxbCIG2TmRlCxHF26LkMAV1PTuTy6Xz"                            \
    "ZNrXsaK6obQzf2tBrXizQ==\n"

static int set_up(void **state)
{
    bed_set_up(state);
    struct core_bed *b = *state;
    bed_use_auth(b, SCRAM_ANN SCRAM_BOB COSTLY, NULL);
    b->core.config.auth.methods = (struct config_strings){.items = allowed_list, .count = 1};
    return 0;
}

static int tear_down(void **state)
{
    struct core_bed *b = *state;
    b->core.config.auth.methods = (struct config_strings){0};
    return bed_tear_down(state);
}

/* A CONNECT with client-first-message. */
static struct core_client *begin(struct core_bed *b, const char *first)
{
    const char *id = strcmp(first, SCRAM_FIRST("bob")) == 0 ? "bobs" : "c";
    return v5_join(b, id, true,
                   V5_PROPS(V5_STR(MQTT_P_AUTH_METHOD, METHOD), V5_STR(MQTT_P_AUTH_DATA, first)));
}

static struct mqtt_slice challenge(struct core_client *c)
{
    static char text[512];
    struct mqtt_packet p;
    struct mqtt_prop data;
    assert_true(bed_next(c, &p));
    assert_int_equal(p.type, MQTT_AUTH);
    assert_int_equal(p.u.ack.reason, MQTT_R_CONTINUE_AUTHENTICATION);
    assert_true(mqtt_props_find(&p.u.ack.props, MQTT_P_AUTH_DATA, &data));
    assert_true(data.str.len < sizeof(text));
    memcpy(text, data.str.data, data.str.len);
    return mqtt_slice_of(text, data.str.len);
}

static void answer(struct core_bed *b, struct core_client *c, const char *user,
                   const char *password)
{
    struct mqtt_slice final = scram_client_final(user, password, challenge(c));
    v5_auth(b, c, MQTT_R_CONTINUE_AUTHENTICATION, METHOD, final);
}

static struct core_client *join(struct core_bed *b)
{
    struct core_client *c = begin(b, SCRAM_FIRST("ann"));
    answer(b, c, "ann", "secret");
    assert_int_equal(bed_connack(c), MQTT_R_SUCCESS);
    return c;
}

static void who_is_right_is_let_in_at_once(void **state)
{
    struct core_bed *b = *state;
    struct core_client *c = begin(b, SCRAM_FIRST("ann"));
    struct mqtt_packet p;
    answer(b, c, "ann", "secret");
    assert_true(bed_next(c, &p));
    assert_int_equal(p.type, MQTT_CONNACK);
    assert_int_equal(p.u.connack.code, MQTT_R_SUCCESS);
    assert_memory_equal(v5_text(p.u.connack.props, MQTT_P_AUTH_DATA), "v=", 2);
    assert_string_equal(c->client->who.username, "ann");
    assert_int_not_equal(c->client->user_stamp, 0);
    assert_null(c->client->v5->auth->exchange);
}

static void who_is_wrong_waits_for_its_answer(void **state)
{
    struct core_bed *b = *state;
    struct core_client *c = begin(b, SCRAM_FIRST("ann"));
    answer(b, c, "ann", "wrong");
    assert_int_equal(c->client->state, CLIENT_AUTHENTICATING);
    bed_await_login(b, c);
    assert_int_equal(bed_connack(c), MQTT_R_NOT_AUTHORIZED);
    assert_int_equal(bed_broker(b)->stats.refused[REFUSED_LOGIN], 1);
}

/* Or right guesses would be told from wrong ones before these are answered. */
static void then_who_is_right_waits_too(void **state)
{
    struct core_bed *b = *state;
    struct core_client *c = begin(b, SCRAM_FIRST("ann"));
    answer(b, c, "ann", "wrong");
    bed_await_login(b, c);
    c = begin(b, SCRAM_FIRST("ann"));
    answer(b, c, "ann", "secret");
    assert_int_equal(c->client->state, CLIENT_AUTHENTICATING);
    bed_await_login(b, c);
    assert_int_equal(bed_connack(c), MQTT_R_SUCCESS);
    assert_string_equal(c->client->who.username, "ann");
    c = begin(b, SCRAM_FIRST("bob")); /* nobody guesses at him */
    answer(b, c, "bob", "builder");
    assert_int_equal(bed_connack(c), MQTT_R_SUCCESS);
}

static void who_leaves_meanwhile_is_told_nothing(void **state)
{
    struct core_bed *b = *state;
    struct core_client *c = begin(b, SCRAM_FIRST("ann"));
    answer(b, c, "ann", "wrong");
    assert_int_equal(c->client->state, CLIENT_AUTHENTICATING);
    client_close_later(c->client, END_EOF);
    core_settle(&b->core);
    assert_true(c->freed);
}

static void a_failure_later_counts_as_well(void **state)
{
    struct core_bed *b = *state;
    struct core_client *c = join(b);
    v5_auth(b, c, MQTT_R_REAUTHENTICATE, METHOD, bed_text(SCRAM_FIRST("ann")));
    answer(b, c, "ann", "wrong");
    assert_int_equal(v5_end_reason(c), MQTT_R_NOT_AUTHORIZED);
    c = begin(b, SCRAM_FIRST("ann"));
    answer(b, c, "ann", "secret");
    assert_int_equal(c->client->state, CLIENT_AUTHENTICATING);
    bed_await_login(b, c);
    assert_int_equal(bed_connack(c), MQTT_R_SUCCESS);
}

static void again_as_oneself_and_not_as_another_one(void **state)
{
    struct core_bed *b = *state;
    struct core_client *c = join(b);
    struct mqtt_packet p;
    v5_auth(b, c, MQTT_R_REAUTHENTICATE, METHOD, bed_text(SCRAM_FIRST("ann")));
    answer(b, c, "ann", "secret");
    assert_true(bed_next(c, &p));
    assert_int_equal(p.type, MQTT_AUTH);
    assert_int_equal(p.u.ack.reason, MQTT_R_SUCCESS);
    v5_auth(b, c, MQTT_R_REAUTHENTICATE, METHOD, bed_text(SCRAM_FIRST("bob")));
    answer(b, c, "bob", "builder");
    assert_int_equal(v5_end_reason(c), MQTT_R_NOT_AUTHORIZED);
}

static void an_exchange_has_its_time(void **state)
{
    struct core_bed *b = *state;
    struct core_client *c = join(b);
    v5_auth(b, c, MQTT_R_REAUTHENTICATE, METHOD, bed_text(SCRAM_FIRST("ann")));
    struct mqtt_slice final = scram_client_final("ann", "secret", challenge(c));
    c->client->v5->auth->until_ms = 0;
    v5_auth(b, c, MQTT_R_CONTINUE_AUTHENTICATION, METHOD, final);
    assert_int_equal(v5_end_reason(c), MQTT_R_NOT_AUTHORIZED);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(who_is_right_is_let_in_at_once), TEST(who_is_wrong_waits_for_its_answer),
        TEST(then_who_is_right_waits_too),    TEST(who_leaves_meanwhile_is_told_nothing),
        TEST(a_failure_later_counts_as_well), TEST(again_as_oneself_and_not_as_another_one),
        TEST(an_exchange_has_its_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
