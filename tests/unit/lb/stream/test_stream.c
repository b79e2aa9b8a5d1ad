/*
 * A plain stream: what the poller's events and its reads say of the socket. Writing and ending:
 * test_stream_end.c.
 */
#include "lb/stream/stream.h"

#include "tests/unit/lb/stream/stream_pair.h"

static void events_say_what_can_be_done(void **state)
{
    static const struct {
        uint32_t events;
        bool readable, writable, hangup, reset;
    } cases[] = {
        {EPOLLIN, true, false, false, false},   {EPOLLOUT, false, true, false, false},
        {EPOLLRDHUP, true, false, true, false}, {EPOLLHUP, true, true, true, true},
        {EPOLLERR, true, true, true, true},     {EPOLLIN | EPOLLOUT, true, true, false, false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct stream s;
        stream_init_plain(&s, -1);
        stream_ready(&s, cases[i].events);
        assert_int_equal(s.readable, cases[i].readable);
        assert_int_equal(s.socket_more, cases[i].readable);
        assert_int_equal(s.writable, cases[i].writable);
        assert_int_equal(s.hangup, cases[i].hangup);
        assert_int_equal(s.reset, cases[i].reset);
    }
}

static void reading_that_waits_for_the_socket_to_be_writable_goes_on_then(void **state)
{
    (void)state;
    stream.wants_write = true;
    stream_ready(&stream, EPOLLIN);
    assert_true(stream.wants_write);
    stream.readable = false;
    stream_ready(&stream, EPOLLOUT);
    assert_true(stream.readable);
    assert_false(stream.wants_write);
    stream.readable = false;
    stream_ready(&stream, EPOLLOUT);
    assert_false(stream.readable);
}

static void a_read_that_is_filled_may_have_left_something(void **state)
{
    (void)state;
    char buf[8];
    peer_says("12345678");
    stream_ready(&stream, EPOLLIN);
    assert_int_equal(stream_read(&stream, buf, 8), 8);
    assert_true(stream.readable);
    assert_int_equal(stream_read(&stream, buf, 8), STREAM_AGAIN);
    assert_false(stream.readable);
    assert_false(stream.ended || stream.broken);
}

static void a_short_read_has_drained_the_socket(void **state)
{
    (void)state;
    char buf[8];
    peer_says("1234567");
    stream_ready(&stream, EPOLLIN);
    assert_int_equal(stream_read(&stream, buf, 8), 7);
    assert_false(stream.readable); /* it isn't asked a second time */
    assert_false(stream.ended);
}

static void a_short_read_after_an_end_was_announced_is_the_last_one(void **state)
{
    (void)state;
    char buf[8];
    peer_says("bye");
    shutdown(peer, SHUT_WR);
    stream_ready(&stream, EPOLLIN | EPOLLRDHUP);
    assert_int_equal(stream_read(&stream, buf, 8), 3);
    assert_true(stream.ended);
    assert_false(stream.readable || stream.broken);
}

static void after_a_reset_was_announced_reading_goes_on_to_the_error(void **state)
{
    (void)state;
    char buf[8];
    peer_says("bye");
    stream_ready(&stream, EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR);
    assert_int_equal(stream_read(&stream, buf, 8), 3);
    assert_true(stream.readable);
    assert_false(stream.ended);
}

static void an_orderly_end_breaks_nothing(void **state)
{
    (void)state;
    char buf[8];
    shutdown(peer, SHUT_WR);
    stream_ready(&stream, EPOLLIN);
    assert_int_equal(stream_read(&stream, buf, 8), 0);
    assert_true(stream.ended);
    assert_false(stream.broken || stream.aborted || stream.readable);
}

static void a_reset_ends_and_breaks_the_stream(void **state)
{
    (void)state;
    char buf[8];
    use_tcp();
    peer_resets();
    stream_ready(&stream, EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR);
    assert_int_equal(stream_read(&stream, buf, 8), 0);
    assert_true(stream.ended && stream.broken && stream.aborted);
    assert_false(stream.readable);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, pair_setup, pair_teardown)
    const struct CMUnitTest tests[] = {
        TEST(events_say_what_can_be_done),
        TEST(reading_that_waits_for_the_socket_to_be_writable_goes_on_then),
        TEST(a_read_that_is_filled_may_have_left_something),
        TEST(a_short_read_has_drained_the_socket),
        TEST(a_short_read_after_an_end_was_announced_is_the_last_one),
        TEST(after_a_reset_was_announced_reading_goes_on_to_the_error),
        TEST(an_orderly_end_breaks_nothing),
        TEST(a_reset_ends_and_breaks_the_stream),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
