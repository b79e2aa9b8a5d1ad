/* router: who is told what beyond this broker's own clients. */
#include "broker/routing/router.h"

#include "broker/message/encode.h"
#include "broker/routing/session.h"
#include "common/base/timebox.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct fake_store {
    struct store base;
    int publishes;
    struct message *message; /* of the latest, referenced */
    size_t queues, nodes;
    uint8_t qos_of_first;
    char ended[64];
};

static void fake_publish(struct store *s, const struct store_publish_request *req,
                         store_done_fn *done, void *arg)
{
    struct fake_store *f = (struct fake_store *)s;
    f->publishes++;
    message_unref(f->message);
    f->message = message_ref(req->message);
    f->queues = req->targets.queue_count;
    f->nodes = req->targets.node_count;
    f->qos_of_first = f->queues > 0 ? req->targets.queues[0].qos : 255;
    if (done != NULL)
        done(arg, STORE_OK);
}

static void fake_interest_ended(struct store *s, struct mqtt_slice filter)
{
    struct fake_store *f = (struct fake_store *)s;
    snprintf(f->ended, sizeof(f->ended), "%.*s", (int)filter.len, (const char *)filter.data);
}

static const struct store_ops alone = {
    .untargeted_is_done = true, .publish = fake_publish, .interest_ended = fake_interest_ended};
static const struct store_ops in_a_fleet = {.publish = fake_publish,
                                            .interest_ended = fake_interest_ended};

struct world {
    struct encoder *encoder;
    struct router *router;
    struct session_table *sessions;
    struct fake_store store;
};

static struct mqtt_slice text(const char *s)
{
    return (struct mqtt_slice){(const uint8_t *)s, (uint32_t)strlen(s)};
}

static int set_up(void **state)
{
    struct world *w = calloc(1, sizeof(*w));
    w->encoder = encoder_new();
    w->router = router_new(11, w->encoder);
    w->sessions = session_table_new(11);
    w->store.base.ops = &alone;
    router_set_store(w->router, &w->store.base);
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
    encoder_free(w->encoder);
    message_unref(w->store.message);
    free(w);
    return 0;
}

static void count(void *arg, enum store_status status)
{
    assert_int_equal(status, STORE_OK);
    (*(int *)arg)++;
}

static enum route_result publish_by(struct world *w, struct session *publisher, const char *topic,
                                    uint8_t qos, bool retain)
{
    struct mqtt_publish p = {
        .qos = qos, .retain = retain, .topic = text(topic), .payload = text("x")};
    struct router_publish r = {.publish = &p, .publisher = publisher};
    enum route_result result = router_route(w->router, &r);
    int done = 0;
    if (result == ROUTE_STORE) {
        router_store(w->router, &r, count, &done);
        assert_int_equal(done, 1);
    }
    return result;
}

static enum route_result publish(struct world *w, const char *topic, uint8_t qos, bool retain)
{
    return publish_by(w, NULL, topic, qos, retain);
}

static struct session *durable(struct world *w, const char *id, const char *filter, uint8_t qos)
{
    struct session *s = session_table_add(w->sessions, text(id), true);
    assert_true(
        router_subscribe(w->router, s, text(filter), (struct subscription_options){.qos = qos}));
    return s;
}

static void a_publish_that_concerns_nobody_else_is_done_here(void **state)
{
    struct world *w = *state;
    assert_int_equal(publish(w, "a", 0, false), ROUTE_DONE);
    assert_int_equal(publish(w, "a", 1, false), ROUTE_DONE);
    assert_int_equal(publish(w, "a", 2, false), ROUTE_DONE);
    assert_int_equal(w->store.publishes, 0);
}

static void in_a_fleet_the_store_acknowledges_what_has_qos(void **state)
{
    struct world *w = *state;
    w->store.base.ops = &in_a_fleet;
    assert_int_equal(publish(w, "a", 0, false), ROUTE_DONE);
    assert_int_equal(publish(w, "a", 1, false), ROUTE_STORE);
    assert_int_equal(w->store.message->id.sequence, 1);
    assert_int_equal(publish(w, "a", 2, false), ROUTE_STORE);
    assert_int_equal(w->store.message->id.sequence, 2);
}

static void a_retained_message_goes_to_the_store_at_any_qos(void **state)
{
    struct world *w = *state;
    assert_int_equal(publish(w, "a", 0, true), ROUTE_STORE);
    assert_true(w->store.message->retain);
}

static void durable_sessions_get_qos_1_and_2_by_their_queue_at_the_lower_qos(void **state)
{
    struct world *w = *state;
    durable(w, "one", "a/+", 1);
    durable(w, "zero", "a/#", 0);
    assert_int_equal(publish(w, "a/b", 0, false), ROUTE_DONE);
    assert_int_equal(publish(w, "a/b", 2, false), ROUTE_STORE);
    assert_int_equal(w->store.queues, 1);
    assert_int_equal(w->store.qos_of_first, 1);
}

static void overlapping_filters_of_one_session_are_one_target(void **state)
{
    struct world *w = *state;
    struct session *s = durable(w, "one", "a/+", 1);
    router_subscribe(w->router, s, text("a/b"), (struct subscription_options){.qos = 2});
    router_subscribe(w->router, s, text("#"), (struct subscription_options){.qos = 0});
    publish(w, "a/b", 2, false);
    assert_int_equal(w->store.queues, 1);
    assert_int_equal(w->store.qos_of_first, 2);
}

static void no_local_leaves_out_the_publisher_also_when_matched_again(void **state)
{
    struct world *w = *state;
    struct subscription_options no_local = {.qos = 1, .no_local = true};
    struct session *bridge = durable(w, "bridge", "other", 1);
    struct session *echo = durable(w, "echo", "a", 1);
    assert_true(router_subscribe(w->router, bridge, text("a"), no_local));
    publish_by(w, bridge, "a", 1, false);
    assert_int_equal(w->store.queues, 1);
    struct store_targets t;
    router_targets(w->router, w->store.message, &t);
    assert_int_equal(t.queue_count, 1);
    assert_string_equal(t.queues[0].client_id, "echo");
    publish_by(w, echo, "a", 1, false);
    assert_int_equal(w->store.queues, 2);
    publish(w, "a", 1, false);
    assert_int_equal(w->store.queues, 2);
}

/* What a client may have at the store is bounded in bytes, and each copy is some. */
static void a_message_counts_for_each_queue_and_node(void **state)
{
    struct world *w = *state;
    int here;
    int there;
    w->store.base.ops = &in_a_fleet;
    publish(w, "a", 1, false);
    assert_int_equal(router_copies(w->router), 1);
    durable(w, "one", "a", 1);
    durable(w, "two", "a", 1);
    assert_true(router_route_add(w->router, &here, text("a")));
    assert_true(router_route_add(w->router, &there, text("#")));
    publish(w, "a", 1, false);
    assert_int_equal(router_copies(w->router), 4);
}

static void other_nodes_get_what_their_routes_match(void **state)
{
    struct world *w = *state;
    int here;
    int there;
    assert_true(router_route_add(w->router, &here, text("a/#")));
    assert_true(router_route_add(w->router, &here, text("a/b")));
    assert_true(router_route_add(w->router, &there, text("+/b")));
    assert_int_equal(publish(w, "a/b", 0, false), ROUTE_STORE);
    assert_int_equal(w->store.nodes, 2);
    router_route_remove(w->router, &here, text("a/b"));
    publish(w, "a/b", 0, false);
    assert_int_equal(w->store.nodes, 2);
    router_node_removed(w->router, &here);
    publish(w, "a/b", 0, false);
    assert_int_equal(w->store.nodes, 1);
    router_node_removed(w->router, &there);
    assert_int_equal(publish(w, "a/b", 0, false), ROUTE_DONE);
    assert_true(router_is_behind(w->router)); /* its routes go little by little */
    for (int turns = 0; router_is_behind(w->router) && turns < 100; turns++) {
        struct timebox box;
        timebox_open_at(&box, 0, 0, 0);
        router_go_on(w->router, &box);
    }
    assert_int_equal(router_subscription_count(w->router), 0);
    assert_int_equal(publish(w, "a/b", 0, false), ROUTE_DONE);
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
    assert_int_equal(publish(w, "a/7", 0, false), ROUTE_DONE); /* gets nothing any more, at once */
    assert_true(router_route_add(w->router, &node, text("a/7"))); /* another one, at its address */
    unsigned turns = 0;
    for (; router_is_behind(w->router); turns++) {
        struct timebox box;
        timebox_open_at(&box, 0, 0, 0);
        router_go_on(w->router, &box);
    }
    assert_true(turns > 10);
    assert_int_equal(router_subscription_count(w->router), 1);
    publish(w, "a/7", 0, false);
    assert_int_equal(w->store.nodes, 1);
}

static void a_changed_subscription_counts_at_once_in_spite_of_the_cache(void **state)
{
    struct world *w = *state;
    struct session *s = durable(w, "one", "a", 1);
    publish(w, "a", 1, false);
    assert_int_equal(w->store.queues, 1);
    router_unsubscribe(w->router, s, text("a"));
    assert_int_equal(publish(w, "a", 1, false), ROUTE_DONE);
    router_subscribe(w->router, s, text("+"), (struct subscription_options){.qos = 1});
    assert_int_equal(publish(w, "a", 1, false), ROUTE_STORE);
    router_subscribe(w->router, s, text("+"), (struct subscription_options){.qos = 0});
    assert_int_equal(publish(w, "a", 1, false), ROUTE_DONE);
}

static void the_last_connected_holder_ends_the_interest(void **state)
{
    struct world *w = *state;
    struct session *a = durable(w, "a", "x/+", 1);
    struct session *b = durable(w, "b", "x/+", 1);
    router_session_joined(w->router, a);
    router_session_joined(w->router, b);
    router_session_left(w->router, a);
    assert_string_equal(w->store.ended, "");
    router_session_left(w->router, b);
    assert_string_equal(w->store.ended, "x/+");
}

static void targets_can_be_found_again_for_a_kept_message(void **state)
{
    struct world *w = *state;
    publish(w, "a", 1, true);
    struct store_targets t;
    router_targets(w->router, w->store.message, &t);
    assert_int_equal(t.queue_count, 0);
    durable(w, "late", "a", 1);
    router_targets(w->router, w->store.message, &t);
    assert_int_equal(t.queue_count, 1);
    assert_string_equal(t.queues[0].client_id, "late");
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
    publish(w, "a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a", 0, false);
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

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_publish_that_concerns_nobody_else_is_done_here),
        TEST(in_a_fleet_the_store_acknowledges_what_has_qos),
        TEST(a_retained_message_goes_to_the_store_at_any_qos),
        TEST(durable_sessions_get_qos_1_and_2_by_their_queue_at_the_lower_qos),
        TEST(overlapping_filters_of_one_session_are_one_target),
        TEST(no_local_leaves_out_the_publisher_also_when_matched_again),
        TEST(a_message_counts_for_each_queue_and_node),
        TEST(other_nodes_get_what_their_routes_match),
        TEST(a_removed_node_with_many_routes_is_cleared_in_several_turns),
        TEST(a_changed_subscription_counts_at_once_in_spite_of_the_cache),
        TEST(the_last_connected_holder_ends_the_interest),
        TEST(targets_can_be_found_again_for_a_kept_message),
        TEST(filters_that_one_topic_matches_are_bounded_for_all_clients_together),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
