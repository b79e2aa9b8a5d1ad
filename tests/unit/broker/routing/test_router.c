/* router: who is told what beyond this broker's own clients. */
#include "broker/routing/router.h"

#include "broker/message/message.h"
#include "broker/routing/match_cache.h"
#include "broker/routing/session.h"
#include "common/base/timebox.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct world {
    struct router *router;
    struct session_table *sessions;
    struct store_targets found; /* the latest ones */
    char ended[64];             /* the latest filter without interest */
    struct session *changing;   /* the latest one, and what it had then */
    uint32_t had;
};

static struct mqtt_slice text(const char *s)
{
    return (struct mqtt_slice){(const uint8_t *)s, (uint32_t)strlen(s)};
}

static void on_changing(void *arg, struct session *s)
{
    struct world *w = arg;
    w->changing = s;
    w->had = s->subscriber.count;
}

static void on_interest_ended(void *arg, struct mqtt_slice filter)
{
    struct world *w = arg;
    snprintf(w->ended, sizeof(w->ended), "%.*s", (int)filter.len, (const char *)filter.data);
}

static void on_share_ended(void *arg, struct mqtt_slice filter)
{
    on_interest_ended(arg, filter);
}

static int set_up(void **state)
{
    struct world *w = calloc(1, sizeof(*w));
    struct router_hooks hooks = {.arg = w,
                                 .changing = on_changing,
                                 .interest_ended = on_interest_ended,
                                 .share_ended = on_share_ended};
    w->router = router_new(11, &hooks);
    w->sessions = session_table_new(11);
    *state = w;
    return 0;
}

static void forget(void *arg, struct session *s)
{
    router_unsubscribe_all(arg, s);
}

static int tear_down(void **state)
{
    struct world *w = *state;
    session_table_each(w->sessions, forget, w->router);
    session_table_free(w->sessions);
    router_free(w->router);
    free(w);
    return 0;
}

/* Who gets it, beside those who are connected here; true: somebody does. */
static bool find_by(struct world *w, const char *publisher, const char *topic, uint8_t qos)
{
    const struct match_entry *e = router_match(w->router, text(topic));
    assert_non_null(e);
    assert_true(router_targets_among(w->router, e, qos, text(publisher), &w->found));
    size_t found = w->found.queue_count + w->found.node_count;
    assert_true(found == 0 || match_entry_may_have_targets(e, qos));
    return found > 0;
}

static bool find(struct world *w, const char *topic, uint8_t qos)
{
    return find_by(w, "", topic, qos);
}

/* A message as one that was kept. */
static struct message *kept(const char *topic, const char *publisher)
{
    struct mqtt_publish p = {.qos = 1, .topic = text(topic), .payload = text("x")};
    return message_new(&p, (struct message_id){.node = 1, .sequence = 1}, text(publisher));
}

static struct session *durable(struct world *w, const char *id, const char *filter, uint8_t qos)
{
    struct session *s = session_table_add(w->sessions, text(id), true);
    assert_true(
        router_subscribe(w->router, s, text(filter), (struct subscription_options){.qos = qos}));
    return s;
}

static void durable_sessions_get_qos_1_and_2_by_their_queue_at_the_lower_qos(void **state)
{
    struct world *w = *state;
    durable(w, "one", "a/+", 1);
    durable(w, "zero", "a/#", 0);
    assert_false(find(w, "a/b", 0));
    assert_true(find(w, "a/b", 2));
    assert_int_equal(w->found.queue_count, 1);
    assert_int_equal(w->found.queues[0].qos, 1);
}

static void overlapping_filters_of_one_session_are_one_target(void **state)
{
    struct world *w = *state;
    struct session *s = durable(w, "one", "a/+", 1);
    router_subscribe(w->router, s, text("a/b"), (struct subscription_options){.qos = 2});
    router_subscribe(w->router, s, text("#"), (struct subscription_options){.qos = 0});
    find(w, "a/b", 2);
    assert_int_equal(w->found.queue_count, 1);
    assert_int_equal(w->found.queues[0].qos, 2);
}

static void no_local_leaves_out_the_publisher_also_when_matched_again(void **state)
{
    struct world *w = *state;
    struct subscription_options no_local = {.qos = 1, .no_local = true};
    struct session *bridge = durable(w, "bridge", "other", 1);
    durable(w, "echo", "a", 1);
    assert_true(router_subscribe(w->router, bridge, text("a"), no_local));
    find_by(w, "bridge", "a", 1);
    assert_int_equal(w->found.queue_count, 1);
    struct message *m = kept("a", "bridge");
    router_targets(w->router, m, &w->found);
    message_unref(m);
    assert_int_equal(w->found.queue_count, 1);
    assert_string_equal((const char *)w->found.queues[0].client_id.data, "echo");
    find_by(w, "echo", "a", 1);
    assert_int_equal(w->found.queue_count, 2);
    find(w, "a", 1);
    assert_int_equal(w->found.queue_count, 2);
}

static void queues_are_given_the_identifiers_of_what_matches(void **state)
{
    struct world *w = *state;
    struct session *s = durable(w, "one", "other", 1);
    struct subscription_options options = {.qos = 1, .subscription_id = 7}, had;
    router_subscribe(w->router, s, text("a/b"), options);
    find(w, "a/b", 1);
    assert_int_equal(w->found.queues[0].ids.count, 1);
    assert_int_equal(w->found.queues[0].ids.items[0], 7);
    options = (struct subscription_options){.qos = 2, .no_local = true, .subscription_id = 8};
    router_subscribe(w->router, s, text("a/+"), options);
    assert_true(router_is_subscribed(w->router, s, text("a/+"), &had));
    assert_true(had.qos == 2 && had.no_local && had.subscription_id == 8);
    find(w, "a/b", 2);
    assert_int_equal(w->found.queues[0].qos, 2);
    assert_int_equal(w->found.queues[0].ids.count, 2);
    find_by(w, "one", "a/b", 2);
    assert_int_equal(w->found.queues[0].qos, 1);
    assert_int_equal(w->found.queues[0].ids.count, 1);
    assert_int_equal(w->found.queues[0].ids.items[0], 7);
    router_unsubscribe(w->router, s, text("a/b"));
    assert_false(find_by(w, "one", "a/b", 2));
    options.subscription_id = 0;
    router_subscribe(w->router, s, text("a/+"), options);
    find(w, "a/b", 2);
    assert_int_equal(w->found.queues[0].ids.count, 0);
}

static void where_members_of_groups_are_nobody_is_found(void **state)
{
    struct world *w = *state;
    struct session *s = session_table_add(w->sessions, text("c"), true);
    router_subscribe(w->router, s, text("a"), (struct subscription_options){.subscription_id = 1});
    router_subscribe(w->router, s, text("#"), (struct subscription_options){.subscription_id = 2});
    router_subscribe(w->router, s, text("$share/g/a"), (struct subscription_options){.qos = 1});
    assert_true(router_match(w->router, text("a"))->overlap_words > 0);
    const struct match_entry *e = router_match(w->router, text("$share/g/a"));
    assert_int_equal(e->count + e->group_count + e->node_count, 0);
    assert_int_equal(e->overlap_words, 0); /* of the match before it */
}

static void other_nodes_get_what_their_routes_match(void **state)
{
    struct world *w = *state;
    int here;
    int there;
    assert_true(router_route_add(w->router, &here, text("a/#")));
    assert_true(router_route_add(w->router, &here, text("a/b")));
    assert_true(router_route_add(w->router, &there, text("+/b")));
    assert_true(find(w, "a/b", 0));
    assert_int_equal(w->found.node_count, 2);
    router_route_remove(w->router, &here, text("a/b"));
    find(w, "a/b", 0);
    assert_int_equal(w->found.node_count, 2);
    router_node_removed(w->router, &here);
    find(w, "a/b", 0);
    assert_int_equal(w->found.node_count, 1);
    router_node_removed(w->router, &there);
    assert_false(find(w, "a/b", 0));
    assert_true(router_is_behind(w->router)); /* its routes go little by little */
    for (int turns = 0; router_is_behind(w->router) && turns < 100; turns++) {
        struct timebox box;
        timebox_open_at(&box, 0, 0, 0);
        router_go_on(w->router, &box);
    }
    assert_int_equal(router_subscription_count(w->router), 0);
    assert_false(find(w, "a/b", 0));
}

static void a_removed_node_with_many_routes_is_cleared_in_several_turns(void **state)
{
    struct world *w = *state;
    int node;
    char filter[32];
    for (int i = 0; i < 1000; i++) {
        snprintf(filter, sizeof(filter), "a/%d", i);
        assert_true(router_route_add(w->router, &node, text(filter)));
    }
    router_node_removed(w->router, &node);
    assert_false(find(w, "a/7", 0)); /* gets nothing any more, at once */
    assert_true(router_route_add(w->router, &node, text("a/7"))); /* another one, at its address */
    unsigned turns = 0;
    for (; router_is_behind(w->router); turns++) {
        struct timebox box;
        timebox_open_at(&box, 0, 0, 0);
        router_go_on(w->router, &box);
    }
    assert_true(turns > 10);
    assert_int_equal(router_subscription_count(w->router), 1);
    find(w, "a/7", 0);
    assert_int_equal(w->found.node_count, 1);
}

static void assert_counts(const struct world *w, size_t clean, size_t durables, size_t routes)
{
    const struct router_counts *have = router_counts(w->router);
    assert_int_equal(have->clean, clean);
    assert_int_equal(have->durable, durables);
    assert_int_equal(have->routes, routes);
    assert_int_equal(router_subscription_count(w->router), clean + durables + routes);
}

static void subscriptions_are_counted_by_whose_they_are(void **state)
{
    struct world *w = *state;
    int node;
    struct subscription_options qos1 = {.qos = 1};
    struct session *d = durable(w, "d", "a", 1);
    struct session *c = session_table_add(w->sessions, text("c"), false);
    router_subscribe(w->router, c, text("a"), qos1);
    router_subscribe(w->router, c, text("b"), qos1);
    router_subscribe(w->router, c, text("b"), (struct subscription_options){0}); /* the same */
    router_route_add(w->router, &node, text("a"));
    router_route_add(w->router, &node, text("x/#"));
    assert_counts(w, 2, 1, 2);
    router_session_set_durable(w->router, c, true);
    assert_counts(w, 0, 3, 2);
    router_session_set_durable(w->router, c, true);
    assert_counts(w, 0, 3, 2);
    router_session_set_durable(w->router, c, false);
    router_unsubscribe(w->router, d, text("other"));
    router_unsubscribe(w->router, d, text("a"));
    router_route_remove(w->router, &node, text("x/#"));
    router_route_remove(w->router, &node, text("x/#"));
    assert_counts(w, 2, 0, 1);
    router_session_left(w->router, c);
    assert_counts(w, 0, 0, 1);
    struct timebox box;
    timebox_open_at(&box, UINT64_MAX, 0, 0);
    router_node_removed(w->router, &node);
    router_go_on(w->router, &box);
    assert_counts(w, 0, 0, 0);
}

static void shared_ones_are_counted_among_them(void **state)
{
    struct world *w = *state;
    int node;
    struct session *d = durable(w, "d", "$share/g/a", 1);
    struct session *c = session_table_add(w->sessions, text("c"), false);
    router_subscribe(w->router, c, text("$share/g/a"), (struct subscription_options){.qos = 1});
    router_subscribe(w->router, c, text("$share/h/a"), (struct subscription_options){.qos = 1});
    router_subscribe(w->router, c, text("$share"), (struct subscription_options){.qos = 1});
    router_route_add(w->router, &node, text("$share/g/a"));
    assert_counts(w, 3, 1, 1);
    assert_int_equal(router_counts(w->router)->shared, 3);
    router_unsubscribe(w->router, d, text("$share/g/a"));
    assert_int_equal(router_counts(w->router)->shared, 2);
    router_session_set_durable(w->router, c, true);
    assert_int_equal(router_counts(w->router)->shared, 2);
    router_unsubscribe_all(w->router, c);
    assert_int_equal(router_counts(w->router)->shared, 0);
}

static void a_changed_subscription_counts_at_once_in_spite_of_the_cache(void **state)
{
    struct world *w = *state;
    struct session *s = durable(w, "one", "a", 1);
    find(w, "a", 1);
    assert_int_equal(w->found.queue_count, 1);
    router_unsubscribe(w->router, s, text("a"));
    assert_false(find(w, "a", 1));
    router_subscribe(w->router, s, text("+"), (struct subscription_options){.qos = 1});
    assert_true(find(w, "a", 1));
    router_subscribe(w->router, s, text("+"), (struct subscription_options){.qos = 0});
    assert_false(find(w, "a", 1));
}

/* What was kept is used for whatever topic it is asked for, so there was no second look. */
static void a_match_that_was_kept_isnt_looked_up_again_while_nothing_changes(void **state)
{
    struct world *w = *state;
    struct session *s = durable(w, "one", "a", 1);
    const struct match_entry *nobody = router_match(w->router, text("b"));
    const struct match_entry *e = router_match(w->router, text("a"));
    struct kept_match kept = router_keep_match(w->router, e);
    assert_int_equal(nobody->count, 0);
    assert_ptr_equal(router_match(w->router, text("b")), nobody);
    assert_ptr_equal(router_match_again(w->router, text("b"), &kept), e);
    struct kept_match none = router_keep_match(w->router, NULL);
    assert_ptr_equal(router_match_again(w->router, text("b"), &none), nobody);
    router_subscribe(w->router, s, text("a"), (struct subscription_options){.qos = 2});
    assert_int_equal(router_match_again(w->router, text("b"), &kept)->count, 0);
}

/* Each may free the entry, or make it wrong. */
static void a_match_that_was_kept_ends_with_each_change_of_the_cache(void **state)
{
    struct world *w = *state;
    struct session *s = durable(w, "one", "a", 1);
    struct subscription_options options = {.qos = 1};
    struct kept_match kept = router_keep_match(w->router, router_match(w->router, text("a")));
    assert_non_null(router_match(w->router, text("new"))); /* may take its place */
    assert_int_equal(router_match_again(w->router, text("b"), &kept)->count, 0);
    kept = router_keep_match(w->router, router_match(w->router, text("a")));
    router_subscribe(w->router, s, text("x/+"), options); /* makes all stale */
    assert_int_equal(router_match_again(w->router, text("b"), &kept)->count, 0);
    kept = router_keep_match(w->router, router_match(w->router, text("a")));
    router_unsubscribe(w->router, s, text("a"));
    assert_int_equal(router_match_again(w->router, text("a"), &kept)->count, 0);
}

static void the_last_connected_holder_ends_the_interest(void **state)
{
    struct world *w = *state;
    struct session *a = durable(w, "a", "x/+", 1);
    struct session *b = durable(w, "b", "x/+", 1);
    router_session_joined(w->router, a);
    router_session_joined(w->router, b);
    router_session_left(w->router, a);
    assert_string_equal(w->ended, "");
    router_session_left(w->router, b);
    assert_string_equal(w->ended, "x/+");
}

static void targets_can_be_found_again_for_a_kept_message(void **state)
{
    struct world *w = *state;
    struct message *m = kept("a", "");
    router_targets(w->router, m, &w->found);
    assert_int_equal(w->found.queue_count, 0);
    durable(w, "late", "a", 1);
    router_targets(w->router, m, &w->found);
    assert_int_equal(w->found.queue_count, 1);
    assert_string_equal((const char *)w->found.queues[0].client_id.data, "late");
    message_unref(m);
}

/* All filters of 20 levels of which each is '+' or 'a': number `bits`. */
static struct mqtt_slice crowded_filter(unsigned bits, char out[64])
{
    for (unsigned i = 0; i < 20; i++) {
        out[2 * i] = bits >> i & 1 ? '+' : 'a';
        out[2 * i + 1] = '/';
    }
    return (struct mqtt_slice){.data = (const uint8_t *)out, .len = 39};
}

/* Each of a thousand clients keeps to its own limit, and together they would make one publish cost a
 * second. */
static void filters_that_one_topic_matches_are_bounded_for_all_clients_together(void **state)
{
    enum { CLIENTS = 1000, EACH = 100, BOUND = 70000 };
    struct world *w = *state;
    struct session *crowd[CLIENTS];
    struct subscription_options options = {.qos = 1};
    uint64_t before = *router_steps(w->router);
    unsigned refused = 0;
    char buf[64];

    for (unsigned i = 0; i < CLIENTS; i++) {
        snprintf(buf, sizeof(buf), "c%u", i);
        crowd[i] = session_table_add(w->sessions, text(buf), false);
        for (unsigned k = 0; k < EACH; k++)
            refused += router_grant(w->router, crowd[i], crowded_filter(i * EACH + k + 1, buf),
                                    options) == ROUTER_CROWDED;
    }
    assert_true(refused > 0 && refused < CLIENTS * EACH);
    find(w, "a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a", 0);
    assert_true(*router_steps(w->router) - before <= BOUND + CLIENTS);
    /* Who asks for what other topics match isn't refused. */
    assert_int_equal(router_grant(w->router, crowd[0], text("b/+/c"), options), ROUTER_GRANTED);
    assert_int_equal(router_grant(w->router, crowd[0], text("a/a/a/a/b"), options), ROUTER_GRANTED);
    /* What was refused has left nothing behind, and there is room when some have gone. */
    unsigned last = CLIENTS * EACH;
    assert_false(
        router_is_subscribed(w->router, crowd[CLIENTS - 1], crowded_filter(last, buf), NULL));
    for (unsigned i = 0; i < CLIENTS / 2; i++)
        router_unsubscribe_all(w->router, crowd[i]);
    assert_int_equal(
        router_grant(w->router, crowd[CLIENTS - 1], crowded_filter(last, buf), options),
        ROUTER_GRANTED);
}

/* Whoever still owes a session something hears of it while the old subscriptions hold. */
static void it_is_told_before_the_subscriptions_of_a_session_change(void **state)
{
    struct world *w = *state;
    struct session *s = durable(w, "one", "a", 1);
    assert_ptr_equal(w->changing, s);
    assert_int_equal(w->had, 0);
    router_unsubscribe(w->router, s, text("a"));
    assert_int_equal(w->had, 1);
    router_subscribe(w->router, s, text("b"), (struct subscription_options){.qos = 1});
    router_subscribe(w->router, s, text("c"), (struct subscription_options){.qos = 1});
    router_unsubscribe_all(w->router, s);
    assert_int_equal(w->had, 1); /* the last of them */
    w->changing = NULL;
    router_session_left(w->router, s);
    assert_ptr_equal(w->changing, s);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(durable_sessions_get_qos_1_and_2_by_their_queue_at_the_lower_qos),
        TEST(overlapping_filters_of_one_session_are_one_target),
        TEST(no_local_leaves_out_the_publisher_also_when_matched_again),
        TEST(queues_are_given_the_identifiers_of_what_matches),
        TEST(where_members_of_groups_are_nobody_is_found),
        TEST(other_nodes_get_what_their_routes_match),
        TEST(a_removed_node_with_many_routes_is_cleared_in_several_turns),
        TEST(subscriptions_are_counted_by_whose_they_are),
        TEST(shared_ones_are_counted_among_them),
        TEST(a_changed_subscription_counts_at_once_in_spite_of_the_cache),
        TEST(a_match_that_was_kept_isnt_looked_up_again_while_nothing_changes),
        TEST(a_match_that_was_kept_ends_with_each_change_of_the_cache),
        TEST(the_last_connected_holder_ends_the_interest),
        TEST(targets_can_be_found_again_for_a_kept_message),
        TEST(filters_that_one_topic_matches_are_bounded_for_all_clients_together),
        TEST(it_is_told_before_the_subscriptions_of_a_session_change),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
