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
    s->retained = 15;
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
        {"$SYS/broker/retained messages/count", "15"},
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

static void what_hasnt_changed_isnt_published_again(void **state)
{
    struct core_bed *b = *state;
    struct mqtt_packet p;
    bed_broker(b)->stats.retained = 3;
    begin(b, 10);
    struct core_client *c = bed_join(b, "c", true);
    bed_subscribe(b, c, "$SYS/broker/retained messages/count", 0);
    bed_subscribe(b, c, "$SYS/broker/bytes/sent", 0);
    bed_count(c, MQTT_PUBLISH); /* the values of before */
    bed_broker(b)->stats.retained = 31;
    while (!bed_find(c, MQTT_PUBLISH, &p) ||
           !bed_is_text(p.u.publish.topic, "$SYS/broker/retained messages/count")) {
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
        BED_TEST(what_hasnt_changed_isnt_published_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
