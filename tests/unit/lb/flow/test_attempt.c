/* What a flow remembers until it relays: the held bytes, and the servers that were tried. */
#include "lb/flow/attempt.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <netinet/in.h>

#include "common/net/address.h"
#include "lb/backend/server.h"
#include "tests/unit/lb/stream/said_stream.h"

static struct attempt *attempt;
static struct stream client;
static struct said said;
static struct sockaddr_storage peer;

static int setup(void **state)
{
    socklen_t len;
    (void)state;
    assert_true(address_parse("192.0.2.7:1", &peer, &len));
    attempt = attempt_new(&peer);
    return attempt != NULL ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    attempt_free(attempt);
    attempt_free(NULL);
    return 0;
}

static void it_begins_with_the_peer_and_nothing_held(void **state)
{
    (void)state;
    assert_memory_equal(&attempt->peer, &peer, sizeof(peer));
    assert_int_equal(attempt_held(attempt), 0);
    assert_null(attempt->bytes);
}

static void what_the_client_has_sent_is_held_in_order(void **state)
{
    (void)state;
    said_init(&client, &said, "connect me", 10);
    said.piece = 3;
    assert_int_equal(attempt_hold(attempt, &client), ATTEMPT_HELD);
    assert_int_equal(attempt_held(attempt), 10);
    assert_false(client.readable);
    said_more(&client, &said, "connect me again", 16);
    assert_int_equal(attempt_hold(attempt, &client), ATTEMPT_HELD);
    assert_memory_equal(attempt->bytes, "connect me again", 16);
}

static void a_client_that_is_not_readable_or_has_ended_isnt_read(void **state)
{
    (void)state;
    said_init(&client, &said, "text", 4);
    client.readable = false;
    assert_int_equal(attempt_hold(attempt, &client), ATTEMPT_HELD);
    client.readable = client.ended = true;
    assert_int_equal(attempt_hold(attempt, &client), ATTEMPT_HELD);
    assert_int_equal(attempt_held(attempt), 0);
}

static void the_end_shows_in_the_stream(void **state)
{
    (void)state;
    said_init(&client, &said, "bye", 3);
    said_end(&client, &said);
    assert_int_equal(attempt_hold(attempt, &client), ATTEMPT_HELD);
    assert_true(client.ended);
    assert_int_equal(attempt_held(attempt), 3);
}

static void as_much_as_the_limit_is_held_beside_the_header(void **state)
{
    (void)state;
    static char much[ATTEMPT_HELD_MAX + 1];
    static uint8_t header[100];
    for (size_t i = 0; i < sizeof(much); i++)
        much[i] = (char)(i * 7);
    memset(header, 'h', sizeof(header));
    assert_true(attempt_set_header(attempt, header, sizeof(header)));
    said_init(&client, &said, much, ATTEMPT_HELD_MAX);
    assert_int_equal(attempt_hold(attempt, &client), ATTEMPT_FULL); /* before it asks for more */
    assert_int_equal(attempt_held(attempt), ATTEMPT_HELD_MAX);
    assert_int_equal(said.at, ATTEMPT_HELD_MAX);
    said_more(&client, &said, much, sizeof(much));
    assert_int_equal(attempt_hold(attempt, &client), ATTEMPT_FULL);
    assert_int_equal(said.at, ATTEMPT_HELD_MAX);
    assert_memory_equal(attempt->bytes, header, sizeof(header));
    assert_memory_equal(attempt->bytes + sizeof(header), much, ATTEMPT_HELD_MAX);
}

static void one_byte_less_than_the_limit_is_all_held(void **state)
{
    (void)state;
    static char much[ATTEMPT_HELD_MAX - 1];
    said_init(&client, &said, much, sizeof(much));
    assert_int_equal(attempt_hold(attempt, &client), ATTEMPT_HELD);
    assert_int_equal(attempt_held(attempt), sizeof(much));
}

static void the_header_goes_before_the_bytes_that_are_held(void **state)
{
    (void)state;
    said_init(&client, &said, "hello", 5);
    attempt_hold(attempt, &client);
    assert_false(attempt->header_made);
    assert_true(attempt_set_header(attempt, (const uint8_t *)"PROXY ", 6));
    assert_true(attempt->header_made);
    assert_int_equal(attempt_held(attempt), 5);
    assert_int_equal(attempt->len, 11);
    assert_memory_equal(attempt->bytes, "PROXY hello", 11);
}

static void no_header_is_made_as_well(void **state)
{
    (void)state;
    assert_true(attempt_set_header(attempt, NULL, 0));
    assert_true(attempt->header_made);
    assert_int_equal(attempt->header_len, 0);
    assert_null(attempt->bytes);
}

static struct server *make_server(void)
{
    struct server *s =
        server_new("b", "s", &peer, sizeof(struct sockaddr_in), 1, SERVER_FROM_LIST, -1);
    assert_non_null(s);
    return s;
}

static void a_server_that_is_excluded_is_kept_and_the_bytes_start_over(void **state)
{
    (void)state;
    struct server *s = make_server();
    attempt->sent = 7;
    attempt->shutdown_sent = attempt->tries.sent = true;
    attempt_exclude(attempt, s);
    assert_int_equal(attempt->tried_count, 1);
    assert_ptr_equal(attempt->tried[0], s);
    assert_int_equal(atomic_load(&s->refs), 2);
    assert_int_equal(attempt->sent, 0);
    assert_false(attempt->shutdown_sent || attempt->tries.sent);
    attempt_exclude_none(attempt);
    assert_int_equal(attempt->tried_count, 0);
    assert_int_equal(atomic_load(&s->refs), 1);
    server_unref(s);
}

static void when_all_places_are_taken_the_oldest_ones_may_be_tried_again(void **state)
{
    (void)state;
    struct server *s[ATTEMPT_SERVERS_MAX + 1];
    for (size_t i = 0; i <= ATTEMPT_SERVERS_MAX; i++) {
        s[i] = make_server();
        attempt_exclude(attempt, s[i]);
        assert_int_equal(attempt->tried_count, i < ATTEMPT_SERVERS_MAX ? i + 1 : 1);
    }
    assert_ptr_equal(attempt->tried[0], s[ATTEMPT_SERVERS_MAX]);
    for (size_t i = 0; i < ATTEMPT_SERVERS_MAX; i++)
        assert_int_equal(atomic_load(&s[i]->refs), 1);
    for (size_t i = 0; i <= ATTEMPT_SERVERS_MAX; i++)
        server_unref(s[i]); /* the last one's other reference goes with the attempt */
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(it_begins_with_the_peer_and_nothing_held),
        TEST(what_the_client_has_sent_is_held_in_order),
        TEST(a_client_that_is_not_readable_or_has_ended_isnt_read),
        TEST(the_end_shows_in_the_stream),
        TEST(as_much_as_the_limit_is_held_beside_the_header),
        TEST(one_byte_less_than_the_limit_is_all_held),
        TEST(the_header_goes_before_the_bytes_that_are_held),
        TEST(no_header_is_made_as_well),
        TEST(a_server_that_is_excluded_is_kept_and_the_bytes_start_over),
        TEST(when_all_places_are_taken_the_oldest_ones_may_be_tried_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
