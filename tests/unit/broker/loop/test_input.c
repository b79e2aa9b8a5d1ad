/* input: packets from bytes, however these come; what is kept until a packet is whole. */
#include "broker/loop/input.h"

#include <arpa/inet.h>

#include "broker/client/rest.h"
#include "broker/net/listener.h"
#include "tests/unit/broker/core_bed.h"

#define CONNECT "\x10\x0d\0\4MQTT\4\2\0\0\0\1c"
#define PING "\xc0\0"

static uint64_t ended(struct core_bed *b, enum client_end why)
{
    return bed_broker(b)->stats.ended[why];
}

static struct core_client *join(struct core_bed *b)
{
    struct core_client *c = bed_join(b, "c", true);
    assert_int_equal(bed_connack(c), 0);
    return c;
}

/* ---- packets ---------------------------------------------------------------------------------- */

static void packets_may_come_byte_by_byte(void **state)
{
    static const char bytes[] = CONNECT PING PING;
    struct core_bed *b = *state;
    struct core_client *c = bed_connect(b);
    for (size_t i = 0; i < sizeof(bytes) - 1; i++)
        bed_send(b, c, bytes + i, 1);
    assert_int_equal(bed_connack(c), 0);
    assert_int_equal(bed_count(c, MQTT_PINGRESP), 2);
    assert_null(c->client->rest);
}

static void or_many_at_once(void **state)
{
    struct core_bed *b = *state;
    struct core_client *c = bed_connect(b);
    BED_SEND(b, c, CONNECT PING PING PING "\xc0");
    assert_int_equal(bed_connack(c), 0);
    assert_int_equal(bed_count(c, MQTT_PINGRESP), 3);
    assert_int_equal(c->client->rest->len, 1);
    BED_SEND(b, c, "\0");
    assert_int_equal(bed_count(c, MQTT_PINGRESP), 1);
}

static void bytes_that_arent_mqtt_close_the_client(void **state)
{
    struct core_bed *b = *state;
    struct core_client *c = join(b);
    BED_SEND(b, c, PING "\xff\xff" PING);
    assert_true(c->freed);
    assert_int_equal(ended(b, END_MALFORMED), 1);
    assert_int_equal(bed_broker(b)->stats.received_packets, 2);
    BED_SEND(b, join(b), "\xe0\0" PING); /* nor is anything handled behind DISCONNECT */
    assert_int_equal(bed_broker(b)->stats.received_packets, 4);
}

static void a_large_connect_is_refused_by_its_length(void **state)
{
    struct core_bed *b = *state;
    struct core_client *c = bed_connect(b);
    BED_SEND(b, c, "\x10\x80\x80\x80\x04"); /* 8 MiB follow */
    assert_true(c->freed);
}

/* ---- large packets ---------------------------------------------------------------------------- */

enum { LARGE = 300 * 1024 };

/* A PUBLISH, larger than the shared buffer. */
static size_t make_large(uint8_t *bytes, size_t size)
{
    static uint8_t payload[LARGE];
    struct mqtt_packet p = {.type = MQTT_PUBLISH,
                            .u.publish = {.topic = bed_text("t"), .payload = {payload, LARGE}}};
    size_t len = mqtt_encode(&p, MQTT_V311, bytes, size);
    assert_true(len > LARGE);
    return len;
}

static void a_large_packet_is_gathered_and_handled(size_t piece, struct core_bed *b)
{
    static uint8_t bytes[LARGE + 64];
    size_t len = make_large(bytes, sizeof(bytes));
    struct core_client *c = join(b), *other = bed_join(b, "other", true);
    bed_subscribe(b, other, "t", 0);
    for (size_t at = 0; at < len; at += piece) {
        core_give(c, bytes + at, len - at < piece ? len - at : piece);
        core_settle(&b->core);
    }
    assert_int_equal(bed_count(other, MQTT_PUBLISH), 1);
    assert_null(c->client->rest);
    BED_SEND(b, c, PING);
    assert_int_equal(bed_count(c, MQTT_PINGRESP), 1);
}

static void a_large_packet_may_come_at_once(void **state)
{
    a_large_packet_is_gathered_and_handled(SIZE_MAX / 2, *state);
}

static void or_in_pieces(void **state)
{
    a_large_packet_is_gathered_and_handled(7000, *state);
}

/* Whoever announces much and sends little doesn't cost much. */
static void what_is_kept_grows_with_what_has_come(void **state)
{
    static uint8_t bytes[LARGE + 64];
    struct core_bed *b = *state;
    make_large(bytes, sizeof(bytes));
    struct core_client *c = join(b);
    core_give(c, bytes, 1000);
    core_settle(&b->core);
    core_give(c, bytes + 1000, 10);
    core_settle(&b->core);
    assert_int_equal(c->client->rest->len, 1010);
    assert_true(rest_bytes(c->client) < 33 * 1024);
    core_give(c, bytes + 1010, 50000);
    core_settle(&b->core);
    assert_int_equal(c->client->rest->len, 51010);
    assert_true(rest_bytes(c->client) < 2 * 51010 + 33 * 1024);
}

static void a_packet_for_which_there_is_no_memory_closes_its_client(void **state)
{
    static uint8_t bytes[LARGE + 64];
    struct core_bed *b = *state;
    make_large(bytes, sizeof(bytes));
    struct core_client *c = join(b);
    core_give(c, bytes, 4000); /* little enough to be kept without a question */
    core_settle(&b->core);
    bed_broker(b)->memory.limit = 1;
    bed_broker(b)->memory.target = 1;
    core_give(c, bytes + 4000, 1000);
    input_run(c->client);
    assert_true(c->freed);
    assert_int_equal(ended(b, END_MEMORY), 1);
    bed_broker(b)->memory.limit = 0;
}

/* ---- PROXY headers ---------------------------------------------------------------------------- */

static struct listener_config config;
static struct listener *listener;

static int set_up_listener(void **state)
{
    char err[128];
    bed_set_up(state);
    config = (struct listener_config){.bind = (char *)"127.0.0.1:0", .max_connections = 9};
    listener = listener_new(&(struct listener_owner){.base = bed_broker(*state)->base}, &config,
                            err, sizeof(err));
    return listener != NULL ? 0 : -1;
}

static int tear_down_listener(void **state)
{
    struct broker *broker = bed_broker(*state);
    while (broker->clients != NULL)
        client_close(broker->clients, END_EOF);
    listener_free(listener);
    return bed_tear_down(state);
}

/* A connection of a trusted proxy. */
static struct core_client *from_proxy(struct core_bed *b, enum proxy_mode mode)
{
    struct core_client *c = bed_connect(b);
    config.proxy_protocol = mode;
    c->client->listener = listener;
    listener_client_came(listener);
    c->client->trusted = true;
    c->client->state = CLIENT_PROXY;
    return c;
}

static void a_header_says_whose_connection_it_is(void **state)
{
    static const char header[] = "PROXY TCP4 192.0.2.7 192.0.2.8 4711 1883\r\n";
    struct core_bed *b = *state;
    struct core_client *c = from_proxy(b, PROXY_MODE_REQUIRE);
    char text[PEER_TEXT_MAX];
    bed_send(b, c, header, 20);
    assert_int_equal(c->client->state, CLIENT_PROXY); /* more is needed */
    bed_send(b, c, header + 20, sizeof(header) - 1 - 20);
    assert_int_equal(c->client->state, CLIENT_CONNECTING);
    assert_string_equal(peer_text(&c->transport.peer, text), "192.0.2.7:4711");
    assert_true(c->client->proxied);
    BED_SEND(b, c, CONNECT);
    assert_int_equal(bed_connack(c), 0);
}

static void its_connect_may_follow_at_once(void **state)
{
    struct core_bed *b = *state;
    struct core_client *c = from_proxy(b, PROXY_MODE_ACCEPT);
    BED_SEND(b, c, "PROXY UNKNOWN\r\n" CONNECT);
    assert_int_equal(bed_connack(c), 0);
    assert_false(c->client->proxied); /* the proxy's own: a health check */
}

static void without_a_header_it_is_a_client_where_that_is_allowed(void **state)
{
    struct core_bed *b = *state;
    struct core_client *c = from_proxy(b, PROXY_MODE_ACCEPT);
    BED_SEND(b, c, CONNECT);
    assert_int_equal(bed_connack(c), 0);
    assert_false(c->client->proxied);
    c = from_proxy(b, PROXY_MODE_REQUIRE);
    BED_SEND(b, c, CONNECT);
    assert_true(c->freed);
    assert_int_equal(ended(b, END_PROXY), 1);
}

static void a_bad_header_closes_the_connection(void **state)
{
    struct core_bed *b = *state;
    BED_SEND(b, from_proxy(b, PROXY_MODE_ACCEPT), "PROXY TCP4 x y 1 2\r\n");
    assert_int_equal(ended(b, END_PROXY), 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up_listener, tear_down_listener)
    const struct CMUnitTest tests[] = {
        BED_TEST(packets_may_come_byte_by_byte),
        BED_TEST(or_many_at_once),
        BED_TEST(bytes_that_arent_mqtt_close_the_client),
        BED_TEST(a_large_connect_is_refused_by_its_length),
        BED_TEST(a_large_packet_may_come_at_once),
        BED_TEST(or_in_pieces),
        BED_TEST(what_is_kept_grows_with_what_has_come),
        BED_TEST(a_packet_for_which_there_is_no_memory_closes_its_client),
        TEST(a_header_says_whose_connection_it_is),
        TEST(its_connect_may_follow_at_once),
        TEST(without_a_header_it_is_a_client_where_that_is_allowed),
        TEST(a_bad_header_closes_the_connection),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
