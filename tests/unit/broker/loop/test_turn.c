/* What one client may ask of a turn: long lists of filters, waiting reads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "broker/delivery/retained_delivery.h"
#include "tests/unit/broker/core_fixture.h"

enum { BUFFER = 1 << 20 };

static struct mqtt_slice text(const char *s)
{
    return (struct mqtt_slice){.data = (const uint8_t *)s, .len = (uint32_t)strlen(s)};
}

/* What a client is about to send; freed once it is read. */
struct bytes {
    size_t len;
    uint8_t data[BUFFER];
};

static struct bytes *bytes_new(void)
{
    struct bytes *b = malloc(sizeof(*b));
    core_must(b != NULL);
    b->len = 0;
    return b;
}

static void add(struct bytes *b, const struct mqtt_packet *p)
{
    size_t n = mqtt_encode(p, MQTT_V311, b->data + b->len, sizeof(b->data) - b->len);
    core_must(n > 0);
    b->len += n;
}

static void add_publish(struct bytes *b, const char *topic, bool retain)
{
    add(b, &(struct mqtt_packet){
               .type = MQTT_PUBLISH,
               .u.publish = {.topic = text(topic), .payload = text("x"), .retain = retain}});
}

/* SUBSCRIBE or UNSUBSCRIBE of the prefix itself, or followed by a number each. */
static void add_list(struct bytes *b, enum mqtt_type type, const char *prefix, int count)
{
    struct bytes *list = bytes_new();
    for (int i = 0; i < count; i++) {
        char filter[64];
        if (count == 1)
            snprintf(filter, sizeof(filter), "%s", prefix);
        else
            snprintf(filter, sizeof(filter), "%s%d", prefix, i);
        struct mqtt_filter f = {.filter = text(filter)};
        core_must(mqtt_filters_put(list->data, sizeof(list->data), &list->len,
                                   type == MQTT_SUBSCRIBE, &f));
    }
    add(b, &(struct mqtt_packet){
               .type = type,
               .u.subscribe = {.packet_id = 1,
                               .count = (uint32_t)count,
                               .list = {.data = list->data, .len = (uint32_t)list->len}}});
    free(list);
}

static struct core_client *join(struct core *core, const char *id)
{
    struct bytes *b = bytes_new();
    struct core_client *c = core_connect(core);
    add(b, &(struct mqtt_packet){
               .type = MQTT_CONNECT,
               .u.connect = {
                   .version = MQTT_V311, .level = 4, .clean_start = true, .client_id = text(id)}});
    core_give(c, b->data, b->len);
    core_settle(core);
    free(b);
    c->out_len = 0;
    return c;
}

static void leave(struct core *core, struct core_client *c)
{
    core_give_end(c);
    core_settle(core);
    core_client_free(c);
}

/* ---- lists of filters ------------------------------------------------------------------------ */

static void a_long_list_is_worked_through_in_pieces(enum mqtt_type type, size_t before,
                                                    size_t after)
{
    enum { FILTERS = 5000 };
    static const uint8_t ping[] = {0xc0, 0};
    struct core core;
    core_init(&core);
    core.config.limits.max_subscriptions = FILTERS;
    struct core_client *c = join(&core, "many");
    struct core_client *other = join(&core, "other");
    struct bytes *b = bytes_new();
    add_list(b, MQTT_SUBSCRIBE, "m/", before > 0 ? FILTERS : 1);
    core_give(c, b->data, b->len);
    core_settle(&core);
    assert_int_equal(router_subscription_count(core.broker->router), before > 0 ? FILTERS : 1);

    c->out_len = b->len = 0;
    add_list(b, type, "m/", FILTERS);
    core_give(c, b->data, b->len);
    core_give(other, ping, sizeof(ping));
    core_turn(&core);
    assert_int_equal(c->out_len, 0); /* not done in one turn */
    assert_true(router_subscription_count(core.broker->router) != after);
    assert_int_equal(other->out_len, 2);
    core_settle(&core);
    assert_int_equal(router_subscription_count(core.broker->router), after);
    assert_true(c->out_len >= 4); /* and answered, once */
    free(b);
    leave(&core, c);
    leave(&core, other);
    core_fini(&core);
}

static void many_filters_are_subscribed_to_in_pieces(void **state)
{
    (void)state;
    a_long_list_is_worked_through_in_pieces(MQTT_SUBSCRIBE, 0, 5000);
}

static void many_filters_are_unsubscribed_in_pieces(void **state)
{
    (void)state;
    a_long_list_is_worked_through_in_pieces(MQTT_UNSUBSCRIBE, 5000, 0);
}

static void a_client_may_leave_in_the_middle_of_its_list(void **state)
{
    (void)state;
    struct core core;
    core_init(&core);
    struct core_client *c = join(&core, "many");
    struct bytes *b = bytes_new();
    add_list(b, MQTT_SUBSCRIBE, "m/", 2000);
    core_give(c, b->data, b->len);
    core_turn(&core);
    client_close_later(c->client, END_KEEP_ALIVE);
    core_settle(&core);
    assert_true(c->freed);
    assert_int_equal(router_subscription_count(core.broker->router), 0);
    core_client_free(c);
    free(b);
    core_fini(&core);
}

/* ---- retained messages that wait -------------------------------------------------------------- */

/* A client that is behind with retained messages and has asked for `again` all the time. */
static struct core_client *join_behind(struct core *core, struct bytes *b)
{
    struct core_client *publisher = join(core, "publisher");
    for (int i = 0; i < 20000; i++) {
        char topic[64];
        snprintf(topic, sizeof(topic), "r/%040d", i);
        add_publish(b, topic, true);
        if (b->len > BUFFER - 1000 || i == 19999) {
            core_give(publisher, b->data, b->len);
            core_settle(core);
            b->len = 0;
        }
    }
    leave(core, publisher);
    struct core_client *c = join(core, "behind");
    core_take(c, 0);
    add_list(b, MQTT_SUBSCRIBE, "#", 1);
    core_give(c, b->data, b->len);
    core_settle(core);
    b->len = 0;
    return c;
}

static void a_filter_subscribed_to_again_and_again_waits_once(void **state)
{
    (void)state;
    struct core core;
    core_init(&core);
    struct bytes *b = bytes_new();
    struct core_client *c = join_behind(&core, b);
    assert_int_equal(retained_delivery_waiting(c->client), 1);
    for (int i = 0; i < 1000; i++) {
        add_list(b, MQTT_SUBSCRIBE, "y", 1);
        add_list(b, MQTT_SUBSCRIBE, "#", 1); /* that is being read */
    }
    core_give(c, b->data, b->len);
    core_settle(&core);
    assert_int_equal(retained_delivery_waiting(c->client), 2);
    free(b);
    leave(&core, c);
    core_fini(&core);
}

static void unsubscribed_filters_wait_no_more(void **state)
{
    (void)state;
    struct core core;
    core_init(&core);
    struct bytes *b = bytes_new();
    struct core_client *c = join_behind(&core, b);
    add_list(b, MQTT_SUBSCRIBE, "y/", 2000);
    core_give(c, b->data, b->len);
    core_settle(&core);
    assert_int_equal(retained_delivery_waiting(c->client), 2001);
    size_t held = retained_delivery_bytes(c->client); /* by which it may be shed */
    assert_in_range(held, 2001 * sizeof(void *), 2001 * 200);
    b->len = 0;
    add_list(b, MQTT_UNSUBSCRIBE, "y/", 1999);
    core_give(c, b->data, b->len);
    core_settle(&core);
    assert_int_equal(retained_delivery_waiting(c->client), 2);
    assert_true(retained_delivery_bytes(c->client) < held / 100);
    b->len = 0;
    add_list(b, MQTT_UNSUBSCRIBE, "#", 1); /* that is being read */
    core_give(c, b->data, b->len);
    core_take(c, SIZE_MAX);
    core_settle(&core);
    assert_int_equal(retained_delivery_waiting(c->client), 0);
    free(b);
    leave(&core, c);
    core_fini(&core);
}

/* ---- closing a connection in good order ------------------------------------------------------ */

enum { RECEIVERS = 200, MESSAGES = 1000 };

struct flood {
    struct core core;
    struct core_client *receivers[RECEIVERS], *old, *other;
    struct bytes *bytes;
};

/* A client has sent far more than a turn's budget, and nobody has read it yet. */
static void flood_init(struct flood *f)
{
    core_init(&f->core);
    f->bytes = bytes_new();
    for (int i = 0; i < RECEIVERS; i++) {
        char id[16];
        snprintf(id, sizeof(id), "r%d", i);
        f->receivers[i] = join(&f->core, id);
        f->bytes->len = 0;
        add_list(f->bytes, MQTT_SUBSCRIBE, "flood", 1);
        core_give(f->receivers[i], f->bytes->data, f->bytes->len);
        core_settle(&f->core);
        f->receivers[i]->out_len = 0;
    }
    f->old = join(&f->core, "bulk");
    f->other = join(&f->core, "other");
    f->bytes->len = 0;
    for (int i = 0; i < MESSAGES; i++)
        add_publish(f->bytes, "flood", false);
    f->old->in = f->bytes->data; /* unannounced */
    f->old->in_len = f->bytes->len;
}

static void flood_fini(struct flood *f)
{
    for (int i = 0; i < RECEIVERS; i++)
        leave(&f->core, f->receivers[i]);
    leave(&f->core, f->other);
    core_client_free(f->old);
    core_fini(&f->core);
    free(f->bytes);
}

/* Turns until the old connection is closed; how many. The other one's pings are answered in each,
 * and none has more than a budget and one message. */
static unsigned turns_until_closed(struct flood *f)
{
    static const uint8_t ping[] = {0xc0, 0};
    unsigned turns = 0;
    while (!f->old->freed) {
        uint64_t before = f->core.broker->stats.sent[0];
        f->other->out_len = 0;
        core_give(f->other, ping, sizeof(ping));
        core_turn(&f->core);
        assert_in_range(f->core.broker->stats.sent[0] - before, 0, 20000 + RECEIVERS);
        assert_int_equal(f->other->out_len, 2);
        assert_true(++turns < 1000);
    }
    return turns;
}

static void a_taken_over_connection_is_read_within_the_budgets(void **state)
{
    (void)state;
    struct flood f;
    flood_init(&f);
    struct core_client *heir = core_connect(&f.core);
    struct bytes *b = bytes_new();
    add(b, &(struct mqtt_packet){.type = MQTT_CONNECT,
                                 .u.connect = {.version = MQTT_V311,
                                               .level = 4,
                                               .clean_start = true,
                                               .client_id = text("bulk")}});
    core_give(heir, b->data, b->len);
    core_turn(&f.core);
    assert_false(f.old->freed);
    assert_int_equal(heir->out_len, 0); /* it waits */
    assert_true(turns_until_closed(&f) > 3);
    assert_int_equal(f.core.broker->stats.sent[0], RECEIVERS * MESSAGES); /* what it sent counts */
    core_settle(&f.core);
    assert_int_equal(heir->out_len, 4);
    leave(&f.core, heir);
    free(b);
    flood_fini(&f);
}

static void a_third_connection_takes_the_second_ones_place(void **state)
{
    (void)state;
    struct flood f;
    flood_init(&f);
    struct core_client *heirs[2];
    struct bytes *b = bytes_new();
    add(b, &(struct mqtt_packet){.type = MQTT_CONNECT,
                                 .u.connect = {.version = MQTT_V311,
                                               .level = 4,
                                               .clean_start = true,
                                               .client_id = text("bulk")}});
    for (int i = 0; i < 2; i++) {
        heirs[i] = core_connect(&f.core);
        core_give(heirs[i], b->data, b->len);
        core_turn(&f.core);
    }
    assert_false(f.old->freed);
    turns_until_closed(&f);
    core_settle(&f.core);
    assert_true(heirs[0]->freed);
    assert_int_equal(heirs[1]->out_len, 4);
    core_client_free(heirs[0]);
    leave(&f.core, heirs[1]);
    free(b);
    flood_fini(&f);
}

static void a_waiting_connection_may_leave(void **state)
{
    (void)state;
    struct flood f;
    flood_init(&f);
    struct core_client *heir = core_connect(&f.core);
    struct bytes *b = bytes_new();
    add(b, &(struct mqtt_packet){.type = MQTT_CONNECT,
                                 .u.connect = {.version = MQTT_V311,
                                               .level = 4,
                                               .clean_start = true,
                                               .client_id = text("bulk")}});
    core_give(heir, b->data, b->len);
    core_turn(&f.core);
    client_close_later(heir->client, END_EOF);
    core_turn(&f.core);
    assert_true(heir->freed);
    turns_until_closed(&f);
    core_client_free(heir);
    free(b);
    flood_fini(&f);
}

static void on_gone(void *arg, enum store_status status)
{
    assert_int_equal(status, STORE_OK);
    *(bool *)arg = true;
}

static void a_connection_handed_over_is_read_within_the_budgets(void **state)
{
    (void)state;
    struct flood f;
    bool gone = false;
    flood_init(&f);
    client_hand_over(f.old->client, on_gone, &gone);
    assert_true(turns_until_closed(&f) > 3);
    core_settle(&f.core);
    assert_true(gone);
    assert_int_equal(f.core.broker->stats.sent[0], RECEIVERS * MESSAGES);
    flood_fini(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(many_filters_are_subscribed_to_in_pieces),
        cmocka_unit_test(many_filters_are_unsubscribed_in_pieces),
        cmocka_unit_test(a_client_may_leave_in_the_middle_of_its_list),
        cmocka_unit_test(a_filter_subscribed_to_again_and_again_waits_once),
        cmocka_unit_test(unsubscribed_filters_wait_no_more),
        cmocka_unit_test(a_taken_over_connection_is_read_within_the_budgets),
        cmocka_unit_test(a_third_connection_takes_the_second_ones_place),
        cmocka_unit_test(a_waiting_connection_may_leave),
        cmocka_unit_test(a_connection_handed_over_is_read_within_the_budgets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
