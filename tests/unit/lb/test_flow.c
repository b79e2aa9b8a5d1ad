/* Flows that relay, and how they end. Real workers on loopback; the test plays clients and servers.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/lb/flow_fixture.h"

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
        TEST(half_closed_flow_ends_by_its_timeout),
        TEST(bulk_arrives_whole_through_a_flow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
