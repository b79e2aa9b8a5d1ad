/* claim: whose a client id is, here and by the store. What its session has left to do: test_claim_session.c. */
#include "broker/protocol/claim.h"

#include "broker/client/connect_attempt.h"
#include "tests/unit/broker/core_bed.h"
#include "tests/unit/broker/held_store.h"

static struct core_client *join_as(struct core_bed *b, const char *user)
{
    return bed_join_as(b, &(struct mqtt_connect){.clean_start = true,
                                                 .client_id = bed_text("c"),
                                                 .has_username = true,
                                                 .username = bed_text(user)});
}

static uint64_t ended(struct core_bed *b, enum client_end why)
{
    return bed_broker(b)->stats.ended[why];
}

/* A connection that has asked the store for its client id. */
static struct core_client *ask(struct core_bed *b, bool clean)
{
    if (held.real == NULL)
        held_begin(&b->core, HOLDS(HELD_CONNECT) | HOLDS(HELD_DISCONNECT));
    struct core_client *c = bed_join(b, "c", clean);
    assert_int_equal(c->client->state, CLIENT_CLAIMING);
    assert_int_equal(held_waiting(HELD_CONNECT), 1);
    return c;
}

static void answer(struct core_bed *b, enum store_status status,
                   const struct store_connect_result *result)
{
    held_answer_connect(status, result);
    core_settle(&b->core);
}

static int end_held(void **state)
{
    struct core_bed *b = *state;
    held_end(&b->core);
    held.real = NULL;
    return bed_tear_down(state);
}

/* ---- what the store says ---------------------------------------------------------------------- */

static void a_client_is_online_when_the_store_gives_it_its_id(void **state)
{
    struct core_bed *b = *state;
    struct core_client *c = ask(b, true);
    assert_int_equal(c->out_len, 0);
    answer(b, STORE_OK, NULL);
    assert_int_equal(c->client->state, CLIENT_ONLINE);
    assert_int_equal(bed_connack(c), MQTT_CONNACK_ACCEPTED);
}

/* It was told of the session while it asked for it in vain: messages for it are still known to be. */
static void a_session_that_is_at_another_broker_stays_known(void **state)
{
    struct core_bed *b = *state;
    ask(b, true);
    struct store_host host = host_of(bed_broker(b));
    struct store_subscription sub = {.filter = bed_text("t"), .qos = 1};
    host.durable_subscribed(host.arg, bed_text("c"), &sub);
    answer(b, STORE_FENCED, NULL);
    const struct session *s = session_table_find(bed_broker(b)->sessions, bed_text("c"));
    assert_non_null(s);
    assert_true(s->durable && s->client == NULL);
    assert_int_equal(s->subscriber.count, 1);
    host.durable_ended(host.arg, bed_text("c"));
    assert_int_equal(session_table_count(bed_broker(b)->sessions), 0);
}

/* This broker stood still, and the client has connected to another one meanwhile. Its clean connection here isn't closed
 * yet, and has subscriptions of its own. */
static void a_session_at_another_broker_is_apart_from_an_outdated_connection(void **state)
{
    struct core_bed *b = *state;
    struct core_client *old = bed_join(b, "c", true);
    bed_subscribe(b, old, "old", 1);
    struct store_host host = host_of(bed_broker(b));
    struct store_subscription sub = {.filter = bed_text("t"), .qos = 1};
    host.durable_subscribed(host.arg, bed_text("c"), &sub);
    struct message *m = message_new(&(struct mqtt_publish){.topic = bed_text("t"), .qos = 1},
                                    (struct message_id){0}, bed_text("p"));
    struct store_targets targets;
    host.match(host.arg, m, &targets);
    assert_int_equal(targets.queue_count, 1);
    host.deliver(host.arg, m);
    assert_int_equal(bed_count(old, MQTT_PUBLISH), 0);
    assert_ptr_equal(host.hold_of(host.arg, bed_text("c")), &old->client->hold);
    client_close(old->client, END_TAKEN_OVER);
    core_settle(&b->core);
    host.match(host.arg, m, &targets); /* at once, not when it has been read again */
    assert_int_equal(targets.queue_count, 1);
    const struct session *s = session_table_find(bed_broker(b)->sessions, bed_text("c"));
    assert_true(s != NULL && s->durable && s->subscriber.count == 1);
    host.durable_ended(host.arg, bed_text("c"));
    assert_int_equal(session_table_count(bed_broker(b)->sessions), 0);
    message_unref(m);
}

/* It has ended again, or lost a subscription, before the connection here was closed. */
static void what_ends_there_leaves_an_outdated_connection_alone(void **state)
{
    struct core_bed *b = *state;
    struct core_client *old = bed_join(b, "c", true);
    bed_subscribe(b, old, "t", 1);
    struct store_host host = host_of(bed_broker(b));
    host.durable_unsubscribed(host.arg, bed_text("c"), bed_text("t"));
    assert_int_equal(old->client->session->subscriber.count, 1);
    struct store_subscription sub = {.filter = bed_text("t"), .qos = 1};
    host.durable_subscribed(host.arg, bed_text("c"), &sub);
    assert_int_equal(session_table_count(bed_broker(b)->sessions), 2);
    host.durable_unsubscribed(host.arg, bed_text("c"), bed_text("t"));
    assert_int_equal(session_table_count(bed_broker(b)->sessions), 1);
    assert_int_equal(old->client->session->subscriber.count, 1);
}

static void each_refusal_of_the_store_has_its_own_end(void **state)
{
    struct core_bed *b = *state;
    struct core_client *c = ask(b, true);
    answer(b, STORE_NOT_OWNER, NULL);
    assert_int_equal(bed_connack(c), MQTT_CONNACK_NOT_AUTHORIZED);
    assert_int_equal(bed_broker(b)->stats.refused[REFUSED_OTHER_USER], 1);
    c = ask(b, true);
    answer(b, STORE_UNAVAILABLE, NULL);
    assert_int_equal(bed_connack(c), MQTT_CONNACK_UNAVAILABLE);
    assert_int_equal(bed_broker(b)->stats.refused[REFUSED_STORE], 1);
    c = ask(b, true);
    answer(b, STORE_FENCED, NULL);
    assert_int_equal(bed_connack(c), -1);
    assert_int_equal(ended(b, END_TAKEN_OVER), 1);
}

static void a_client_that_has_left_meanwhile_gives_it_back(void **state)
{
    struct core_bed *b = *state;
    struct core_client *c = ask(b, false);
    c->in_ends = true; /* and nobody has said so */
    answer(b, STORE_OK, NULL);
    assert_true(c->freed);
    assert_int_equal(c->out_len, 0);
    assert_int_equal(held_waiting(HELD_DISCONNECT), 1);
    assert_false(held.with_will);
}

static void what_the_store_refused_isnt_given_back(void **state)
{
    struct core_bed *b = *state;
    struct core_client *c = ask(b, false);
    client_close(c->client, END_EOF);
    answer(b, STORE_UNAVAILABLE, NULL);
    assert_int_equal(held_waiting(HELD_DISCONNECT), 0);
}

/* ---- an older connection here ----------------------------------------------------------------- */

static void a_newer_connection_takes_the_client_id_over(void **state)
{
    struct core_bed *b = *state;
    struct core_client *old = join_as(b, "bob"), *c = join_as(b, "bob");
    assert_true(old->freed);
    assert_int_equal(ended(b, END_TAKEN_OVER), 1);
    assert_int_equal(c->client->state, CLIENT_ONLINE);
    assert_ptr_equal(c->client->session->client, c->client);
}

static void another_users_connection_isnt_taken_over(void **state)
{
    struct core_bed *b = *state;
    struct core_client *old = join_as(b, "bob"), *c = join_as(b, "eve");
    assert_int_equal(bed_connack(c), MQTT_CONNACK_NOT_AUTHORIZED);
    assert_int_equal(bed_broker(b)->stats.refused[REFUSED_OTHER_USER], 1);
    assert_int_equal(bed_connack(bed_join(b, "c", true)), MQTT_CONNACK_NOT_AUTHORIZED);
    assert_false(old->freed);
    b->core.config.auth.shared_client_ids = true;
    assert_int_equal(bed_connack(join_as(b, "eve")), MQTT_CONNACK_ACCEPTED);
    assert_true(old->freed);
}

static void the_later_connect_is_the_newer_one(void **state)
{
    struct core_bed *b = *state;
    struct core_client *old = join_as(b, "bob");
    old->client->hold.arrived_ms += 10000; /* the other one's was read late */
    struct core_client *c = join_as(b, "bob");
    assert_true(c->freed);
    assert_int_equal(bed_connack(c), -1);
    assert_false(old->freed);
    old->client->hold.arrived_ms -= 9990; /* as precise as the kernel's clock */
    assert_int_equal(bed_connack(join_as(b, "bob")), MQTT_CONNACK_ACCEPTED);
}

/* ---- one that the store is asked about -------------------------------------------------------- */

static void another_user_waits_for_the_answer(enum store_status status, int code,
                                              struct core_bed *b)
{
    held_begin(&b->core, HOLDS(HELD_CONNECT) | HOLDS(HELD_DISCONNECT));
    struct core_client *first = join_as(b, "bob"), *second = join_as(b, "eve");
    assert_int_equal(held_waiting(HELD_CONNECT), 1);
    assert_int_equal(second->out_len, 0);
    assert_false(first->freed);
    answer(b, status, NULL);
    if (status != STORE_OK) /* now the store is asked for the second */
        answer(b, STORE_OK, NULL);
    assert_int_equal(bed_connack(second), code);
}

static void who_is_refused_leaves_it_to_the_next_user(void **state)
{
    another_user_waits_for_the_answer(STORE_UNAVAILABLE, MQTT_CONNACK_ACCEPTED, *state);
}

static void who_gets_it_keeps_the_next_user_out(void **state)
{
    another_user_waits_for_the_answer(STORE_OK, MQTT_CONNACK_NOT_AUTHORIZED, *state);
}

static void the_same_user_doesnt_wait(void **state)
{
    struct core_bed *b = *state;
    struct core_client *first = ask(b, true);
    struct core_client *second = bed_join(b, "c", true);
    assert_true(first->freed);
    assert_int_equal(held_waiting(HELD_CONNECT), 2);
    answer(b, STORE_OK, NULL); /* given back */
    assert_int_equal(held_waiting(HELD_DISCONNECT), 1);
    answer(b, STORE_OK, NULL);
    assert_int_equal(bed_connack(second), MQTT_CONNACK_ACCEPTED);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, bed_set_up, end_held)
    const struct CMUnitTest tests[] = {
        TEST(a_client_is_online_when_the_store_gives_it_its_id),
        TEST(a_session_that_is_at_another_broker_stays_known),
        BED_TEST(a_session_at_another_broker_is_apart_from_an_outdated_connection),
        BED_TEST(what_ends_there_leaves_an_outdated_connection_alone),
        TEST(each_refusal_of_the_store_has_its_own_end),
        TEST(a_client_that_has_left_meanwhile_gives_it_back),
        TEST(what_the_store_refused_isnt_given_back),
        BED_TEST(a_newer_connection_takes_the_client_id_over),
        BED_TEST(another_users_connection_isnt_taken_over),
        BED_TEST(the_later_connect_is_the_newer_one),
        TEST(who_is_refused_leaves_it_to_the_next_user),
        TEST(who_gets_it_keeps_the_next_user_out),
        TEST(the_same_user_doesnt_wait),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
