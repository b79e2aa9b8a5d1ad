/* disconnect: a 5.0 client is told why its connection ends (3.14.2.1). */
#include "broker/connection/disconnect.h"

#include "broker/client/client_v5.h"
#include "tests/unit/broker/v5_bed.h"

static struct core_client *join(struct core_bed *b, struct mqtt_props props)
{
    struct core_client *c = v5_join(b, "c", true, props);
    assert_int_equal(bed_connack(c), 0);
    return c;
}

/* Closes it, and takes its DISCONNECT. */
static struct mqtt_ack told(struct core_client *c, enum client_end why)
{
    struct mqtt_packet p;
    client_close(c->client, why);
    assert_true(c->freed);
    assert_true(bed_find(c, MQTT_DISCONNECT, &p));
    assert_int_equal(c->out_len, 0); /* the last packet [MQTT-3.14.4-1] */
    return p.u.ack;
}

static void each_end_has_its_reason(void **state)
{
    static const struct {
        enum client_end why;
        int reason; /* -1: nothing is said */
    } ends[] = {
        {END_DISCONNECT, -1},
        {END_EOF, -1},
        {END_IO_ERROR, -1},
        {END_MALFORMED, 0x81},
        {END_KEEP_ALIVE, 0x8d},
        {END_TAKEN_OVER, 0x8e}, /* [MQTT-3.1.4-3] */
        {END_QUEUE_FULL, 0x97},
        {END_STORE_FAILED, 0x89},
        {END_GAP, 0x80},
        {END_START_OVER, 0x89},
        {END_SHUTDOWN, 0x8b},
        {END_NO_MEMORY, 0x89},
        {END_MEMORY, 0x97},
        {END_SLOW_PACKET, 0x80},
        {END_NOT_AUTHORIZED, 0x87},
        {END_EXPIRED, 0x87},
        {END_OPEN_QOS2, 0x93},
    };
    struct core_bed *b = *state;
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        struct core_client *c = join(b, v5_none);
        client_close(c->client, ends[i].why);
        assert_int_equal(v5_end_reason(c), ends[i].reason);
    }
}

static void a_reason_that_isnt_clear_comes_with_a_sentence(void **state)
{
    struct core_bed *b = *state;
    struct mqtt_ack ack = told(join(b, v5_none), END_QUEUE_FULL);
    assert_non_null(strstr(v5_text(ack.props, MQTT_P_REASON_STRING), "more messages wait"));
    ack = told(join(b, v5_none), END_KEEP_ALIVE);
    assert_null(v5_text(ack.props, MQTT_P_REASON_STRING));
}

/* [MQTT-3.14.2-3] */
static void the_sentence_is_left_out_where_the_client_takes_no_such_packet(void **state)
{
    struct core_bed *b = *state;
    struct core_client *c = join(b, v5_none);
    c->client->v5->max_packet = 20;
    struct mqtt_ack ack = told(c, END_QUEUE_FULL);
    assert_int_equal(ack.reason, MQTT_R_QUOTA_EXCEEDED);
    assert_int_equal(ack.props.raw.len, 0);
}

/* [MQTT-3.1.2-24] */
static void nor_any_disconnect_where_it_takes_not_even_that(void **state)
{
    struct core_bed *b = *state;
    struct core_client *c = join(b, v5_none);
    c->client->v5->max_packet = 2;
    client_close(c->client, END_QUEUE_FULL);
    assert_true(c->freed);
    assert_int_equal(c->out_len, 0);
}

static void earlier_versions_are_told_nothing(void **state)
{
    struct core_bed *b = *state;
    struct core_client *c = bed_join(b, "c", true);
    assert_int_equal(bed_connack(c), 0);
    client_close(c->client, END_KEEP_ALIVE);
    assert_true(c->freed);
    assert_int_equal(c->out_len, 0);
}

/* [MQTT-3.14.0-1] */
static void nor_is_who_got_no_connack(void **state)
{
    struct core_bed *b = *state;
    struct core_client *c = bed_connect(b);
    BED_SEND(b, c, "\x10\x0e\0\4MQTT\5"); /* a CONNECT that has begun */
    client_close(c->client, END_CONNECT_TIMEOUT);
    assert_int_equal(c->out_len, 0);
}

/* ---- a broker that ends ----------------------------------------------------------------------- */

static void a_draining_broker_says_what_is_configured(void **state)
{
    static const int reasons[] = {
        [DRAIN_SHUTTING_DOWN] = 0x8b, [DRAIN_USE_ANOTHER] = 0x9c, [DRAIN_MOVED] = 0x9d};
    struct core_bed *b = *state;
    for (int says = DRAIN_SHUTTING_DOWN; says <= DRAIN_MOVED; says++) {
        b->core.config.mqtt.drain_says = says;
        assert_int_equal(told(join(b, v5_none), END_SHUTDOWN).reason, reasons[says]);
    }
}

/* 4.11 */
static void and_where_to_go(void **state)
{
    char other[] = "other:1883";
    struct core_bed *b = *state;
    struct mqtt_config *m = &b->core.config.mqtt;
    m->server_reference = other;
    m->drain_says = DRAIN_MOVED;
    struct mqtt_ack ack = told(join(b, v5_none), END_SHUTDOWN);
    assert_string_equal(v5_text(ack.props, MQTT_P_SERVER_REFERENCE), "other:1883");
    m->drain_says = DRAIN_USE_ANOTHER;
    ack = told(join(b, v5_none), END_SHUTDOWN);
    assert_string_equal(v5_text(ack.props, MQTT_P_SERVER_REFERENCE), "other:1883");
    ack = told(join(b, v5_none), END_KEEP_ALIVE); /* it may come back here */
    assert_null(v5_text(ack.props, MQTT_P_SERVER_REFERENCE));
    m->server_reference = NULL;
    ack = told(join(b, v5_none), END_SHUTDOWN);
    assert_int_equal(ack.props.raw.len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BED_TEST(each_end_has_its_reason),
        BED_TEST(a_reason_that_isnt_clear_comes_with_a_sentence),
        BED_TEST(the_sentence_is_left_out_where_the_client_takes_no_such_packet),
        BED_TEST(nor_any_disconnect_where_it_takes_not_even_that),
        BED_TEST(earlier_versions_are_told_nothing),
        BED_TEST(nor_is_who_got_no_connack),
        BED_TEST(a_draining_broker_says_what_is_configured),
        BED_TEST(and_where_to_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
