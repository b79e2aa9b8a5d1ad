/* The broker's core as its clients see it, over transports that are buffers: bounds, windows, ends.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#include "broker/delivery/deliver.h"
#include "common/log/log.h"
#include "tests/unit/broker/core_fixture.h"

/* ---- what clients send ----------------------------------------------------------------------- */

static struct mqtt_slice text(const char *s)
{
    return (struct mqtt_slice){.data = (const uint8_t *)s, .len = (uint32_t)strlen(s)};
}

/* Sends a packet and lets the broker settle. */
static void tell(struct core *core, struct core_client *c, const struct mqtt_packet *p)
{
    uint8_t buf[4096];
    size_t n = mqtt_encode(p, MQTT_V311, buf, sizeof(buf));
    assert_true(n > 0);
    core_give(c, buf, n);
    core_settle(core);
}

static struct core_client *join(struct core *core, const char *id, bool clean)
{
    struct core_client *c = core_connect(core);
    core_capture(c, 1 << 20);
    tell(core, c,
         &(struct mqtt_packet){
             .type = MQTT_CONNECT,
             .u.connect = {
                 .version = MQTT_V311, .level = 4, .clean_start = clean, .client_id = text(id)}});
    return c;
}

static void leave(struct core *core, struct core_client *c)
{
    core_give_end(c);
    core_settle(core);
    core_client_free(c);
}

static void subscribe(struct core *core, struct core_client *c, const char *filter, uint8_t qos)
{
    uint8_t list[128];
    size_t used = 0;
    struct mqtt_filter f = {.filter = text(filter), .qos = qos};
    assert_true(mqtt_filters_put(list, sizeof(list), &used, true, &f));
    tell(core, c,
         &(struct mqtt_packet){.type = MQTT_SUBSCRIBE,
                               .u.subscribe = {.packet_id = 1,
                                               .count = 1,
                                               .list = {.data = list, .len = (uint32_t)used}}});
}

static void unsubscribe(struct core *core, struct core_client *c, const char *filter)
{
    uint8_t list[128];
    size_t used = 0;
    struct mqtt_filter f = {.filter = text(filter)};
    assert_true(mqtt_filters_put(list, sizeof(list), &used, false, &f));
    tell(core, c,
         &(struct mqtt_packet){.type = MQTT_UNSUBSCRIBE,
                               .u.subscribe = {.packet_id = 2,
                                               .count = 1,
                                               .list = {.data = list, .len = (uint32_t)used}}});
}

static void publish(struct core *core, struct core_client *c, const char *topic, uint8_t qos,
                    bool retain)
{
    tell(core, c,
         &(struct mqtt_packet){.type = MQTT_PUBLISH,
                               .u.publish = {.topic = text(topic),
                                             .qos = qos,
                                             .packet_id = qos > 0 ? 1 : 0,
                                             .retain = retain,
                                             .payload = text("x")}});
}

static void acknowledge(struct core *core, struct core_client *c, enum mqtt_type type, uint16_t id)
{
    uint8_t bytes[4];
    mqtt_encode_ack4(type, id, bytes);
    core_give(c, bytes, sizeof(bytes));
    core_settle(core);
}

/* ---- what they got --------------------------------------------------------------------------- */

/* Takes the next packet off what was captured; false when there is no whole one. */
static bool take_packet(struct core_client *c, struct mqtt_packet *p)
{
    static uint8_t bytes[1 << 20]; /* the slices of *p point here */
    struct mqtt_decode_opts opts = {.version = MQTT_V311, .from_server = true};
    size_t size;
    memcpy(bytes, c->out, c->out_len);
    if (c->out_len == 0 || mqtt_decode(bytes, c->out_len, &opts, p, &size, NULL) != DECODE_OK)
        return false;
    memmove(c->out, c->out + size, c->out_len - size);
    c->out_len -= size;
    return true;
}

/* Takes packets until one of this type. */
static bool take_type(struct core_client *c, enum mqtt_type type, struct mqtt_packet *p)
{
    while (take_packet(c, p))
        if (p->type == type)
            return true;
    return false;
}

static size_t count_publishes(struct core_client *c)
{
    struct mqtt_packet p;
    size_t count = 0;
    while (take_type(c, MQTT_PUBLISH, &p))
        count++;
    return count;
}

/* ---- a client that doesn't read -------------------------------------------------------------- */

enum { FLOOD = 64 * 1024 };

static void client_that_never_reads_is_not_read_for_ever(void **state)
{
    (void)state;
    static uint8_t pings[FLOOD];
    struct core core;
    core_init(&core);
    core.config.limits.max_output = 65536;
    for (size_t i = 0; i < FLOOD; i += 2)
        pings[i] = 0xc0;
    struct core_client *c = join(&core, "c", true);
    core_take(c, 0);
    size_t sent = 0;
    for (; sent < (size_t)64 * FLOOD && c->in_len == 0; sent += FLOOD) {
        core_give(c, pings, FLOOD);
        core_settle(&core);
    }
    assert_true(c->in_len > 0);
    assert_true(c->client->output.pending < 65536 + OUTPUT_HIGH + FLOOD);

    c->out_len = 0;
    size_t expected = c->client->output.pending;
    assert_true(expected > OUTPUT_HIGH);
    core_take(c, SIZE_MAX);
    core_settle(&core);
    assert_int_equal(c->client->output.pending, 0);
    assert_int_equal(c->in_len, 0); /* it is read again */
    leave(&core, c);
    core_fini(&core);
}

static void client_that_never_reads_is_closed_by_its_keep_alive(void **state)
{
    (void)state;
    static uint8_t pings[FLOOD];
    struct core core;
    core_init(&core);
    core.config.limits.max_output = 65536;
    for (size_t i = 0; i < FLOOD; i += 2)
        pings[i] = 0xc0;
    struct core_client *c = join(&core, "c", true);
    c->client->keep_alive_s = 10;
    core_take(c, 0);
    for (int i = 0; i < 64; i++) {
        core_give(c, pings, FLOOD);
        core_settle(&core);
    }
    core.broker->now_ms += 16000;
    core.broker->client_ms += 16000;
    c->client->timer.due(&c->client->timer);
    core_settle(&core);
    assert_true(c->freed);
    core_client_free(c);
    core_fini(&core);
}

/* ---- packet ids ------------------------------------------------------------------------------ */

/* Acknowledges what came, all of it at once, until nothing comes any more. */
static size_t acknowledge_all_but_the_first(struct core *core, struct core_client *c)
{
    struct mqtt_packet p;
    size_t total = 0;
    for (size_t count = 1; count > 0; total += count) {
        uint8_t acks[4 * 256] = {0};
        count = 0;
        while (take_type(c, MQTT_PUBLISH, &p)) {
            assert_int_not_equal(p.u.publish.packet_id, 1);
            assert_true(count < 256);
            mqtt_encode_ack4(MQTT_PUBACK, p.u.publish.packet_id, acks + 4 * count++);
        }
        core_give(c, acks, 4 * count);
        core_settle(core);
    }
    return total;
}

/* One message isn't acknowledged while so many others are that their ids come round to it. */
static void withheld_acknowledgement_holds_the_window_when_ids_come_round(bool clean)
{
    enum { BURST = 150, BURSTS = 66000 / BURST }; /* more than the window at once */
    struct core core;
    struct mqtt_packet p = {0};
    core_init(&core);
    struct core_client *c = join(&core, "c", clean);
    struct core_client *publisher = join(&core, "publisher", true);
    subscribe(&core, c, "t", 1);
    publish(&core, publisher, "t", 1, false);
    assert_true(take_type(c, MQTT_PUBLISH, &p));
    assert_int_equal(p.u.publish.packet_id, 1); /* the one that waits */

    size_t got = 0;
    for (int i = 0; i < BURSTS; i++) {
        for (int k = 0; k < BURST; k++)
            publish(&core, publisher, "t", 1, false);
        publisher->out_len = 0;
        got += acknowledge_all_but_the_first(&core, c);
        assert_false(c->freed);
    }
    assert_true(got > 65000 && got < 65535);
    acknowledge(&core, c, MQTT_PUBACK, 1);
    assert_true(take_type(c, MQTT_PUBLISH, &p)); /* what waited goes on */
    leave(&core, c);
    leave(&core, publisher);
    core_fini(&core);
}

static void withheld_acknowledgement_holds_a_clean_session(void **state)
{
    (void)state;
    withheld_acknowledgement_holds_the_window_when_ids_come_round(true);
}

static void withheld_acknowledgement_holds_a_durable_session(void **state)
{
    (void)state;
    withheld_acknowledgement_holds_the_window_when_ids_come_round(false);
}

/* ---- retained -------------------------------------------------------------------------------- */

static void unsubscribe_ends_the_retained_messages(void **state)
{
    (void)state;
    enum { TOPICS = 3000 };
    struct core core;
    core_init(&core);
    struct core_client *publisher = join(&core, "publisher", true);
    for (int i = 0; i < TOPICS; i++) {
        char topic[32];
        snprintf(topic, sizeof(topic), "r/%d", i);
        publish(&core, publisher, topic, 0, true);
    }
    struct core_client *c = join(&core, "c", true);
    uint8_t list[] = {0, 3, 'r', '/', '#', 0};
    uint8_t buf[64];
    struct mqtt_packet p = {
        .type = MQTT_SUBSCRIBE,
        .u.subscribe = {.packet_id = 1, .count = 1, .list = {.data = list, .len = sizeof(list)}}};
    core_give(c, buf, mqtt_encode(&p, MQTT_V311, buf, sizeof(buf)));
    core_turn(&core); /* the first chunk only */
    unsubscribe(&core, c, "r/#");
    assert_true(take_type(c, MQTT_UNSUBACK, &p));
    assert_int_equal(count_publishes(c), 0);
    leave(&core, c);
    leave(&core, publisher);
    core_fini(&core);
}

static void subscribing_again_tells_what_came_live_meanwhile(void **state)
{
    (void)state;
    struct core core;
    core_init(&core);
    struct store_ops ops = *core.broker->store->ops;
    ops.untargeted_is_done =
        false; /* as in a fleet, where what was told is remembered for a while */
    core.broker->store->ops = &ops;
    struct core_client *publisher = join(&core, "publisher", true);
    struct core_client *c = join(&core, "c", true);
    publish(&core, publisher, "t", 0, true);
    subscribe(&core, c, "t", 0);
    assert_int_equal(count_publishes(c), 1);
    publish(&core, publisher, "t", 0, true);
    assert_int_equal(count_publishes(c), 1);
    subscribe(&core, c, "t", 0); /* 3.8.4: retained messages are sent again */
    assert_int_equal(count_publishes(c), 1);
    leave(&core, c);
    leave(&core, publisher);
    core_fini(&core);
}

static struct {
    store_done_fn *done;
    void *arg;
} held_subscribe;

static void hold_subscribe(struct store *s, struct store_hold *hold,
                           const struct store_subscription *subs, size_t count, store_done_fn *done,
                           void *arg)
{
    (void)s, (void)hold, (void)subs, (void)count;
    held_subscribe.done = done;
    held_subscribe.arg = arg;
}

/* The value that is read then may be older than it. */
static void what_came_live_while_a_subscribe_waited_isnt_followed_by_a_value(void **state)
{
    (void)state;
    struct core core;
    core_init(&core);
    struct store_ops ops = *core.broker->store->ops;
    ops.subscribe = hold_subscribe;
    core.broker->store->ops = &ops;
    struct core_client *publisher = join(&core, "publisher", true);
    struct core_client *c = join(&core, "c", true);
    publish(&core, publisher, "t", 0, true);
    subscribe(&core, c, "t", 0);
    publish(&core, publisher, "t", 0, true);
    held_subscribe.done(held_subscribe.arg, STORE_OK);
    core_settle(&core);
    assert_int_equal(count_publishes(c), 1);
    leave(&core, c);
    leave(&core, publisher);
    core_fini(&core);
}

/* ---- a store that is full -------------------------------------------------------------------- */

static void refuse_subscribe(struct store *s, struct store_hold *hold,
                             const struct store_subscription *subs, size_t count,
                             store_done_fn *done, void *arg)
{
    (void)s, (void)hold, (void)subs, (void)count;
    done(arg, STORE_FULL);
}

static uint8_t granted(struct core_client *c)
{
    struct mqtt_packet p;
    assert_true(take_type(c, MQTT_SUBACK, &p));
    return p.u.suback.codes.data[0];
}

/* The store still has the old one. */
static void a_refused_subscribe_leaves_the_subscription_that_it_would_replace(void **state)
{
    (void)state;
    struct core core;
    struct mqtt_packet p;
    core_init(&core);
    struct core_client *publisher = join(&core, "publisher", true);
    struct core_client *c = join(&core, "c", false);
    subscribe(&core, c, "t", 1);
    assert_int_equal(granted(c), 1);
    struct store_ops ops = *core.broker->store->ops;
    ops.subscribe = refuse_subscribe;
    core.broker->store->ops = &ops;
    subscribe(&core, c, "t", 0);
    assert_int_equal(granted(c), MQTT_QOS_FAILURE);
    subscribe(&core, c, "other", 0);
    assert_int_equal(granted(c), MQTT_QOS_FAILURE);
    publish(&core, publisher, "other", 1, false);
    publish(&core, publisher, "t", 1, false);
    assert_true(take_type(c, MQTT_PUBLISH, &p));
    assert_int_equal(p.u.publish.topic.len, 1);
    assert_int_equal(p.u.publish.qos, 1);
    assert_int_equal(count_publishes(c), 0);
    leave(&core, c);
    leave(&core, publisher);
    core_fini(&core);
}

/* ---- the log --------------------------------------------------------------------------------- */

static void connect_without_id(struct core *core, struct core_client *c)
{
    tell(core, c,
         &(struct mqtt_packet){
             .type = MQTT_CONNECT,
             .u.connect = {
                 .version = MQTT_V311, .level = 4, .clean_start = false, .client_id = text("")}});
}

static void a_flood_of_one_end_leaves_the_others_in_the_log(void **state)
{
    (void)state;
    static char lines[1 << 16];
    struct core core;
    struct core_client *flood[40];
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    log_set_fd(fds[1]);
    core_init(&core);
    struct core_client *old = join(&core, "c", true);
    for (size_t i = 0; i < 40; i++) {
        flood[i] = core_connect(&core);
        connect_without_id(&core, flood[i]);
    }
    struct core_client *new = join(&core, "c", true);
    log_set_fd(2);
    ssize_t n = read(fds[0], lines, sizeof(lines) - 1);
    assert_true(n > 0);
    lines[n] = '\0';
    assert_non_null(strstr(lines, "reason=refused"));
    assert_non_null(strstr(lines, "reason=taken_over"));
    for (size_t i = 0; i < 40; i++)
        core_client_free(flood[i]);
    core_client_free(old);
    leave(&core, new);
    core_fini(&core);
    close(fds[0]);
    close(fds[1]);
}

/* ---- memory of a connection ------------------------------------------------------------------ */

static void large_connect_is_refused_by_its_length(void **state)
{
    (void)state;
    static const uint8_t head[] = {0x10, 0x80, 0x80, 0x80, 0x04}; /* 8 MiB follow */
    struct core core;
    core_init(&core);
    struct core_client *c = core_connect(&core);
    core_give(c, head, sizeof(head));
    core_settle(&core);
    assert_true(c->freed);
    core_client_free(c);
    core_fini(&core);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(client_that_never_reads_is_not_read_for_ever),
        cmocka_unit_test(client_that_never_reads_is_closed_by_its_keep_alive),
        cmocka_unit_test(withheld_acknowledgement_holds_a_clean_session),
        cmocka_unit_test(withheld_acknowledgement_holds_a_durable_session),
        cmocka_unit_test(unsubscribe_ends_the_retained_messages),
        cmocka_unit_test(subscribing_again_tells_what_came_live_meanwhile),
        cmocka_unit_test(what_came_live_while_a_subscribe_waited_isnt_followed_by_a_value),
        cmocka_unit_test(a_refused_subscribe_leaves_the_subscription_that_it_would_replace),
        cmocka_unit_test(a_flood_of_one_end_leaves_the_others_in_the_log),
        cmocka_unit_test(large_connect_is_refused_by_its_length),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
