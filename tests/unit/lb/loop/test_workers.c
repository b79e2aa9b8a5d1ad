/* The workers as the control thread commands them: reload, and accepting under limits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sys/resource.h>

#include "tests/unit/lb/flow/flow_fixture.h"

static void reload_keeps_flows_and_sockets_of_an_unchanged_address(void **state)
{
    (void)state;
    int client;
    int server;
    plane_add_server(&plane, "s1", true);
    plane_start("", "");
    unsigned port = workers_port(plane.workers, "l");
    plane_open_flow(&plane, &client, &server);
    plane_start("", "    proxy_protocol: v2\n");
    assert_int_equal(workers_port(plane.workers, "l"), port);
    pass(client, server, "same flow");
    close_pair(client, server);
    /* a new flow gets the new settings, once the worker has taken them */
    uint64_t until = clock_monotonic_ms() + WAIT_MS;
    unsigned char first = 'h';
    while (first == 'h' && clock_monotonic_ms() < until) {
        client = plane_dial(&plane);
        say(client, "hello");
        plane_accept(&plane, &server);
        wait_readable(server);
        assert_int_equal(recv(server, &first, 1, 0), 1);
        close(client);
        close(server);
    }
    assert_int_equal(first, '\r');
}

static void address_in_use_is_an_error_that_changes_nothing(void **state)
{
    (void)state;
    int client;
    int server;
    char err[256];
    char yaml[512];
    struct sockaddr_in taken;
    plane_add_server(&plane, "s1", true);
    plane_start("", "");
    int holder = listen_somewhere(&taken);
    snprintf(yaml, sizeof(yaml),
             "listeners:\n"
             "  - { name: l, bind: \"127.0.0.1:0\", backend: b }\n"
             "  - { name: second, bind: \"127.0.0.1:%u\", backend: b }\n"
             "backends: { b: { servers: [ { address: \"127.0.0.1:9\" } ] } }\n",
             ntohs(taken.sin_port));
    struct snapshot *next = plane_load(&plane, yaml);
    assert_false(workers_apply(plane.workers, next, err, sizeof(err)));
    assert_non_null(strstr(err, "second"));
    assert_non_null(strstr(err, "in use"));
    snapshot_unref(next);
    assert_int_equal(workers_port(plane.workers, "second"), 0);
    plane_open_flow(&plane, &client, &server);
    close_pair(client, server);
    close(holder);
}

static void accepting_pauses_at_max_flows(void **state)
{
    (void)state;
    int clients[3];
    int servers[3];
    struct fake *s = plane_add_server(&plane, "s1", true);
    plane_start("    max_flows: 2\n", "");
    for (int i = 0; i < 3; i++)
        clients[i] = plane_dial(&plane);
    servers[0] = fake_accept(s);
    servers[1] = fake_accept(s);
    WAIT_UNTIL(plane_stats(&plane).accept_pauses > 0);
    assert_false(is_readable_within(s->listen_fd, 150));
    for (int i = 0; i < 3; i++) /* which two were accepted is the kernel's choice */
        say(clients[i], "x");
    close(servers[0]);
    close(servers[1]);
    servers[2] = -1;
    for (int i = 0; i < 3; i++)
        close(clients[i]);
    servers[2] = fake_accept(s);
    close(servers[2]);
}

static void connections_in_the_backlog_are_served_when_their_listener_goes(void **state)
{
    (void)state;
    enum { COUNT = 40 };
    int clients[COUNT];
    int servers[COUNT];
    struct fake *s = plane_add_server(&plane, "s1", true);
    plane_start("", "");
    for (int i = 0; i < COUNT; i++) {
        clients[i] = plane_dial(&plane);
        say(clients[i], "x");
    }
    plane_apply(&plane, "listeners: [ { name: other, bind: \"127.0.0.1:0\", backend: b } ]\n"
                        "backends: { b: { servers: [ { address: \"127.0.0.1:9\" } ] } }\n");
    for (int i = 0; i < COUNT; i++) {
        servers[i] = fake_accept(s);
        hear(servers[i], "x");
        say(servers[i], "y");
    }
    for (int i = 0; i < COUNT; i++) {
        hear(clients[i], "y");
        close(clients[i]);
        close(servers[i]);
    }
}

static void no_worker_gets_far_more_flows_than_the_other(void **state)
{
    (void)state;
    enum { COUNT = 200 };
    int clients[COUNT];
    struct worker_stats stats[2];
    plane_add_server(&plane, "s1", false); /* they wait, which is enough to count */
    plane_start("", "");
    for (int i = 0; i < COUNT; i++)
        clients[i] = plane_dial(&plane);
    WAIT_UNTIL(workers_flows(plane.workers) == COUNT);
    for (unsigned i = 0; i < 2; i++) {
        workers_stats(plane.workers, i, &stats[i]);
        assert_in_range(stats[i].flows, COUNT / 2 - COUNT / 6, COUNT / 2 + COUNT / 6);
    }
    assert_int_equal(stats[0].accepted + stats[1].accepted, COUNT);
    for (int i = 0; i < COUNT; i++)
        close(clients[i]);
}

static void set_descriptor_limit(rlim_t limit)
{
    struct rlimit r;
    getrlimit(RLIMIT_NOFILE, &r);
    r.rlim_cur = limit;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &r), 0);
}

static void accepting_waits_when_descriptors_run_out(void **state)
{
    (void)state;
    enum { COUNT = 30 };
    int clients[COUNT];
    struct rlimit before;
    struct fake *s = plane_add_server(&plane, "s1", true);
    plane_start("", "");
    struct sockaddr_in addr = loopback(workers_port(plane.workers, "l"));
    getrlimit(RLIMIT_NOFILE, &before);
    for (int i = 0; i < COUNT; i++)
        clients[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    set_descriptor_limit((rlim_t)clients[COUNT - 1] + 11);
    uint64_t begun_ms = clock_monotonic_ms();
    for (int i = 0; i < COUNT; i++) {
        assert_int_equal(connect(clients[i], (struct sockaddr *)&addr, sizeof(addr)), 0);
        say(clients[i], "x");
    }
    WAIT_UNTIL(plane_stats(&plane).accept_pauses >= 4);
    /* a pause is 100 ms long for each of two workers: it isn't a busy loop */
    assert_true(plane_stats(&plane).accept_pauses <=
                2 * ((clock_monotonic_ms() - begun_ms) / 100 + 1));
    set_descriptor_limit(before.rlim_cur);
    for (int i = 0; i < COUNT; i++) {
        int server = fake_accept(s);
        hear(server, "x");
        say(server, "y");
        close(server);
    }
    for (int i = 0; i < COUNT; i++) {
        hear(clients[i], "y");
        close(clients[i]);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, plane_setup, plane_teardown)
    const struct CMUnitTest tests[] = {
        TEST(reload_keeps_flows_and_sockets_of_an_unchanged_address),
        TEST(address_in_use_is_an_error_that_changes_nothing),
        TEST(accepting_pauses_at_max_flows),
        TEST(connections_in_the_backlog_are_served_when_their_listener_goes),
        TEST(no_worker_gets_far_more_flows_than_the_other),
        TEST(accepting_waits_when_descriptors_run_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
