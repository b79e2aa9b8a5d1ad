/* claim: what a session has left to do when its client is there again. */
#include "broker/protocol/claim.h"

#include "tests/unit/broker/core_bed.h"
#include "tests/unit/broker/held_store.h"

/* A connection that has asked the store for its client id. */
static struct core_client *ask(struct core_bed *b, bool clean)
{
    if (held.real == NULL)
        held_begin(&b->core, HOLDS(HELD_CONNECT) | HOLDS(HELD_FETCH) | HOLDS(HELD_DISCONNECT) |
                                 HOLDS(HELD_UNSUBSCRIBE));
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

/* ---- the client ------------------------------------------------------------------------------- */

static bool present(struct core_client *c)
{
    struct mqtt_packet p;
    assert_true(bed_find(c, MQTT_CONNACK, &p));
    return p.u.connack.session_present;
}

static void a_session_is_present_for_who_didnt_ask_for_a_clean_one(void **state)
{
    static const struct store_connect_result had = {.session_present = true, .next_sequence = 9};
    struct core_bed *b = *state;
    struct core_client *c = ask(b, true);
    answer(b, STORE_OK, &had);
    assert_false(present(c));
    assert_int_equal(inflight_next(&c->client->inflight), 1);
    assert_false(c->client->session->durable);
    bed_leave(b, c);
    c = ask(b, false);
    answer(b, STORE_OK, &had);
    assert_true(present(c));
    assert_int_equal(inflight_next(&c->client->inflight), 9); /* where the queue is read from */
    assert_true(c->client->session->durable);
    bed_leave(b, c);
    c = ask(b, false);
    answer(b, STORE_OK, NULL);
    assert_false(present(c));
    assert_int_equal(inflight_next(&c->client->inflight), 1);
}

/* In 3.1 the byte is reserved: its clients know no such flag. */
static void a_client_of_3_1_isnt_told_of_its_session(void **state)
{
    struct core_bed *b = *state;
    for (int version = MQTT_V31; version <= MQTT_V311; version++) {
        bed_leave(b, bed_join(b, "c", false));
        struct core_client *c =
            bed_join_as(b, &(struct mqtt_connect){.version = (enum mqtt_version)version,
                                                  .level = (uint8_t)version,
                                                  .client_id = bed_text("c")});
        assert_int_equal(c->out_len, 4);
        assert_int_equal(c->out[2], version == MQTT_V31 ? 0 : 1);
        assert_int_equal(c->out[3], MQTT_CONNACK_ACCEPTED);
        bed_leave(b, c);
    }
}

static void what_was_received_before_is_released_again_in_order(void **state)
{
    static const uint64_t released[] = {5, 3};
    static const struct store_connect_result had = {
        .session_present = true, .released = released, .released_count = 2, .next_sequence = 6};
    struct core_bed *b = *state;
    struct core_client *c = ask(b, false);
    answer(b, STORE_OK, &had);
    assert_true(present(c));
    assert_true(bed_acked(c, MQTT_PUBREL, 5));
    assert_true(bed_acked(c, MQTT_PUBREL, 3));
}

/* ---- its subscriptions ------------------------------------------------------------------------ */

static const struct store_subscription subs[] = {{.filter = {(const uint8_t *)"a", 1}, .qos = 1},
                                                 {.filter = {(const uint8_t *)"b", 1}},
                                                 {.filter = {(const uint8_t *)"$share/g/t", 10}}};

static bool has(const struct core_client *c, const char *filter)
{
    return router_is_subscribed(c->client->broker->router, c->client->session, bed_text(filter),
                                NULL);
}

/* Connected, with these of the subscriptions; and with one that the store doesn't know. */
static struct core_client *come_back(struct core_bed *b, const struct store_connect_result *r)
{
    struct core_client *c = ask(b, false);
    struct subscription_options options = {0};
    assert_true(
        router_subscribe(bed_broker(b)->router, c->client->session, bed_text("x"), options));
    answer(b, STORE_OK, r);
    assert_int_equal(c->client->state, CLIENT_ONLINE);
    return c;
}

static void its_subscriptions_are_exactly_the_stores(void **state)
{
    static const struct store_connect_result had = {
        .session_present = true, .subscriptions = subs, .subscription_count = 2};
    struct core_client *c = come_back(*state, &had);
    assert_true(has(c, "a"));
    assert_true(has(c, "b"));
    assert_false(has(c, "x"));
}

static void their_options_are_the_stores_too(void **state)
{
    static const struct store_subscription with_options[] = {
        {.filter = {(const uint8_t *)"x", 1}, .qos = 2, .no_local = true, .subscription_id = 7},
        {.filter = {(const uint8_t *)"y", 1}, .retain_as_published = true}};
    static const struct store_connect_result had = {
        .session_present = true, .subscriptions = with_options, .subscription_count = 2};
    struct core_client *c = come_back(*state, &had);
    struct router *router = c->client->broker->router;
    struct subscription_options o;
    assert_true(router_is_subscribed(router, c->client->session, bed_text("x"), &o));
    assert_true(o.qos == 2 && o.no_local && !o.retain_as_published && o.subscription_id == 7);
    assert_true(router_is_subscribed(router, c->client->session, bed_text("y"), &o));
    assert_true(o.qos == 0 && !o.no_local && o.retain_as_published && o.subscription_id == 0);
}

static void a_store_that_has_none_leaves_none(void **state)
{
    static const struct store_connect_result had = {.session_present = true}, *none = NULL;
    assert_false(has(come_back(*state, &had), "x"));
    bed_leave(*state, ((struct core_bed *)*state)->clients[0].c);
    assert_false(has(come_back(*state, none), "x"));
}

static void a_store_that_keeps_none_leaves_them(void **state)
{
    static const struct store_connect_result had = {.session_present = true,
                                                    .subscriptions_kept = true};
    assert_true(has(come_back(*state, &had), "x"));
}

/* Told before, one by one: `x` stands for such a one. */
static void what_it_was_told_before_isnt_added_again(void **state)
{
    static const struct store_connect_result had = {.session_present = true,
                                                    .subscriptions_told = true,
                                                    .subscriptions = subs,
                                                    .subscription_count = 1};
    struct core_client *c = come_back(*state, &had);
    assert_true(has(c, "x"));
    assert_false(has(c, "a"));
}

static void it_is_a_member_of_its_groups_again(void **state)
{
    static const struct store_connect_result had = {
        .session_present = true, .subscriptions = subs, .subscription_count = 3};
    struct core_bed *b = *state;
    struct core_client *c = come_back(b, &had);
    assert_true(has(c, "a"));
    assert_true(has(c, "$share/g/t"));
    assert_non_null(c->client->shares);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, bed_set_up, end_held)
    const struct CMUnitTest tests[] = {
        TEST(a_session_is_present_for_who_didnt_ask_for_a_clean_one),
        BED_TEST(a_client_of_3_1_isnt_told_of_its_session),
        TEST(what_was_received_before_is_released_again_in_order),
        TEST(its_subscriptions_are_exactly_the_stores),
        TEST(their_options_are_the_stores_too),
        TEST(a_store_that_has_none_leaves_none),
        TEST(a_store_that_keeps_none_leaves_them),
        TEST(what_it_was_told_before_isnt_added_again),
        TEST(it_is_a_member_of_its_groups_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
