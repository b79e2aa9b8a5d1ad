/*
 * How many connections there may be and for how long. They have no sockets, but an evhttp connection
 * each, as http_admin.c's have.
 */
#include "common/http/http_connections.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/http.h>
#include <string.h>

#include "common/base/clock.h"

#define MOST 3

static struct event_base *base;
static struct http_connections connections;

struct opened {
    struct http_connection *connection;
    struct bufferevent *bev;
    struct evhttp_connection *evhttp;
    uint64_t since_ms; /* not later than the module's own reading of the clock */
};

/* Ages are told apart by the millisecond. */
static void next_millisecond(void)
{
    uint64_t now_ms = clock_monotonic_ms();
    while (clock_monotonic_ms() == now_ms)
        ;
}

static struct opened open_one(void)
{
    next_millisecond();
    struct opened o = {.since_ms = clock_monotonic_ms()};
    o.bev = http_connections_add(&connections, base);
    assert_non_null(o.bev);
    o.connection = connections.all[connections.count - 1];
    o.evhttp = evhttp_connection_base_bufferevent_new(base, NULL, o.bev, "127.0.0.1", 1);
    assert_non_null(o.evhttp);
    return o;
}

static bool is_there(const struct opened *o)
{
    for (size_t i = 0; i < connections.count; i++)
        if (connections.all[i] == o->connection)
            return true;
    return false;
}

static void replied(const struct opened *o)
{
    next_millisecond();
    http_connections_replied(&connections, o->bev);
}

/* The beginning of a request. */
static void ask(const struct opened *o)
{
    struct evbuffer *input = bufferevent_get_input(o->bev);
    next_millisecond();
    evbuffer_unfreeze(input, 0);
    assert_int_equal(evbuffer_add(input, "G", 1), 0);
    evbuffer_freeze(input, 0);
}

static void take_input(const struct opened *o)
{
    struct evbuffer *input = bufferevent_get_input(o->bev);
    evbuffer_unfreeze(input, 1);
    assert_int_equal(evbuffer_drain(input, evbuffer_get_length(input)), 0);
    evbuffer_freeze(input, 1);
}

static int setup(void **state)
{
    (void)state;
    base = event_base_new();
    connections = (struct http_connections){.max = MOST};
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    http_connections_sweep(&connections, UINT64_MAX / 2); /* all are overdue by then */
    assert_int_equal(connections.count, 0);
    http_connections_fini(&connections);
    event_base_free(base);
    return 0;
}

static void there_may_be_as_many_as_set_or_128(void **state)
{
    (void)state;
    assert_int_equal(http_connections_most(&connections), MOST);
    connections.max = 0;
    assert_int_equal(http_connections_most(&connections), 128);
}

static void as_long_as_there_are_places_nobody_has_to_go(void **state)
{
    (void)state;
    for (size_t i = 0; i < MOST; i++)
        open_one();
    assert_int_equal(connections.count, MOST);
    assert_int_equal(connections.evicted, 0);
}

static void of_those_that_ask_the_oldest_makes_room(void **state)
{
    (void)state;
    struct opened a = open_one();
    struct opened b = open_one();
    struct opened c = open_one();
    struct opened d = open_one();
    assert_int_equal(connections.evicted, 1);
    assert_int_equal(connections.count, MOST);
    assert_false(is_there(&a));
    assert_true(is_there(&b) && is_there(&c) && is_there(&d));
    struct opened e = open_one();
    assert_false(is_there(&b));
    assert_true(is_there(&c) && is_there(&d) && is_there(&e));
}

static void who_waits_for_its_next_request_goes_before_who_asks(void **state)
{
    (void)state;
    struct opened asking = open_one();
    struct opened idle = open_one();
    struct opened longer = open_one();
    replied(&longer);
    replied(&idle);
    open_one();
    assert_false(is_there(&longer)); /* of two that wait, who has waited longer */
    assert_true(is_there(&idle) && is_there(&asking));
    open_one();
    assert_false(is_there(&idle));
    assert_true(is_there(&asking));
}

static void a_first_byte_begins_a_request(void **state)
{
    (void)state;
    struct opened first = open_one();
    struct opened second = open_one();
    struct opened third = open_one();
    replied(&first);
    replied(&second);
    ask(&first);
    take_input(&first); /* what is taken out begins nothing */
    open_one();
    assert_false(is_there(&second));
    assert_true(is_there(&first) && is_there(&third));
}

static void a_request_has_five_seconds_and_its_further_bytes_none_more(void **state)
{
    (void)state;
    struct opened o = open_one();
    uint64_t after_ms = clock_monotonic_ms();
    ask(&o);
    http_connections_sweep(&connections, o.since_ms + HTTP_REQUEST_MS - 1);
    assert_true(is_there(&o));
    http_connections_sweep(&connections, after_ms + HTTP_REQUEST_MS);
    assert_false(is_there(&o));
}

static void between_two_requests_there_are_thirty_seconds(void **state)
{
    (void)state;
    struct opened o = open_one();
    next_millisecond();
    uint64_t before_ms = clock_monotonic_ms();
    http_connections_replied(&connections, o.bev);
    uint64_t after_ms = clock_monotonic_ms();
    http_connections_sweep(&connections, before_ms + HTTP_IDLE_MS - 1);
    assert_true(is_there(&o));
    http_connections_sweep(&connections, after_ms + HTTP_IDLE_MS);
    assert_false(is_there(&o));
}

static void a_request_that_has_come_before_the_reply_has_its_own_five_seconds(void **state)
{
    (void)state;
    struct opened o = open_one();
    ask(&o);
    next_millisecond();
    uint64_t before_ms = clock_monotonic_ms();
    http_connections_replied(&connections, o.bev);
    uint64_t after_ms = clock_monotonic_ms();
    http_connections_sweep(&connections, before_ms + HTTP_REQUEST_MS - 1);
    assert_true(is_there(&o));
    http_connections_sweep(&connections, after_ms + HTTP_REQUEST_MS);
    assert_false(is_there(&o));
}

static void what_evhttp_is_done_with_is_let_go_at_the_next_sweep(void **state)
{
    (void)state;
    struct opened a = open_one();
    struct opened b = open_one();
    evhttp_connection_free(a.evhttp);
    assert_true(is_there(&a));
    http_connections_sweep(&connections, clock_monotonic_ms());
    assert_false(is_there(&a));
    assert_true(is_there(&b));
}

static void a_reply_on_a_connection_that_is_gone_changes_nothing(void **state)
{
    (void)state;
    struct opened o = open_one();
    struct bufferevent *other = bufferevent_socket_new(base, -1, 0);
    http_connections_replied(&connections, other);
    uint64_t after_ms = clock_monotonic_ms();
    http_connections_sweep(&connections, after_ms + HTTP_REQUEST_MS); /* it still asks */
    assert_false(is_there(&o));
    bufferevent_free(other);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(there_may_be_as_many_as_set_or_128),
        TEST(as_long_as_there_are_places_nobody_has_to_go),
        TEST(of_those_that_ask_the_oldest_makes_room),
        TEST(who_waits_for_its_next_request_goes_before_who_asks),
        TEST(a_first_byte_begins_a_request),
        TEST(a_request_has_five_seconds_and_its_further_bytes_none_more),
        TEST(between_two_requests_there_are_thirty_seconds),
        TEST(a_request_that_has_come_before_the_reply_has_its_own_five_seconds),
        TEST(what_evhttp_is_done_with_is_let_go_at_the_next_sweep),
        TEST(a_reply_on_a_connection_that_is_gone_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
