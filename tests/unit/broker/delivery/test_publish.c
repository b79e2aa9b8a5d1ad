/* publish: what goes to the store beyond this broker's own clients. */
#include "broker/delivery/publish.h"

#include "broker/client/context.h"
#include "broker/delivery/fanout.h"
#include "broker/message/encode.h"
#include "broker/routing/router.h"
#include "broker/routing/session.h"
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
    void (*meanwhile)(void *arg); /* happens before a publish completes; NULL: nothing */
    void *meanwhile_arg;
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
    if (f->meanwhile != NULL)
        f->meanwhile(f->meanwhile_arg);
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
    struct broker broker;
    struct session_table *sessions;
    size_t copies; /* of the latest message */
    struct fake_store store;
};

static struct mqtt_slice text(const char *s)
{
    return (struct mqtt_slice){(const uint8_t *)s, (uint32_t)strlen(s)};
}

static int set_up(void **state)
{
    struct world *w = calloc(1, sizeof(*w));
    struct broker *b = &w->broker;
    struct router_hooks hooks = publish_router_hooks(b);
    b->encoder = encoder_new();
    b->router = router_new(11, &hooks);
    b->fanouts = fanouts_new(b->router);
    b->last_message_id.node = 1;
    b->store = &w->store.base;
    w->sessions = session_table_new(11);
    w->store.base.ops = &alone;
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
    session_table_each(w->sessions, forget, w->broker.router);
    session_table_free(w->sessions);
    fanouts_free(w->broker.fanouts);
    router_free(w->broker.router);
    encoder_free(w->broker.encoder);
    message_unref(w->store.message);
    free(w);
    return 0;
}

static void count(void *arg, enum store_status status)
{
    assert_int_equal(status, STORE_OK);
    (*(int *)arg)++;
}

static enum publish_next publish(struct world *w, const char *topic, uint8_t qos, bool retain)
{
    struct mqtt_publish fields = {
        .qos = qos, .retain = retain, .topic = text(topic), .payload = text("x")};
    struct publish p = {.fields = &fields};
    struct publish_found found;
    enum publish_next next = publish_route(&w->broker, &p, &found);
    w->copies = store_targets_copies(&found.targets);
    int done = 0;
    if (next == PUBLISH_STORE) {
        publish_store(&w->broker, &p, &found, count, &done);
        assert_int_equal(done, 1);
    }
    return next;
}

static struct session *durable(struct world *w, const char *id, const char *filter, uint8_t qos)
{
    struct session *s = session_table_add(w->sessions, text(id), true);
    struct subscription_options options = {.qos = qos};
    assert_true(router_subscribe(w->broker.router, s, text(filter), options));
    return s;
}

static void a_publish_that_concerns_nobody_else_is_done_here(void **state)
{
    struct world *w = *state;
    assert_int_equal(publish(w, "a", 0, false), PUBLISH_DONE);
    assert_int_equal(publish(w, "a", 1, false), PUBLISH_DONE);
    assert_int_equal(publish(w, "a", 2, false), PUBLISH_DONE);
    assert_int_equal(w->store.publishes, 0);
}

static void in_a_fleet_the_store_acknowledges_what_has_qos(void **state)
{
    struct world *w = *state;
    w->store.base.ops = &in_a_fleet;
    assert_int_equal(publish(w, "a", 0, false), PUBLISH_DONE);
    assert_int_equal(publish(w, "a", 1, false), PUBLISH_STORE);
    assert_int_equal(w->store.message->id.sequence, 1);
    assert_int_equal(publish(w, "a", 2, false), PUBLISH_STORE);
    assert_int_equal(w->store.message->id.sequence, 2);
}

static void a_retained_message_goes_to_the_store_at_any_qos(void **state)
{
    struct world *w = *state;
    assert_int_equal(publish(w, "a", 0, true), PUBLISH_STORE);
    assert_true(w->store.message->retain);
}

/* What a client may have at the store is bounded in bytes, and each copy is some. */
static void a_message_counts_for_each_queue_and_node(void **state)
{
    struct world *w = *state;
    int here;
    int there;
    w->store.base.ops = &in_a_fleet;
    publish(w, "a", 1, false);
    assert_int_equal(w->copies, 1);
    durable(w, "one", "a", 1);
    durable(w, "two", "a", 1);
    assert_true(router_route_add(w->broker.router, &here, text("a")));
    assert_true(router_route_add(w->broker.router, &there, text("#")));
    publish(w, "a", 1, false);
    assert_int_equal(w->copies, 4);
}

static void what_the_store_is_given_is_what_was_found(void **state)
{
    struct world *w = *state;
    int here;
    durable(w, "one", "a", 1);
    assert_true(router_route_add(w->broker.router, &here, text("a")));
    assert_int_equal(publish(w, "a", 1, false), PUBLISH_STORE);
    assert_int_equal(w->store.queues, 1);
    assert_int_equal(w->store.nodes, 1);
    assert_int_equal(w->store.qos_of_first, 1);
    assert_int_equal(publish(w, "a", 0, false), PUBLISH_STORE);
    assert_int_equal(w->store.queues, 0);
    assert_int_equal(w->store.nodes, 1);
}

static void somebody_comes(void *arg)
{
    durable(arg, "late", "a", 1);
}

static void somebody_leaves(void *arg)
{
    struct world *w = arg;
    router_unsubscribe_all(w->broker.router, session_table_find(w->sessions, text("late")));
}

static void somebody_asks_for_others(void *arg)
{
    struct world *w = arg;
    assert_non_null(router_match(w->broker.router, text("others")));
}

/* How many of this broker's sessions were gone through. */
static uint64_t receivers(struct world *w, const char *topic, void (*meanwhile)(void *arg))
{
    uint64_t before = w->broker.fanouts->handed_out;
    w->store.meanwhile = meanwhile;
    w->store.meanwhile_arg = w;
    assert_int_equal(publish(w, topic, 1, false), PUBLISH_STORE);
    return w->broker.fanouts->handed_out - before;
}

static void own_clients_are_those_of_the_moment_when_it_is_safe(void **state)
{
    struct world *w = *state;
    w->store.base.ops = &in_a_fleet;
    assert_int_equal(receivers(w, "a", NULL), 0);
    durable(w, "one", "a", 1);
    assert_int_equal(receivers(w, "a", NULL), 1);
    assert_int_equal(receivers(w, "a", somebody_comes), 2);
    assert_int_equal(receivers(w, "a", somebody_asks_for_others), 2);
    assert_int_equal(receivers(w, "a", somebody_leaves), 1);
}

static void the_store_is_told_when_an_interest_ends(void **state)
{
    struct world *w = *state;
    struct session *s = durable(w, "one", "a", 1);
    router_session_joined(w->broker.router, s);
    assert_string_equal(w->store.ended, "");
    router_session_left(w->broker.router, s);
    assert_string_equal(w->store.ended, "a");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_publish_that_concerns_nobody_else_is_done_here),
        TEST(in_a_fleet_the_store_acknowledges_what_has_qos),
        TEST(a_retained_message_goes_to_the_store_at_any_qos),
        TEST(a_message_counts_for_each_queue_and_node),
        TEST(what_the_store_is_given_is_what_was_found),
        TEST(own_clients_are_those_of_the_moment_when_it_is_safe),
        TEST(the_store_is_told_when_an_interest_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
