/* A message for many receivers: in pieces, and nobody can tell. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "tests/unit/broker/core_fixture.h"

enum {
    MANY = 3 * FANOUT_PIECE + 7, /* for what needn't be larger */
    CROWD = 100000,
    WATCHED = 50, /* of a crowd: every so manieth's output is looked at */
    ROOM = 256,
};

static struct mqtt_slice text(const char *s)
{
    return (struct mqtt_slice){.data = (const uint8_t *)s, .len = (uint32_t)strlen(s)};
}

static void tell(struct core *core, struct core_client *c, const struct mqtt_packet *p)
{
    static uint8_t bytes[8][ROOM]; /* each is read before it is used again */
    static unsigned at;
    uint8_t *buf = bytes[at++ % 8];
    size_t n = mqtt_encode(p, MQTT_V311, buf, ROOM);
    core_must(n > 0);
    core_give(c, buf, n);
    core_turn(core);
}

static struct core_client *join(struct core *core, const char *id)
{
    struct core_client *c = core_connect(core);
    tell(core, c,
         &(struct mqtt_packet){
             .type = MQTT_CONNECT,
             .u.connect = {
                 .version = MQTT_V311, .level = 4, .clean_start = true, .client_id = text(id)}});
    core_settle(core);
    return c;
}

static void tell_list(struct core *core, struct core_client *c, enum mqtt_type type,
                      const char *filter)
{
    uint8_t list[64];
    size_t used = 0;
    struct mqtt_filter f = {.filter = text(filter), .qos = 1};
    core_must(mqtt_filters_put(list, sizeof(list), &used, type == MQTT_SUBSCRIBE, &f));
    tell(core, c,
         &(struct mqtt_packet){.type = type,
                               .u.subscribe = {.packet_id = 1,
                                               .count = 1,
                                               .list = {.data = list, .len = (uint32_t)used}}});
}

static void publish(struct core *core, struct core_client *c, const char *topic,
                    const char *payload)
{
    tell(core, c,
         &(struct mqtt_packet){.type = MQTT_PUBLISH,
                               .u.publish = {.topic = text(topic), .payload = text(payload)}});
}

struct crowd {
    struct core core;
    struct core_client *alice, *bob, *other;
    int count;
    struct core_client *receivers[CROWD];
};

/* All receivers hold "all", every WATCHED-th "some", too. */
static struct crowd *crowd_new(int count)
{
    struct crowd *w = calloc(1, sizeof(*w));
    core_must(w != NULL);
    core_init(&w->core);
    w->count = count;
    for (int i = 0; i < count; i++) {
        char id[16];
        snprintf(id, sizeof(id), "r%d", i);
        w->receivers[i] = join(&w->core, id);
        tell_list(&w->core, w->receivers[i], MQTT_SUBSCRIBE, "all");
        if (i % WATCHED != 0)
            continue;
        tell_list(&w->core, w->receivers[i], MQTT_SUBSCRIBE, "some");
        core_settle(&w->core);
        core_capture(w->receivers[i], ROOM);
    }
    w->alice = join(&w->core, "alice");
    w->bob = join(&w->core, "bob");
    w->other = join(&w->core, "other");
    core_settle(&w->core);
    return w;
}

static void crowd_free(struct crowd *w)
{
    core_fini(&w->core);
    for (int i = 0; i < w->count; i++)
        core_client_free(w->receivers[i]);
    core_client_free(w->alice);
    core_client_free(w->bob);
    core_client_free(w->other);
    free(w);
}

static uint64_t sent(const struct crowd *w)
{
    return w->core.broker->stats.sent[0];
}

static bool under_way(const struct crowd *w)
{
    return fanouts_busy(w->core.broker->fanouts);
}

/* The payloads, of a byte each, that a watched client got; what else it got is a '?'. */
static const char *heard(const struct core_client *c)
{
    static char payloads[ROOM];
    size_t n = 0;
    for (size_t at = 0; at < c->out_len; at += 2u + c->out[at + 1])
        payloads[n++] =
            c->out[at] >> 4 == MQTT_PUBLISH ? (char)c->out[at + 1 + c->out[at + 1]] : '?';
    payloads[n] = '\0';
    return payloads;
}

static void assert_all_heard(const struct crowd *w, const char *payloads)
{
    for (int i = 0; i < w->count; i += WATCHED)
        assert_string_equal(heard(w->receivers[i]), payloads);
}

static void a_message_for_100000_goes_in_pieces_while_others_are_served(void **state)
{
    static const uint8_t ping[] = {0xc0, 0};
    (void)state;
    struct crowd *w = crowd_new(CROWD);
    unsigned turns = 1;
    publish(&w->core, w->alice, "all", "1");
    for (; under_way(w); turns++) {
        uint64_t before = sent(w);
        w->other->out_len = 0;
        core_give(w->other, ping, sizeof(ping));
        core_turn(&w->core);
        assert_in_range(sent(w) - before, 0, FANOUT_PIECE);
        assert_int_equal(w->other->out_len, 2);
        assert_true(turns < 100000);
    }
    assert_true(turns >= CROWD / FANOUT_PIECE);
    assert_int_equal(sent(w), CROWD);
    core_settle(&w->core);
    assert_all_heard(w, "1");
    crowd_free(w);
}

static void a_later_message_overtakes_it_nowhere(void **state)
{
    (void)state;
    struct crowd *w = crowd_new(CROWD);
    publish(&w->core, w->alice, "all", "1");
    publish(&w->core, w->bob, "some", "2"); /* for few: now */
    assert_true(under_way(w));
    assert_int_equal(w->core.broker->stats.received[0], 2);
    core_settle(&w->core);
    assert_all_heard(w, "12");
    crowd_free(w);
}

static void another_message_for_many_waits_at_its_publisher(void **state)
{
    (void)state;
    struct crowd *w = crowd_new(MANY);
    publish(&w->core, w->alice, "all", "1");
    publish(&w->core, w->bob, "all", "2");
    publish(&w->core, w->bob, "some", "3");
    publish(&w->core, w->alice, "some", "4");
    assert_int_equal(w->core.broker->stats.received[0], 1);
    core_settle(&w->core);
    assert_int_equal(w->core.broker->stats.received[0], 4);
    for (int i = 0; i < w->count; i += WATCHED) {
        const char *all = heard(w->receivers[i]);
        assert_int_equal(strlen(all), 4);
        assert_int_equal(all[0], '1');
        assert_true(strchr(all, '2') < strchr(all, '3')); /* each publisher's in order */
    }
    crowd_free(w);
}

static void subscriptions_change_behind_it(void **state)
{
    (void)state;
    struct crowd *w = crowd_new(MANY);
    struct core_client *last = w->receivers[w->count - 1 - (w->count - 1) % WATCHED];
    core_capture(w->other, ROOM);
    publish(&w->core, w->alice, "all", "1");
    tell_list(&w->core, last, MQTT_UNSUBSCRIBE, "all");
    tell_list(&w->core, w->other, MQTT_SUBSCRIBE, "all");
    assert_true(under_way(w));
    assert_string_equal(heard(last), "1?"); /* then UNSUBACK */
    core_settle(&w->core);
    assert_string_equal(heard(last), "1?");
    assert_string_equal(heard(w->other), "?"); /* came too late for it */
    assert_int_equal(sent(w), MANY);
    crowd_free(w);
}

static void receivers_and_publisher_may_leave_meanwhile(void **state)
{
    (void)state;
    struct crowd *w = crowd_new(MANY);
    struct core_client *last = w->receivers[w->count - 1 - (w->count - 1) % WATCHED];
    publish(&w->core, w->alice, "all", "1");
    core_give_end(w->receivers[w->count - 2]);
    client_leave(last->client, END_SHUTDOWN); /* as a drain does */
    client_close_later(w->alice->client, END_KEEP_ALIVE);
    core_turn(&w->core);
    assert_true(under_way(w));
    assert_true(last->finished && w->receivers[w->count - 2]->freed);
    assert_string_equal(heard(last), "1"); /* before it was closed */
    core_settle(&w->core);
    assert_true(w->alice->freed);
    assert_int_equal(sent(w), MANY - 1);
    crowd_free(w);
}

static void from_elsewhere(struct crowd *w, const char *topic, const char *payload)
{
    struct mqtt_publish p = {.topic = text(topic), .payload = text(payload)};
    struct message *m = message_new(&p, (struct message_id){.node = 1}, text("elsewhere"));
    core_must(m != NULL);
    publish_local(w->core.broker, m);
    message_unref(m);
}

static void the_stores_messages_wait_in_their_order(void **state)
{
    (void)state;
    struct crowd *w = crowd_new(MANY);
    const struct broker *b = w->core.broker;
    from_elsewhere(w, "all", "1");
    assert_true(publish_takes_more(b));
    from_elsewhere(w, "some", "2"); /* now */
    from_elsewhere(w, "all", "3");
    assert_false(publish_takes_more(b)); /* which is what an inbox asks */
    from_elsewhere(w, "some", "4");
    core_settle(&w->core);
    assert_true(publish_takes_more(b));
    assert_all_heard(w, "1234");
    crowd_free(w);
}

/* ---- messages that are handed out once the store has them ------------------------------------ */

/* What the store has and hasn't completed: it does when the test says so. */
static struct {
    int count;
    struct {
        store_done_fn *done;
        void *arg;
    } published[8];
} slow;

static void slow_publish(struct store *s, const struct store_publish_request *request,
                         store_done_fn *done, void *arg)
{
    (void)s;
    (void)request;
    core_must(slow.count < 8);
    slow.published[slow.count].done = done;
    slow.published[slow.count++].arg = arg;
}

static void publish_qos1(struct crowd *w, struct core_client *c, const char *topic,
                         const char *payload)
{
    static uint16_t id;
    tell(&w->core, c,
         &(struct mqtt_packet){
             .type = MQTT_PUBLISH,
             .u.publish = {
                 .qos = 1, .packet_id = ++id, .topic = text(topic), .payload = text(payload)}});
}

static void what_the_store_completed_is_acknowledged_when_it_is_through(void **state)
{
    (void)state;
    struct crowd *w = crowd_new(MANY);
    struct store *store = w->core.broker->store;
    const struct store_ops *quick_ops = store->ops;
    struct store_ops slow_ops = *quick_ops;
    slow_ops.publish = slow_publish;
    slow_ops.untargeted_is_done = false;
    store->ops = &slow_ops;
    w->alice->out_len = w->bob->out_len = 0;
    publish_qos1(w, w->alice, "all", "1");
    publish_qos1(w, w->alice, "all", "2");
    publish_qos1(w, w->alice, "some", "3");
    publish_qos1(w, w->bob, "some", "4");
    assert_int_equal(slow.count, 4);
    for (int i = 0; i < slow.count; i++)
        slow.published[i].done(slow.published[i].arg, STORE_OK);
    core_turn(&w->core);
    assert_int_equal(w->alice->out_len, 0);
    assert_int_equal(w->bob->out_len, 4); /* another one's, for few, waits for none of them */
    client_close_later(w->bob->client, END_KEEP_ALIVE);
    core_settle(&w->core);
    assert_int_equal(w->alice->out_len, 3 * 4);
    assert_all_heard(w, "1423");
    assert_true(w->bob->freed);
    store->ops = quick_ops;
    crowd_free(w);
}

static void a_broker_may_stop_in_the_middle(void **state)
{
    (void)state;
    struct crowd *w = crowd_new(MANY);
    publish(&w->core, w->alice, "all", "1");
    publish(&w->core, w->bob, "all", "2");
    from_elsewhere(w, "all", "3");
    core_turn(&w->core);
    assert_true(under_way(w));
    crowd_free(w); /* nothing leaks, nothing is used that was freed */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_for_100000_goes_in_pieces_while_others_are_served),
        cmocka_unit_test(a_later_message_overtakes_it_nowhere),
        cmocka_unit_test(another_message_for_many_waits_at_its_publisher),
        cmocka_unit_test(subscriptions_change_behind_it),
        cmocka_unit_test(receivers_and_publisher_may_leave_meanwhile),
        cmocka_unit_test(the_stores_messages_wait_in_their_order),
        cmocka_unit_test(what_the_store_completed_is_acknowledged_when_it_is_through),
        cmocka_unit_test(a_broker_may_stop_in_the_middle),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
