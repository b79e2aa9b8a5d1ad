/* What the store asks of the core, where that may be much. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "broker/client/paused.h"
#include "common/base/clock.h"
#include "tests/unit/broker/core_fixture.h"

enum { CLIENTS = 500, SESSIONS = 300, FILTERS = 20, AT_ONCE = 16 };

static struct mqtt_slice text(const char *s)
{
    return (struct mqtt_slice){.data = (const uint8_t *)s, .len = (uint32_t)strlen(s)};
}

/* Over as soon as somebody looks at a clock. */
static struct timebox no_time(void)
{
    struct timebox box;
    timebox_open_at(&box, 0, 0, 0);
    return box;
}

/* Offline sessions of the fleet, as the log tells them. */
static void add_sessions(struct store_host *host)
{
    for (int i = 0; i < SESSIONS; i++) {
        char id[16];
        snprintf(id, sizeof(id), "s%d", i);
        for (int k = 0; k < FILTERS; k++) {
            char filter[32];
            snprintf(filter, sizeof(filter), "s/%d/%d", i, k);
            struct store_subscription sub = {.filter = text(filter), .qos = 1};
            host->durable_subscribed(host->arg, text(id), &sub);
        }
    }
}

static void starting_over_goes_in_pieces(void **state)
{
    struct core core;
    struct core_client *clients[CLIENTS];
    (void)state;
    core_init(&core);
    struct broker *b = core.broker;
    struct store_host host = host_of(b);
    for (int i = 0; i < CLIENTS; i++)
        clients[i] = core_connect(&core);
    add_sessions(&host);
    assert_int_equal(session_table_count(b->sessions), SESSIONS);
    size_t left = b->client_count + router_subscription_count(b->router);
    for (bool done = false; !done;) {
        struct timebox box = no_time();
        done = host.start_over(host.arg, &box);
        size_t now = b->client_count + router_subscription_count(b->router);
        assert_true(left - now <= AT_ONCE);
        assert_true(done || now < left);
        left = now;
    }
    assert_int_equal(left, 0);
    assert_int_equal(session_table_count(b->sessions), 0);
    core_settle(&core);
    for (int i = 0; i < CLIENTS; i++)
        core_client_free(clients[i]);
    core_fini(&core);
}

static void expect_same(void *arg, const struct store_subscription *sub)
{
    const struct store_subscription *told = arg;
    assert_int_equal(sub->filter.len, told->filter.len);
    assert_int_equal(sub->qos, told->qos);
    assert_int_equal(sub->no_local, told->no_local);
    assert_int_equal(sub->retain_as_published, told->retain_as_published);
    assert_int_equal(sub->subscription_id, told->subscription_id);
}

/* For its repetition, when Redis has lost it. */
static void a_subscription_that_was_told_is_told_again_with_all_its_options(void **state)
{
    struct store_subscription told[] = {
        {.filter = text("t"), .qos = 2, .no_local = true, .subscription_id = 268435455},
        {.filter = text("t"), .qos = 1, .retain_as_published = true, .subscription_id = 3},
        {.filter = text("t")}};
    struct core core;
    (void)state;
    core_init(&core);
    struct store_host host = host_of(core.broker);
    for (int i = 0; i < 3; i++) {
        host.durable_subscribed(host.arg, text("s"), &told[i]);
        host.each_subscription(host.arg, text("s"), expect_same, &told[i]);
    }
    host.durable_ended(host.arg, text("s"));
    assert_int_equal(session_table_count(core.broker->sessions), 0);
    core_fini(&core);
}

/* They are of a node that is no more. */
static void nobody_is_served_while_the_store_is_suspended(void **state)
{
    static const uint8_t connect[] = {0x10, 13, 0, 4, 'M', 'Q', 'T', 'T', 4, 0x2, 0, 0, 0, 1, 'a'};
    struct core core;
    (void)state;
    core_init(&core);
    struct core_client *c = core_connect(&core);
    core.broker->store->suspended = true;
    core_give(c, connect, sizeof(connect));
    core_turn(&core);
    assert_int_equal(c->out_len, 0);
    assert_int_equal(c->in_len, sizeof(connect));
    core.broker->store->suspended = false;
    core_settle(&core);
    assert_int_equal(c->out_len, 4); /* CONNACK */
    client_close(c->client, END_SHUTDOWN);
    core_settle(&core);
    core_client_free(c);
    core_fini(&core);
}

/* What is paused for the store is found without a look at all clients, and resumed in pieces. */
static void clients_are_resumed_in_pieces(void **state)
{
    struct core core;
    struct core_client *clients[CLIENTS];
    (void)state;
    core_init(&core);
    struct broker *b = core.broker;
    for (int i = 0; i < CLIENTS; i++) {
        clients[i] = core_connect(&core);
        client_pause(clients[i]->client, PAUSE_STORE);
    }
    client_close(clients[7]->client, END_SHUTDOWN);
    assert_int_equal(paused_count(b->paused), CLIENTS - 1);
    core_turn(&core);
    assert_int_equal(paused_count(b->paused), 0);
    assert_null(paused_first(b->paused));
    for (int i = 0; i < CLIENTS; i++)
        if (!clients[i]->freed)
            client_close(clients[i]->client, END_SHUTDOWN);
    core_settle(&core);
    for (int i = 0; i < CLIENTS; i++)
        core_client_free(clients[i]);
    core_fini(&core);
}

/* A time in which the broker served nobody isn't a client's silence, and is counted once for all. */
static void lost_time_is_no_silence(void **state)
{
    struct core core;
    (void)state;
    static const uint8_t connect[] = {0x10, 13, 0, 4, 'M', 'Q', 'T', 'T', 4, 0x2, 0, 1, 0, 1, 'a'};
    core_init(&core);
    struct broker *b = core.broker;
    struct core_client *c = core_connect(&core);
    core_give(c, connect, sizeof(connect)); /* keep alive: 1 s */
    core_settle(&core);
    turn_lost(b, 10000);
    wheel_advance(&b->wheel, b->now_ms + 9000); /* its timer was set before */
    assert_true(client_is_connected(c->client));
    b->client_ms += 12000;
    wheel_advance(&b->wheel, b->now_ms + 22000);
    assert_int_equal(c->client->state, CLIENT_CLOSING);
    client_close_silently(c->client, END_SHUTDOWN);
    core_settle(&core);
    core_client_free(c);
    core_fini(&core);
}

static void has_all_of(struct core_client *c, const char *text_in, bool there)
{
    assert_int_equal(memmem(c->out, c->out_len, text_in, strlen(text_in)) != NULL, there);
}

static void on_will_out(void *arg, enum store_status status)
{
    assert_int_equal(status, STORE_OK);
    ++*(int *)arg;
}

/* Of a will with an expiry of 9 s and a payload format. */
static void on_kept(void *arg, const struct message *m)
{
    uint64_t now = clock_boottime_ms();
    assert_in_range(m->expires_at_ms, now, now + 9000);
    assert_int_equal(m->props.len, 2);
    assert_memory_equal(m->props.data, "\x01\x01", 2);
    ++*(int *)arg;
}

/* A client with a subscription to "#" at QoS 0, by 3.1.1. */
static struct core_client *subscriber(struct core *core)
{
    static const uint8_t packets[] = {0x10, 13, 0,   4,    'M', 'Q', 'T', 'T', 4, 0x2, 0, 0,
                                      0,    1,  'a', 0x82, 6,   0,   1,   0,   1, '#', 0};
    struct core_client *c = core_connect(core);
    core_capture(c, 4096);
    core_give(c, packets, sizeof(packets));
    core_settle(core);
    return c;
}

static void end(struct core *core, struct core_client *c)
{
    client_close(c->client, END_SHUTDOWN);
    core_settle(core);
    core_client_free(c);
    core_fini(core);
}

static void a_will_is_published_without_what_was_for_the_broker(void **state)
{
    static const uint8_t props[] = {0x02, 0, 0, 0, 9, 0x01, 1}; /* expiry, payload format */
    struct mqtt_publish p = {.retain = true,
                             .topic = text("w"),
                             .payload = text("gone"),
                             .props.raw = {props, sizeof(props)}};
    struct core core;
    int published = 0;
    (void)state;
    core_init(&core);
    struct store_host host = host_of(core.broker);
    struct core_client *c = subscriber(&core);
    struct message *will = message_new(&p, (struct message_id){1, 1}, text("c"));
    host.publish_will(host.arg, will, on_will_out, &published);
    core_settle(&core);
    assert_int_equal(published, 1);
    assert_int_equal(will->refs, 1);
    has_all_of(c, "gone", true);
    message_unref(will);
    store_retained_start(core.broker->store, text("w"), on_kept, NULL, on_will_out, &published);
    assert_int_equal(published, 3);
    end(&core, c);
}

static void what_expired_between_brokers_goes_to_nobody(void **state)
{
    struct mqtt_publish p = {.topic = text("t"), .payload = text("late")};
    struct core core;
    (void)state;
    core_init(&core);
    struct broker *b = core.broker;
    struct store_host host = host_of(b);
    struct core_client *c = subscriber(&core);
    struct message *m = message_new(&p, (struct message_id){1, 1}, text("c"));
    m->expires_at_ms = store_now_ms(b->store);
    assert_false(host.deliver(host.arg, m));
    core_settle(&core);
    has_all_of(c, "late", false);
    assert_int_equal(b->stats.dropped[DROP_EXPIRED], 1);
    m->expires_at_ms += 3600000;
    assert_true(host.deliver(host.arg, m));
    core_settle(&core);
    has_all_of(c, "late", true);
    message_unref(m);
    end(&core, c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(starting_over_goes_in_pieces),
        cmocka_unit_test(a_subscription_that_was_told_is_told_again_with_all_its_options),
        cmocka_unit_test(nobody_is_served_while_the_store_is_suspended),
        cmocka_unit_test(clients_are_resumed_in_pieces),
        cmocka_unit_test(lost_time_is_no_silence),
        cmocka_unit_test(a_will_is_published_without_what_was_for_the_broker),
        cmocka_unit_test(what_expired_between_brokers_goes_to_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
