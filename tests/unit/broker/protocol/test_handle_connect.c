/* handle_connect: which CONNECTs are let in, and what the others are told. */
#include "broker/client/connect_attempt.h"
#include "tests/unit/broker/core_bed.h"
#include "tests/unit/broker/held_store.h"

static struct core_client *join_as(struct core_bed *b, const char *user, const char *id)
{
    return bed_join_as(b, &(struct mqtt_connect){.clean_start = true,
                                                 .client_id = bed_text(id),
                                                 .has_username = user != NULL,
                                                 .username = bed_text(user != NULL ? user : "")});
}

static uint64_t refused(struct core_bed *b, enum refusal why)
{
    return bed_broker(b)->stats.refused[why];
}

/* ---- version and client id -------------------------------------------------------------------- */

static void three_versions_are_let_in_and_others_refused(void **state)
{
    struct core_bed *b = *state;
    struct core_client *v31 = bed_connect(b), *v5 = bed_connect(b), *unknown = bed_connect(b);
    BED_SEND(b, v31, "\x10\x0f\0\6MQIsdp\3\2\0\0\0\1a");
    assert_int_equal(bed_connack(v31), MQTT_CONNACK_ACCEPTED);
    v5->version = MQTT_V5;
    BED_SEND(b, v5, "\x10\x0e\0\4MQTT\5\2\0\0\0\0\1b");
    assert_int_equal(bed_connack(v5), MQTT_R_SUCCESS);
    BED_SEND(b, unknown, "\x10\x0d\0\4MQTT\6\2\0\0\0\1c");
    assert_int_equal(bed_connack(unknown), MQTT_CONNACK_BAD_VERSION);
    assert_int_equal(refused(b, REFUSED_VERSION), 1);
}

static void a_client_may_leave_its_id_to_us(void **state)
{
    struct core_bed *b = *state;
    struct core_client *c = bed_join(b, "", true), *other = bed_join(b, "", true);
    assert_int_equal(bed_connack(c), MQTT_CONNACK_ACCEPTED);
    assert_int_equal(bed_connack(other), MQTT_CONNACK_ACCEPTED);
    assert_memory_equal(c->client->session->id, "flotilla", 8);
    assert_int_equal(c->client->session->id_len, 32);
    assert_string_not_equal(c->client->session->id, other->client->session->id);
}

static void but_not_for_a_session_that_lasts(void **state)
{
    struct core_bed *b = *state;
    assert_int_equal(bed_connack(bed_join(b, "", false)), MQTT_CONNACK_BAD_CLIENT_ID);
    assert_int_equal(refused(b, REFUSED_CLIENT_ID), 1);
}

static void a_client_id_may_be_as_long_as_the_limit(void **state)
{
    struct core_bed *b = *state;
    b->core.config.limits.max_client_id_length = 4;
    assert_int_equal(bed_connack(bed_join(b, "1234", true)), MQTT_CONNACK_ACCEPTED);
    assert_int_equal(bed_connack(bed_join(b, "12345", true)), MQTT_CONNACK_BAD_CLIENT_ID);
}

/* ---- when there is nothing to connect to ------------------------------------------------------ */

static void a_draining_broker_takes_nobody(void **state)
{
    struct core_bed *b = *state;
    bed_broker(b)->state = BROKER_DRAINING;
    assert_int_equal(bed_connack(bed_join(b, "c", true)), MQTT_CONNACK_UNAVAILABLE);
    assert_int_equal(refused(b, REFUSED_DRAINING), 1);
}

static enum store_health is_starting(const struct store *s)
{
    (void)s;
    return STORE_STARTING;
}

static void nor_does_one_whose_store_isnt_ready(void **state)
{
    struct core_bed *b = *state;
    held_begin(&b->core, 0);
    held.ops.health = is_starting;
    assert_int_equal(bed_connack(bed_join(b, "c", true)), MQTT_CONNACK_UNAVAILABLE);
    assert_int_equal(refused(b, REFUSED_STORE), 1);
    held_end(&b->core);
    assert_int_equal(bed_connack(bed_join(b, "c", true)), MQTT_CONNACK_ACCEPTED);
}

/* ---- passwords -------------------------------------------------------------------------------- */

static struct core_client *login(struct core_bed *b, const char *password)
{
    return bed_join_as(b, &(struct mqtt_connect){.clean_start = true,
                                                 .client_id = bed_text("c"),
                                                 .has_username = true,
                                                 .username = bed_text("bob"),
                                                 .has_password = true,
                                                 .password = bed_text(password)});
}

static void a_right_password_lets_in(void **state)
{
    struct core_bed *b = *state;
    bed_use_auth(b, BED_BOB, NULL);
    struct core_client *c = login(b, "builder");
    assert_int_equal(c->client->state, CLIENT_AUTHENTICATING);
    bed_await_login(b, c);
    assert_int_equal(bed_connack(c), MQTT_CONNACK_ACCEPTED);
    assert_string_equal(c->client->who.username, "bob");
    assert_int_not_equal(c->client->user_stamp, 0);
}

static void a_wrong_one_doesnt(void **state)
{
    struct core_bed *b = *state;
    bed_use_auth(b, BED_BOB, NULL);
    struct core_client *c = login(b, "wrong");
    bed_await_login(b, c);
    assert_int_equal(bed_connack(c), MQTT_CONNACK_BAD_LOGIN);
    assert_int_equal(refused(b, REFUSED_LOGIN), 1);
    assert_int_equal(bed_connack(join_as(b, NULL, "d")), MQTT_CONNACK_NOT_AUTHORIZED);
    assert_int_equal(refused(b, REFUSED_NOT_AUTHORIZED), 1);
}

static void one_that_isnt_checked_in_time_is_told_to_come_again(void **state)
{
    struct core_bed *b = *state;
    bed_use_auth(b, BED_BOB, NULL);
    struct core_client *c = login(b, "builder");
    connect_attempt_late(c->client);
    core_settle(&b->core);
    assert_int_equal(bed_connack(c), MQTT_CONNACK_UNAVAILABLE);
    assert_int_equal(refused(b, REFUSED_LOGIN_BUSY), 1);
}

/* What was right when it came isn't any more. */
static void what_changed_meanwhile_counts(void **state)
{
    struct core_bed *b = *state;
    bed_use_auth(b, BED_BOB, NULL);
    struct core_client *c = login(b, "builder"), *other = login(b, "builder");
    chain_cancel(&c->client->connecting->login);
    c->client->connecting->login.source.grant =
        (struct grant){.source = SOURCE_FILE, .stamp = 1}; /* of a password that is replaced */
    connect_attempt_judged(c->client, LOGIN_OK);
    core_settle(&b->core);
    assert_int_equal(bed_connack(c), MQTT_CONNACK_NOT_AUTHORIZED);
    bed_broker(b)->state = BROKER_DRAINING;
    bed_await_login(b, other);
    assert_int_equal(bed_connack(other), MQTT_CONNACK_UNAVAILABLE);
    assert_int_equal(refused(b, REFUSED_DRAINING), 1);
}

/* ---- which client ids a user may have --------------------------------------------------------- */

static void a_client_id_follows_the_rule_for_user_names(void **state)
{
    static const struct {
        int rule;
        const char *user, *id;
        bool allowed;
    } cases[] = {
        {CLIENT_ID_ANY, "bob", "x", true},
        {CLIENT_ID_ANY, NULL, "x", true},
        {CLIENT_ID_EQUALS_USERNAME, "bob", "bob", true},
        {CLIENT_ID_EQUALS_USERNAME, "bob", "bob-1", false},
        {CLIENT_ID_EQUALS_USERNAME, "bob", "bo", false},
        {CLIENT_ID_EQUALS_USERNAME, "bob", "eve", false},
        {CLIENT_ID_EQUALS_USERNAME, NULL, "x", false},
        {CLIENT_ID_EQUALS_USERNAME, "", "x", false},
        {CLIENT_ID_EQUALS_USERNAME, "bob", "", true}, /* we make one */
        {CLIENT_ID_BEGINS_WITH_USERNAME, "bob", "bob", true},
        {CLIENT_ID_BEGINS_WITH_USERNAME, "bob", "bob-1", true},
        {CLIENT_ID_BEGINS_WITH_USERNAME, "bob", "bob:", true},
        {CLIENT_ID_BEGINS_WITH_USERNAME, "bob", "bob1", false}, /* that is another user */
        {CLIENT_ID_BEGINS_WITH_USERNAME, "bob", "eve-1", false},
        {CLIENT_ID_BEGINS_WITH_USERNAME, NULL, "x", false},
    };
    struct core_bed *b = *state;
    uint64_t refusals = 0;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        b->core.config.auth.client_id = cases[i].rule;
        struct core_client *c = join_as(b, cases[i].user, cases[i].id);
        assert_int_equal(bed_connack(c),
                         cases[i].allowed ? MQTT_CONNACK_ACCEPTED : MQTT_CONNACK_NOT_AUTHORIZED);
        refusals += !cases[i].allowed;
        assert_int_equal(refused(b, REFUSED_OTHER_USER), refusals);
        bed_leave(b, c);
    }
}

/* ---- wills ------------------------------------------------------------------------------------ */

static struct core_client *join_with_will(struct core_bed *b, const char *topic)
{
    return bed_join_as(b, &(struct mqtt_connect){.clean_start = true,
                                                 .client_id = bed_text("c"),
                                                 .has_will = true,
                                                 .will_topic = bed_text(topic),
                                                 .will_payload = bed_text("x")});
}

static void a_will_that_isnt_allowed_is_dropped_and_its_client_let_in(void **state)
{
    struct core_bed *b = *state;
    b->core.config.limits.max_topic_levels = 2;
    struct core_client *c = join_with_will(b, "$SYS/w");
    assert_int_equal(bed_connack(c), MQTT_CONNACK_ACCEPTED);
    assert_null(c->client->will_topic);
    assert_int_equal(bed_broker(b)->stats.dropped[DROP_DENIED], 1);
    bed_leave(b, c);
    c = join_with_will(b, "a/b/c");
    assert_int_equal(bed_connack(c), MQTT_CONNACK_ACCEPTED);
    assert_int_equal(bed_broker(b)->stats.dropped[DROP_DENIED], 2);
    bed_leave(b, c);
    c = join_with_will(b, "a/b");
    assert_string_equal(c->client->will_topic, "a/b");
    assert_int_equal(bed_broker(b)->stats.dropped[DROP_DENIED], 2);
}

static void what_is_kept_of_a_connect_counts_as_its_memory(void **state)
{
    static char name[SHED_FLOOR_STRANGER + 1];
    struct core_bed *b = *state;
    struct core_client *c = join_with_will(b, "abc");
    assert_int_equal(c->client->connect_bytes, 7); /* topic, topic of the will, payload */
    memset(name, 'x', SHED_FLOOR_STRANGER - 1);
    assert_false(join_as(b, name, "d")->client->on_holders);
    name[SHED_FLOOR_STRANGER - 1] = 'x';
    assert_true(join_as(b, name, "e")->client->on_holders);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BED_TEST(three_versions_are_let_in_and_others_refused),
        BED_TEST(a_client_may_leave_its_id_to_us),
        BED_TEST(but_not_for_a_session_that_lasts),
        BED_TEST(a_client_id_may_be_as_long_as_the_limit),
        BED_TEST(a_draining_broker_takes_nobody),
        BED_TEST(nor_does_one_whose_store_isnt_ready),
        BED_TEST(a_right_password_lets_in),
        BED_TEST(a_wrong_one_doesnt),
        BED_TEST(one_that_isnt_checked_in_time_is_told_to_come_again),
        BED_TEST(what_changed_meanwhile_counts),
        BED_TEST(a_client_id_follows_the_rule_for_user_names),
        BED_TEST(a_will_that_isnt_allowed_is_dropped_and_its_client_let_in),
        BED_TEST(what_is_kept_of_a_connect_counts_as_its_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
