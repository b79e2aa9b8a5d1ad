/* Flows that relay, and how they end. Real workers on loopback; the test plays clients and servers.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/lb/flow/flow_fixture.h"

static void bytes_and_half_close_pass_in_both_directions(void **state)
{
    (void)state;
    int client;
    int server;
    plane_add_server(&plane, "s1", true);
    plane_start("", "");
    plane_open_flow(&plane, &client, &server);
    say(client, "bye");
    shutdown(client, SHUT_WR);
    hear(server, "bye");
    hear_end(server);
    pass(server, client, "still here");
    close(server);
    hear_end(client);
    close(client);
    WAIT_UNTIL(workers_flows(plane.workers) == 0);
}

static void client_that_vanishes_ends_the_server_side_after_its_last_bytes(void **state)
{
    (void)state;
    int client;
    int server;
    plane_add_server(&plane, "s1", true);
    plane_start("", "");
    plane_open_flow(&plane, &client, &server);
    say(client, "last words");
    reset_and_close(client);
    /* Bytes that the kernel dropped at the reset can't be saved; the end must come in any case. */
    char buf[64];
    for (;;) {
        wait_readable(server);
        if (recv(server, buf, sizeof(buf), 0) <= 0)
            break;
    }
    close(server);
    WAIT_UNTIL(workers_flows(plane.workers) == 0);
}

static void idle_flow_is_closed_only_when_nothing_moved_for_long(void **state)
{
    (void)state;
    int client;
    int server;
    plane_add_server(&plane, "s1", true);
    plane_start("    idle_timeout: 300ms\n", "");
    plane_open_flow(&plane, &client, &server);
    uint64_t begun_ms = clock_monotonic_ms();
    while (clock_monotonic_ms() < begun_ms + 600) {
        assert_false(is_readable_within(client, 50));
        pass(client, server, "x");
    }
    hear_closed(client);
    close_pair(client, server);
}

static void server_that_ended_no_longer_counts_the_flow_that_goes_on(void **state)
{
    (void)state;
    int client;
    int server;
    const struct fake *fake = plane_add_server(&plane, "s1", true);
    plane_start("", "    half_close_timeout: 1h\n");
    plane_open_flow(&plane, &client, &server);
    assert_int_equal(atomic_load(&fake->server->connections), 1);
    shutdown(server, SHUT_WR);
    hear_end(client);
    WAIT_UNTIL(atomic_load(&fake->server->connections) == 0);
    pass(client, server, "last words");
    assert_int_equal(workers_flows(plane.workers), 1);
    close_pair(client, server);
}

static void half_closed_flow_ends_by_its_timeout(void **state)
{
    (void)state;
    int client;
    int server;
    plane_add_server(&plane, "s1", true);
    plane_start("", "    half_close_timeout: 100ms\n");
    plane_open_flow(&plane, &client, &server);
    shutdown(client, SHUT_WR);
    hear_end(server);
    hear_closed(client);
    assert_int_equal(plane_stats(&plane).half_close_timeouts, 1);
    close_pair(client, server);
}

/* One side takes nothing, the other one has ended or reset: the flow must not stay for ever. A reset
 * is seen at once; an end is behind all the bytes that nobody reads, so the stall alone counts. */
static void stalled_side_is_given_up(bool stalled_client, bool reset)
{
    int fds[2];
    struct fake *fake = plane_add_server(&plane, "s1", true);
    plane_start("", reset ? "    half_close_timeout: 400ms\n    stall_timeout: 1h\n"
                          : "    half_close_timeout: 1h\n    stall_timeout: 400ms\n");
    plane_open_flow(&plane, &fds[0], &fds[1]);
    int stalled = stalled_client ? fds[0] : fds[1];
    int other = stalled_client ? fds[1] : fds[0];
    assert_true(say_much(other) > 0);
    if (reset)
        reset_and_close(other);
    else
        close(other);
    if (stalled_client && reset) /* it no longer counts for the server */
        WAIT_UNTIL(atomic_load(&fake->server->connections) == 0);
    WAIT_UNTIL(workers_flows(plane.workers) == 0);
    assert_int_equal(plane_stats(&plane).stall_timeouts, 1);
    assert_true(hear_reset(stalled) > 0);
    close(stalled);
}

static void stalled_client_is_given_up_when_the_server_ended(void **state)
{
    (void)state;
    stalled_side_is_given_up(true, false);
}

static void stalled_client_is_given_up_when_the_server_reset(void **state)
{
    (void)state;
    stalled_side_is_given_up(true, true);
}

static void stalled_server_is_given_up_when_the_client_ended(void **state)
{
    (void)state;
    stalled_side_is_given_up(false, false);
}

static void stalled_server_is_given_up_when_the_client_reset(void **state)
{
    (void)state;
    stalled_side_is_given_up(false, true);
}

static void side_that_takes_nothing_is_reset_although_both_are_there(void **state)
{
    (void)state;
    int client;
    int server;
    plane_add_server(&plane, "s1", true);
    plane_start("", "    stall_timeout: 500ms\n");
    plane_open_flow(&plane, &client, &server);
    assert_true(say_much(server) > 0);
    for (int i = 0; i < 3; i++) /* that it speaks itself doesn't help it */
        pass(client, server, "ping");
    WAIT_UNTIL(workers_flows(plane.workers) == 0);
    assert_int_equal(plane_stats(&plane).stall_timeouts, 1);
    hear_closed(server);
    close_pair(client, server);
}

/* A reader's kernel opens its window again once a sixteenth of its buffer is free: the pieces are
 * large enough for that to happen several times within the limit, also on a busy machine. */
static void idle_flow_and_slow_reader_are_not_touched_by_the_stall_timeout(void **state)
{
    (void)state;
    int client;
    int server;
    static uint8_t buf[60000];
    plane_add_server(&plane, "s1", true);
    plane_start("", "    stall_timeout: 1500ms\n");
    plane_open_flow(&plane, &client, &server);
    size_t sent = say_much(server);
    size_t got = 0;
    while (got < sent) { /* takes longer than the limit */
        wait_readable(client);
        ssize_t n = recv(client, buf, sizeof(buf), 0);
        if (n <= 0)
            fail_msg("ended after %zu of %zu", got, sent);
        got += (size_t)n;
        nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    }
    assert_false(is_readable_within(client, 2000)); /* nothing waits any more */
    pass(server, client, "still there");
    assert_int_equal(plane_stats(&plane).stall_timeouts, 0);
    close_pair(client, server);
}

static void reset_is_passed_on_as_one(void **state)
{
    (void)state;
    int client;
    int server;
    plane_add_server(&plane, "s1", true);
    plane_start("", "");
    plane_open_flow(&plane, &client, &server);
    reset_and_close(server);
    assert_int_equal(hear_reset(client), 0);
    close(client);
    plane_open_flow(&plane, &client, &server);
    reset_and_close(client);
    assert_int_equal(hear_reset(server), 0);
    close(server);
    WAIT_UNTIL(workers_flows(plane.workers) == 0);
}

/* The peer reads late, but within the bound: all that was read from the other side comes first. */
static void bytes_before_a_reset_are_delivered(void **state)
{
    (void)state;
    int client;
    int server;
    plane_add_server(&plane, "s1", true);
    plane_start("", "");
    plane_open_flow(&plane, &client, &server);
    size_t before = plane_stats(&plane).bytes_out;
    assert_true(say_much(server) > 0);
    size_t taken = plane_stats(&plane).bytes_out - before;
    reset_and_close(server);
    nanosleep(&(struct timespec){.tv_nsec = 300000000}, NULL);
    assert_true(hear_reset(client) >= taken);
    close(client);
    WAIT_UNTIL(workers_flows(plane.workers) == 0);
}

/* The client has gone after its first bytes, and the server never says anything. */
static void server_that_never_answers_a_client_that_ended_is_left(void **state)
{
    (void)state;
    int server;
    plane_add_server(&plane, "s1", true);
    plane_start("", "    half_close_timeout: 300ms\n    first_byte_timeout: 100ms\n");
    int client = plane_dial(&plane);
    say(client, "hello");
    shutdown(client, SHUT_WR);
    plane_accept(&plane, &server);
    hear(server, "hello");
    WAIT_UNTIL(workers_flows(plane.workers) == 0);
    assert_int_equal(plane_stats(&plane).half_close_timeouts, 1);
    close_pair(client, server);
}

/* Both peers send much and read slowly, each in its own pace. */
static void bulk_arrives_whole_through_a_flow(void **state)
{
    (void)state;
    enum { TOTAL = 8000000 };
    int fds[2];
    size_t sent[2] = {0};
    size_t got[2] = {0};
    static uint8_t buf[100000];
    plane_add_server(&plane, "s1", true);
    plane_start("", "");
    plane_open_flow(&plane, &fds[0], &fds[1]);
    uint64_t until = clock_monotonic_ms() + 60000;
    while (got[0] < TOTAL || got[1] < TOTAL) {
        assert_true(clock_monotonic_ms() < until);
        struct pollfd polls[2] = {{.fd = fds[0], .events = POLLIN | POLLOUT},
                                  {.fd = fds[1], .events = POLLIN | POLLOUT}};
        assert_true(poll(polls, 2, WAIT_MS) > 0);
        for (int i = 0; i < 2; i++) {
            if ((polls[i].revents & POLLOUT) != 0 && sent[i] < TOTAL) {
                size_t n = sizeof(buf) < TOTAL - sent[i] ? sizeof(buf) : TOTAL - sent[i];
                for (size_t k = 0; k < n; k++)
                    buf[k] = (uint8_t)((sent[i] + k) * 13 >> 3);
                ssize_t done = send(fds[i], buf, n, MSG_DONTWAIT | MSG_NOSIGNAL);
                sent[i] += done > 0 ? (size_t)done : 0;
            }
            if ((polls[i].revents & POLLIN) != 0) {
                ssize_t n = recv(fds[i], buf, sizeof(buf), MSG_DONTWAIT);
                for (ssize_t k = 0; k < n; k++)
                    if (buf[k] != (uint8_t)((got[i] + (size_t)k) * 13 >> 3))
                        fail_msg("byte %zu differs", got[i] + (size_t)k);
                got[i] += n > 0 ? (size_t)n : 0;
            }
        }
    }
    assert_true(plane_stats(&plane).spliced > 0);
    close(fds[0]);
    hear_end(fds[1]);
    close(fds[1]);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, plane_setup, plane_teardown)
    const struct CMUnitTest tests[] = {
        TEST(bytes_and_half_close_pass_in_both_directions),
        TEST(client_that_vanishes_ends_the_server_side_after_its_last_bytes),
        TEST(idle_flow_is_closed_only_when_nothing_moved_for_long),
        TEST(server_that_ended_no_longer_counts_the_flow_that_goes_on),
        TEST(half_closed_flow_ends_by_its_timeout),
        TEST(stalled_client_is_given_up_when_the_server_ended),
        TEST(stalled_client_is_given_up_when_the_server_reset),
        TEST(stalled_server_is_given_up_when_the_client_ended),
        TEST(stalled_server_is_given_up_when_the_client_reset),
        TEST(side_that_takes_nothing_is_reset_although_both_are_there),
        TEST(idle_flow_and_slow_reader_are_not_touched_by_the_stall_timeout),
        TEST(reset_is_passed_on_as_one),
        TEST(bytes_before_a_reset_are_delivered),
        TEST(server_that_never_answers_a_client_that_ended_is_left),
        TEST(bulk_arrives_whole_through_a_flow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
