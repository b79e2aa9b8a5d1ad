/* sys_topics: the broker's figures, published when they change and kept for new subscribers. */
#include "broker/admin/sys_topics.h"

#include "broker/delivery/sys_values.h"
#include "tests/unit/broker/core_bed.h"

/* With an interval that no test waits for; the figures are those of now. */
static void begin(struct core_bed *b, uint64_t interval_ms)
{
    struct broker *broker = bed_broker(b);
    sys_topics_free(broker->sys);
    broker->sys = sys_topics_new(broker, interval_ms);
    assert_non_null(broker->sys);
    core_settle(&b->core);
}

static char value[64];

static void take_value(void *arg, const struct message *m)
{
    (void)arg;
    snprintf(value, sizeof(value), "%.*s", (int)m->payload.len, (const char *)m->payload.data);
}

/* "" : there is none. */
static const char *value_of(struct core_bed *b, const char *topic)
{
    value[0] = '\0';
    sys_values_each(bed_broker(b)->sys_values, bed_text(topic), take_value, NULL);
    return value;
}

static void without_an_interval_there_are_none(void **state)
{
    struct core_bed *b = *state;
    begin(b, 0);
    assert_string_equal(value_of(b, "$SYS/broker/version"), "");
}

static void they_are_there_from_the_start(void **state)
{
    struct core_bed *b = *state;
    begin(b, 1000000);
    assert_string_equal(value_of(b, "$SYS/broker/version"), "flotilla version " FLOTILLA_VERSION);
    assert_string_equal(value_of(b, "$SYS/broker/uptime"), "0 seconds");
    assert_string_equal(value_of(b, "$SYS/broker/clients/connected"), "0");
    assert_string_equal(value_of(b, "$SYS/broker/subscriptions/count"), "0");
}

static void each_figure_is_the_one_that_it_is_named_after(void **state)
{
    struct core_bed *b = *state;
    struct broker_stats *s = &bed_broker(b)->stats;
    bed_join(b, "online", true);
    bed_leave(b, bed_join(b, "offline", false));
    s->received[0] = 1, s->received[1] = 20, s->received[2] = 300;
    s->sent[0] = 2, s->sent[1] = 40, s->sent[2] = 600;
    s->dropped[0] = 7, s->dropped[DROP_COUNT - 1] = 80;
    s->received_packets = 11, s->sent_packets = 12;
    s->received_bytes = 13, s->sent_bytes = 14;
    s->received_payload = 15, s->sent_payload = 16;
    s->connections = 17;
    begin(b, 1000000);
    static const struct {
        const char *topic, *value;
    } cases[] = {
        {"$SYS/broker/clients/total", "2"},
        {"$SYS/broker/clients/connected", "1"},
        {"$SYS/broker/clients/active", "1"},
        {"$SYS/broker/clients/disconnected", "1"},
        {"$SYS/broker/clients/inactive", "1"},
        {"$SYS/broker/clients/maximum", "2"},
        {"$SYS/broker/messages/received", "11"},
        {"$SYS/broker/messages/sent", "12"},
        {"$SYS/broker/publish/messages/received", "321"},
        {"$SYS/broker/publish/messages/sent", "642"},
        {"$SYS/broker/publish/messages/dropped", "87"},
        {"$SYS/broker/bytes/received", "13"},
        {"$SYS/broker/bytes/sent", "14"},
        {"$SYS/broker/publish/bytes/received", "15"},
        {"$SYS/broker/publish/bytes/sent", "16"},
        {"$SYS/broker/connections/socket/count", "17"},
        {"$SYS/broker/shared_subscriptions/count", "0"},
        {"$SYS/broker/packet/out/bytes", "0"},
        {"$SYS/broker/clients/expired", "0"},
        /* alone, the fleet's totals are its own */
        {"$SYS/fleet/nodes", "1"},
        {"$SYS/fleet/clients/connected", "1"},
        {"$SYS/fleet/messages/received", "11"},
        {"$SYS/fleet/messages/sent", "12"},
        {"$SYS/fleet/publish/messages/received", "321"},
        {"$SYS/fleet/publish/messages/sent", "642"},
        {"$SYS/fleet/publish/messages/dropped", "87"},
        {"$SYS/fleet/bytes/received", "13"},
        {"$SYS/fleet/bytes/sent", "14"},
        {"$SYS/fleet/publish/bytes/received", "15"},
        {"$SYS/fleet/publish/bytes/sent", "16"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_string_equal(value_of(b, cases[i].topic), cases[i].value);
}

/* More may be counted as online than there are sessions, while one takes another's place. */
static void nobody_is_disconnected_when_more_are_online_than_known(void **state)
{
    struct core_bed *b = *state;
    bed_broker(b)->stats.online = 5;
    begin(b, 1000000);
    assert_string_equal(value_of(b, "$SYS/broker/clients/disconnected"), "0");
    bed_broker(b)->stats.online = 0;
}

static void what_is_stored_is_counted(void **state)
{
    struct core_bed *b = *state;
    struct core_client *p = bed_join(b, "p", true);
    struct core_client *d = bed_join(b, "d", false);
    bed_subscribe(b, p, "other", 0);
    bed_subscribe(b, d, "a", 1);
    bed_subscribe(b, d, "b", 1);
    bed_leave(b, d);
    bed_publish(b, p, "a", 1, true);  /* retained and queued: stored once */
    bed_publish(b, p, "b", 1, false); /* queued */
    begin(b, 1000000);
    static const char *const cases[][2] = {
        {"$SYS/broker/retained messages/count", "1"}, {"$SYS/fleet/retained messages/count", "1"},
        {"$SYS/broker/store/messages/count", "2"},    {"$SYS/broker/messages/stored", "2"},
        {"$SYS/broker/subscriptions/count", "3"},     {"$SYS/fleet/subscriptions/count", "3"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_string_equal(value_of(b, cases[i][0]), cases[i][1]);
    assert_true(atoi(value_of(b, "$SYS/broker/store/messages/bytes")) > 0);
    int heap = atoi(value_of(b, "$SYS/broker/heap/current"));
    assert_true(heap > 0);
    assert_int_equal(atoi(value_of(b, "$SYS/broker/heap/current size")), heap);
    assert_int_equal(atoi(value_of(b, "$SYS/broker/heap/maximum")), heap);
    assert_int_equal(atoi(value_of(b, "$SYS/broker/heap/maximum size")), heap);
}

/* There are no others from whom it is to be told. */
static void a_broker_alone_says_no_node(void **state)
{
    struct core_bed *b = *state;
    begin(b, 1000000);
    assert_string_equal(value_of(b, "$SYS/broker/node"), "");
}

static void averages_begin_at_0_and_follow_the_load(void **state)
{
    struct core_bed *b = *state;
    static const char *const kinds[] = {"bytes/received",    "bytes/sent",    "connections",
                                        "messages/received", "messages/sent", "publish/dropped",
                                        "publish/received",  "publish/sent",  "sockets"};
    static const char *const windows[] = {"1min", "5min", "15min"};
    begin(b, 10);
    for (size_t k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++) {
        for (size_t w = 0; w < 3; w++) {
            char topic[64];
            snprintf(topic, sizeof(topic), "$SYS/broker/load/%s/%s", kinds[k], windows[w]);
            assert_string_equal(value_of(b, topic), "0.00");
        }
    }
    bed_join(b, "c", true); /* 1 CONNECT */
    while (strcmp(value_of(b, "$SYS/broker/load/connections/1min"), "0.00") == 0) {
        event_base_loop(bed_broker(b)->base, EVLOOP_ONCE);
        core_settle(&b->core);
    }
    double shorter = atof(value_of(b, "$SYS/broker/load/connections/1min"));
    assert_true(shorter > 0.9 && shorter <= 1); /* of 1 in the last minute */
    double longer = atof(value_of(b, "$SYS/broker/load/connections/15min"));
    assert_true(longer > 0.05 && longer < 0.08);
}

static void what_hasnt_changed_isnt_published_again(void **state)
{
    struct core_bed *b = *state;
    struct mqtt_packet p;
    bed_broker(b)->stats.connections = 3;
    begin(b, 10);
    struct core_client *c = bed_join(b, "c", true);
    bed_subscribe(b, c, "$SYS/broker/connections/socket/count", 0);
    bed_subscribe(b, c, "$SYS/broker/bytes/sent", 0);
    bed_count(c, MQTT_PUBLISH); /* the values of before */
    bed_broker(b)->stats.connections = 31;
    while (!bed_find(c, MQTT_PUBLISH, &p) ||
           !bed_is_text(p.u.publish.topic, "$SYS/broker/connections/socket/count")) {
        event_base_loop(bed_broker(b)->base, EVLOOP_ONCE);
        core_settle(&b->core);
    }
    assert_true(bed_is_text(p.u.publish.payload, "31"));
    assert_false(p.u.publish.retain); /* it was subscribed to before */
    bed_count(c, MQTT_PUBLISH);
    for (int changes = 0; changes < 3;) { /* bytes/sent changes by its own publish */
        event_base_loop(bed_broker(b)->base, EVLOOP_ONCE);
        core_settle(&b->core);
        while (bed_find(c, MQTT_PUBLISH, &p)) {
            assert_true(bed_is_text(p.u.publish.topic, "$SYS/broker/bytes/sent"));
            changes++;
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BED_TEST(without_an_interval_there_are_none),
        BED_TEST(they_are_there_from_the_start),
        BED_TEST(each_figure_is_the_one_that_it_is_named_after),
        BED_TEST(nobody_is_disconnected_when_more_are_online_than_known),
        BED_TEST(what_is_stored_is_counted),
        BED_TEST(a_broker_alone_says_no_node),
        BED_TEST(averages_begin_at_0_and_follow_the_load),
        BED_TEST(what_hasnt_changed_isnt_published_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
