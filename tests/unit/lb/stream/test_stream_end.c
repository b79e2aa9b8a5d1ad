/* A plain stream: what its writes say of the socket, and how it is ended, aborted and closed. */
#include "lb/stream/stream.h"

#include "tests/unit/lb/stream/stream_pair.h"

static void a_write_that_is_taken_whole_leaves_the_socket_writable(void **state)
{
    (void)state;
    stream.writable = true;
    assert_int_equal(stream_write(&stream, "text", 4), 4);
    assert_true(stream.writable);
}

static void a_write_that_is_taken_in_part_or_not_at_all_has_filled_it(void **state)
{
    (void)state;
    static char much[4 * 1024 * 1024];
    stream.writable = true;
    size_t n = stream_write(&stream, much, sizeof(much));
    assert_in_range(n, 1, sizeof(much) - 1);
    assert_false(stream.writable);
    stream.writable = true;
    assert_int_equal(stream_write(&stream, much, sizeof(much)), 0);
    assert_false(stream.writable || stream.broken);
}

static void a_peer_that_reads_no_more_breaks_the_stream_without_a_reset(void **state)
{
    (void)state;
    close(peer);
    peer = -1;
    stream.writable = true;
    assert_int_equal(stream_write(&stream, "text", 4), 0); /* EPIPE, and no signal */
    assert_true(stream.broken);
    assert_false(stream.aborted || stream.writable);
}

static void any_other_error_of_a_write_is_a_reset(void **state)
{
    (void)state;
    stream_write_failed(&stream, ECONNRESET);
    assert_true(stream.broken && stream.aborted);
    stream_init_plain(&stream, stream.fd);
    stream_write_failed(&stream, ETIMEDOUT);
    assert_true(stream.aborted);
    stream_init_plain(&stream, stream.fd);
    stream_write_failed(&stream, EPIPE);
    assert_true(stream.broken);
    assert_false(stream.aborted);
}

static void the_end_is_told_unless_the_close_says_it(void **state)
{
    (void)state;
    char byte;
    assert_true(stream_shutdown(&stream, true));
    assert_int_equal(recv(peer, &byte, 1, 0), -1);
    assert_int_equal(errno, EAGAIN);
    assert_true(stream_shutdown(&stream, false));
    assert_int_equal(recv(peer, &byte, 1, 0), 0);
    assert_false(stream.broken);
}

static void an_end_that_cannot_be_told_breaks_the_stream(void **state)
{
    (void)state;
    int fd = stream.fd;
    stream_init_plain(&stream, socket(AF_INET, SOCK_STREAM, 0)); /* of no connection */
    assert_true(stream_shutdown(&stream, false));
    assert_true(stream.broken);
    assert_true(stream_shutdown(&stream, false)); /* and isn't told again */
    close(fd);
}

static void an_aborted_stream_resets_its_peer(void **state)
{
    (void)state;
    char byte;
    use_tcp();
    stream_abort(&stream);
    stream_close(&stream, &poller);
    assert_int_equal(recv(peer, &byte, 1, 0), -1);
    assert_int_equal(errno, ECONNRESET);
    stream_abort(&stream); /* it is closed */
}

static void closing_closes_once(void **state)
{
    (void)state;
    char byte;
    int fd = stream.fd;
    stream_close(&stream, &poller);
    assert_int_equal(recv(peer, &byte, 1, 0), 0);
    assert_int_equal(stream.fd, -1);
    assert_int_equal(dup2(peer, fd), fd); /* somebody else's by now */
    stream_close(&stream, &poller);
    assert_int_equal(close(fd), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, pair_setup, pair_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_write_that_is_taken_whole_leaves_the_socket_writable),
        TEST(a_write_that_is_taken_in_part_or_not_at_all_has_filled_it),
        TEST(a_peer_that_reads_no_more_breaks_the_stream_without_a_reset),
        TEST(any_other_error_of_a_write_is_a_reset),
        TEST(the_end_is_told_unless_the_close_says_it),
        TEST(an_end_that_cannot_be_told_breaks_the_stream),
        TEST(an_aborted_stream_resets_its_peer),
        TEST(closing_closes_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
