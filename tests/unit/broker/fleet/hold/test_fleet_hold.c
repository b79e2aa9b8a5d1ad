/* fleet_hold: a hold is in the list until its connection ends, and lives as long as somebody refers to it. */
#include "broker/fleet/hold/fleet_hold.h"
#include "tests/unit/broker/fleet/lone_node.h"

/* The clients of the list's holds. */
static const char *listed(const struct lone_node *n)
{
    static char text[64];
    text[0] = '\0';
    for (const struct fleet_hold *h = n->f.holds->first; h != NULL; h = h->next) {
        assert_true(h->next == NULL || h->next->prev == h);
        snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s", h->hold->client_id);
    }
    return text;
}

static void a_new_hold_belongs_to_the_latest_round(void **state)
{
    struct lone_node *n = *state;
    n->f.holds->round = 7;
    const struct fleet_hold *h = lone_connected(n, "c", true)->store_data;
    assert_int_equal(h->asserted, 7);
    assert_int_equal(h->bucket, fleet_client_bucket(&n->f.keys, mqtt_slice_of("c", 1)));
    assert_int_equal(h->behalf.client, fleet_behalf_of(&n->f, mqtt_slice_of("c", 1), 0).client);
    assert_string_equal(listed(n), "c");
}

static void one_that_ends_leaves_the_list_wherever_it_stands(void **state)
{
    static const char *const left[] = {"cb", "ca",
                                       "ba"}; /* without the first, second, last one made */
    struct lone_node *n = *state;
    for (size_t i = 0; i < 3; i++) {
        struct store_hold *holds[3] = {lone_connected(n, "a", true), lone_connected(n, "b", true),
                                       lone_connected(n, "c", true)};
        assert_string_equal(listed(n), "cba");
        fleet_hold_drop(holds[i]->store_data);
        assert_string_equal(listed(n), left[i]);
        fleet_holds_detach(&n->f);
        assert_string_equal(listed(n), "");
        for (size_t k = 0; k < 3; k++)
            assert_null(holds[k]->store_data);
    }
}

/* Who goes through all of them in pieces doesn't lose its place. */
static void a_walk_goes_on_behind_one_that_ended(void **state)
{
    struct lone_node *n = *state;
    struct store_hold *a = lone_connected(n, "a", true);
    struct store_hold *b = lone_connected(n, "b", true);
    struct store_hold *c = lone_connected(n, "c", true);
    n->f.holds->sweep_at = b->store_data;
    n->f.holds->assert_at = c->store_data;
    fleet_hold_drop(b->store_data);
    assert_ptr_equal(n->f.holds->sweep_at, a->store_data);
    assert_ptr_equal(n->f.holds->assert_at, c->store_data);
    fleet_hold_drop(c->store_data);
    assert_ptr_equal(n->f.holds->assert_at, a->store_data);
    fleet_hold_drop(a->store_data);
    assert_null(n->f.holds->sweep_at);
    assert_null(n->f.holds->assert_at);
}

static void it_lives_as_long_as_somebody_refers_to_it(void **state)
{
    struct lone_node *n = *state;
    struct store_hold *hold = lone_connected(n, "c", true);
    struct fleet_hold *h = hold->store_data;
    h->refs++;
    n->f.now_ms = 4321;
    fleet_hold_drop(h);
    assert_null(hold->store_data);
    assert_null(h->hold);
    assert_int_equal(h->ended_ms, 4321);
    assert_int_equal(h->refs, 1);
    fleet_hold_unref(h);
    fleet_hold_unref(NULL); /* harmless */
}

static void who_is_fenced_ends_and_a_durable_session_is_read_anew(void **state)
{
    struct lone_node *n = *state;
    struct store_hold *clean = lone_connected(n, "clean", false);
    struct store_hold *durable = lone_connected(n, "durable", true);
    fleet_hold_fenced(clean->store_data);
    assert_told(n, "fenced clean");
    assert_null(clean->store_data);
    redis_gets_nothing(n);
    fleet_hold_fenced(durable->store_data);
    assert_told(n, "fenced durable");
    assert_null(durable->store_data);
    redis_gets(n, "session fl:{s}: durable 0");
}

/* What connects isn't known to anybody yet, and what has ended isn't any more. */
static void only_a_connection_is_fenced(void **state)
{
    struct lone_node *n = *state;
    struct store_hold *connecting = lone_connected(n, "connecting", true);
    struct store_hold *ended = lone_connected(n, "ended", true);
    struct fleet_hold *h = ended->store_data;
    connecting->epoch = 0;
    fleet_hold_fenced(connecting->store_data);
    assert_non_null(connecting->store_data);
    h->refs++;
    fleet_hold_drop(h);
    fleet_hold_fenced(h);
    assert_told(n, "");
    redis_gets_nothing(n);
    fleet_hold_unref(h);
}

static void a_user_is_written_as_scripts_know_it(void **state)
{
    static const struct {
        struct store_hold hold;
        const char *text;
    } cases[] = {
        {{.user = NULL}, "-"},
        {{.user = "me"}, "=me"},
        {{.user = "-"}, "=-"},
        {{.user = ""}, "="},
        {{.user = "me", .any_user = true}, "''"},
        {{.any_user = true}, "''"},
    };
    struct lone_node *n = *state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        redis_queue_begin(n->f.q, 1);
        fleet_hold_write_user(n->f.q, &cases[i].hold);
        redis_queue_end(n->f.q, REDIS_REPLAY, NULL, NULL);
        redis_gets(n, cases[i].text);
        redis_says(n, ":1");
    }
}

static void a_sessions_script_names_client_and_epoch(void **state)
{
    struct lone_node *n = *state;
    fleet_session_script(&n->f, lone_connected(n, "c", true), SCRIPT_QOS2, 1);
    redis_queue_str(n->f.q, "x");
    redis_queue_end(n->f.q, REDIS_REPLAY, NULL, NULL);
    redis_gets(n, "qos2 fl:{s}: c 5 x");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LONE_TEST(a_new_hold_belongs_to_the_latest_round),
        LONE_TEST(one_that_ends_leaves_the_list_wherever_it_stands),
        LONE_TEST(a_walk_goes_on_behind_one_that_ended),
        LONE_TEST(it_lives_as_long_as_somebody_refers_to_it),
        LONE_TEST(who_is_fenced_ends_and_a_durable_session_is_read_anew),
        LONE_TEST(only_a_connection_is_fenced),
        LONE_TEST(a_user_is_written_as_scripts_know_it),
        LONE_TEST(a_sessions_script_names_client_and_epoch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
