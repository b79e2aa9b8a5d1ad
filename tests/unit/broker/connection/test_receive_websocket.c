/* receive, over WebSocket: a transport that gives less than was asked for, and has more. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/broker/client_frames.h"
#include "tests/unit/broker/core_fixture.h"

#define CONNECT "\x10\x0d\0\4MQTT\4\2\0\0\0\1c"

struct bed {
    struct core core;
    struct core_client *c;
    struct client_frames sent;
};

/* An online client over WebSocket. */
static int setup(void **state)
{
    struct bed *b = calloc(1, sizeof(*b));
    core_must(b != NULL);
    core_init(&b->core);
    b->c = core_connect(&b->core);
    b->c->client->transport =
        transport_websocket_new(&b->c->transport, &b->core.broker->spare_decoder);
    core_must(b->c->client->transport != NULL);
    frames_add(&b->sent, FIN | FRAME_BINARY, CONNECT, sizeof(CONNECT) - 1);
    core_give(b->c, b->sent.bytes, b->sent.len);
    core_settle(&b->core);
    core_must(client_is_connected(b->c->client));
    b->sent.len = 0;
    *state = b;
    return 0;
}

static int teardown(void **state)
{
    struct bed *b = *state;
    if (!b->c->freed)
        client_close(b->c->client, END_EOF);
    core_settle(&b->core);
    core_client_free(b->c);
    core_fini(&b->core);
    free(b);
    return 0;
}

/* PUBLISH at QoS 0, each in a frame of its own between pings. */
static void add_publishes(struct bed *b, size_t count, size_t pings)
{
    for (size_t i = 0; i < count; i++) {
        for (size_t ping = 0; ping < pings; ping++)
            frames_add(&b->sent, FIN | FRAME_PING, "", 0);
        frames_add(&b->sent, FIN | FRAME_BINARY, "\x30\x04\0\1tx", 6);
    }
}

static uint64_t published(const struct bed *b)
{
    return b->core.broker->stats.received[0];
}

static void one_edge_brings_all_that_is_there(void **state)
{
    struct bed *b = *state;
    add_publishes(b, 30000, 0); /* more than one read */
    core_give(b->c, b->sent.bytes, b->sent.len);
    core_settle(&b->core);
    assert_int_equal(published(b), 30000);
    assert_false(b->c->client->readable || b->c->client->more);
}

static void reads_without_a_byte_for_the_client_go_on(void **state)
{
    struct bed *b = *state;
    add_publishes(b, 4, 15000); /* 90 kB of pings before each */
    core_give(b->c, b->sent.bytes, b->sent.len);
    core_settle(&b->core);
    assert_int_equal(published(b), 4);
    assert_false(b->c->client->readable || b->c->client->more);
}

static void what_a_leaving_client_sent_is_read_to_its_end(void **state)
{
    struct bed *b = *state;
    add_publishes(b, 3, 15000);
    core_give(b->c, b->sent.bytes, b->sent.len);
    client_leave(b->c->client, END_TAKEN_OVER);
    core_settle(&b->core);
    assert_true(b->c->freed);
    assert_int_equal(published(b), 3);
    assert_int_equal(b->core.broker->stats.ended[END_TAKEN_OVER], 1);
}

static void an_end_behind_pings_is_seen(void **state)
{
    struct bed *b = *state;
    frames_add(&b->sent, FIN | FRAME_PING, "", 0);
    core_give(b->c, b->sent.bytes, b->sent.len);
    core_give_end(b->c);
    core_settle(&b->core);
    assert_true(b->c->freed);
    assert_int_equal(b->core.broker->stats.ended[END_EOF], 1);
}

static void frames_that_are_not_allowed_are_malformed(void **state)
{
    struct bed *b = *state;
    add_publishes(b, 1, 0);
    frames_add(&b->sent, FIN | FRAME_TEXT, "text", 4);
    core_give(b->c, b->sent.bytes, b->sent.len);
    core_settle(&b->core);
    assert_true(b->c->freed);
    assert_int_equal(published(b), 1);
    assert_int_equal(b->core.broker->stats.ended[END_MALFORMED], 1);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(one_edge_brings_all_that_is_there),
        TEST(reads_without_a_byte_for_the_client_go_on),
        TEST(what_a_leaving_client_sent_is_read_to_its_end),
        TEST(an_end_behind_pings_is_seen),
        TEST(frames_that_are_not_allowed_are_malformed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
