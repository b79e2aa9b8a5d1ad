/* Flows through real workers on loopback; the test plays clients and servers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sys/resource.h>

#include "tests/unit/lb/flow_fixture.h"

static struct plane plane;

static int setup(void **state)
{
    (void)state;
    plane_init(&plane);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    plane_fini(&plane);
    return 0;
}

static void start(const char *backend)
{
    plane_apply(&plane, plane_yaml("", backend));
}

/* A flow that relays: both sides have said something. */
static void open_flow(int *client, int *server)
{
    *client = plane_dial(&plane);
    say(*client, "hello");
    plane_accept(&plane, server);
    hear(*server, "hello");
    say(*server, "welcome");
    hear(*client, "welcome");
}

static void bytes_and_half_close_pass_in_both_directions(void **state)
{
    (void)state;
    int client;
    int server;
    plane_add_server(&plane, "s1", true);
    start("");
    open_flow(&client, &server);
    say(client, "bye");
    shutdown(client, SHUT_WR);
    hear(server, "bye");
    hear_end(server);
    say(server, "still here");
    hear(client, "still here");
    close(server);
    hear_end(client);
    close(client);
    WAIT_UNTIL(workers_flows(plane.workers) == 0);
}

static void server_may_speak_first(void **state)
{
    (void)state;
    struct fake *s = plane_add_server(&plane, "s1", true);
    start("");
    int client = plane_dial(&plane);
    int server = fake_accept(s);
    say(server, "220 ready");
    hear(client, "220 ready");
    close(client);
    hear_end(server);
    close(server);
}

static void client_that_vanishes_ends_the_server_side_after_its_last_bytes(void **state)
{
    (void)state;
    int client;
    int server;
    plane_add_server(&plane, "s1", true);
    start("");
    open_flow(&client, &server);
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

static void refused_server_is_passed_over_unnoticed(void **state)
{
    (void)state;
    struct fake *dead = plane_add_server(&plane, "dead", true);
    struct fake *alive = plane_add_server(&plane, "alive", true);
    fake_stop_listening(dead);
    start("");
    for (int i = 0; i < 4; i++) {
        int client = plane_dial(&plane);
        say(client, "hello");
        int server = fake_accept(alive);
        hear(server, "hello");
        say(server, "welcome");
        hear(client, "welcome");
        close(client);
        close(server);
    }
    assert_int_equal(plane_stats(&plane).retries, 1); /* one refusal takes it out for all */
    assert_int_equal(atomic_load(&dead->server->connections), 0);
}

static void
server_that_closes_before_its_first_byte_is_replaced_with_the_bytes_sent_again(void **state)
{
    (void)state;
    plane_add_server(&plane, "s1", true);
    plane_add_server(&plane, "s2", true);
    start("");
    int client = plane_dial(&plane);
    int first;
    int second;
    say(client, "connect me");
    struct fake *a = plane_accept(&plane, &first);
    hear(first, "connect me");
    say(client, " and publish");
    hear(first, " and publish");
    reset_and_close(first);
    struct fake *b = plane_accept(&plane, &second);
    assert_ptr_not_equal(a, b);
    hear(second, "connect me and publish");
    say(second, "ok");
    hear(client, "ok");
    close(client);
    close(second);
}

static void bytes_are_sent_again_only_once(void **state)
{
    (void)state;
    plane_add_server(&plane, "s1", true);
    plane_add_server(&plane, "s2", true);
    plane_add_server(&plane, "s3", true);
    start("");
    int client = plane_dial(&plane);
    say(client, "poison");
    for (int i = 0; i < 2; i++) {
        int server;
        plane_accept(&plane, &server);
        hear(server, "poison");
        close(server);
    }
    hear_closed(client);
    close(client);
    for (unsigned i = 0; i < 3; i++)
        assert_false(is_readable_within(plane.fakes[i].listen_fd, 20));
}

static void server_that_ends_after_the_client_did_is_no_failure(void **state)
{
    (void)state;
    struct fake *s = plane_add_server(&plane, "s1", true);
    start("");
    int client = plane_dial(&plane);
    say(client, "never mind");
    int server = fake_accept(s);
    hear(server, "never mind");
    close(client);
    hear_end(server);
    close(server);
    WAIT_UNTIL(workers_flows(plane.workers) == 0);
    assert_int_equal(plane_stats(&plane).retries, 0);
    assert_int_equal(atomic_load(&s->server->doubts), 0);
}

static void silent_server_is_left_for_another_one(void **state)
{
    (void)state;
    plane_add_server(&plane, "s1", true);
    plane_add_server(&plane, "s2", true);
    start("    first_byte_timeout: 100ms\n");
    int client = plane_dial(&plane);
    int first;
    int second;
    say(client, "hello");
    struct fake *a = plane_accept(&plane, &first);
    hear(first, "hello");
    struct fake *b = plane_accept(&plane, &second);
    assert_ptr_not_equal(a, b);
    hear(second, "hello");
    say(second, "here");
    hear(client, "here");
    hear_end(first);
    close(first);
    close(second);
    close(client);
}

static void silent_server_is_kept_when_there_is_no_other(void **state)
{
    (void)state;
    struct fake *s = plane_add_server(&plane, "s1", true);
    start("    first_byte_timeout: 50ms\n");
    int client = plane_dial(&plane);
    say(client, "hello");
    int server = fake_accept(s);
    hear(server, "hello");
    assert_false(is_readable_within(server, 200)); /* four timeouts later it is still ours */
    say(server, "sorry, late");
    hear(client, "sorry, late");
    close(client);
    close(server);
}

/* A server whose accept queue is full answers no SYN, like a host that is gone. */
static void connect_that_times_out_goes_to_another_server(void **state)
{
    (void)state;
    int fillers[8];
    struct fake *gone = plane_add_server(&plane, "gone", true);
    struct fake *alive = plane_add_server(&plane, "alive", true);
    listen(gone->listen_fd, 0);
    for (int i = 0; i < 8; i++) {
        fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        (void)!connect(fillers[i], (struct sockaddr *)&gone->server->addr, gone->server->addrlen);
    }
    start("    connect_timeout: 100ms\n    balance: roundrobin\n");
    for (int i = 0; i < 2; i++) { /* one of the two comes to the full one first */
        int client = plane_dial(&plane);
        say(client, "hello");
        int server = fake_accept(alive);
        hear(server, "hello");
        say(server, "welcome");
        hear(client, "welcome");
        close(client);
        hear_end(server);
        close(server);
    }
    assert_int_equal(plane_stats(&plane).retries, 1);
    assert_int_equal(atomic_load(&gone->server->doubts), 1);
    for (int i = 0; i < 8; i++)
        close(fillers[i]);
}

static void idle_flow_is_closed_only_when_nothing_moved_for_long(void **state)
{
    (void)state;
    int client;
    int server;
    plane_add_server(&plane, "s1", true);
    plane_apply(&plane, plane_yaml("    idle_timeout: 300ms\n", ""));
    open_flow(&client, &server);
    uint64_t begun_ms = clock_monotonic_ms();
    while (clock_monotonic_ms() < begun_ms + 600) {
        assert_false(is_readable_within(client, 50));
        say(client, "x");
        hear(server, "x");
    }
    hear_closed(client);
    close(client);
    close(server);
}

static void silent_client_is_not_moved_around(void **state)
{
    (void)state;
    plane_add_server(&plane, "s1", true);
    plane_add_server(&plane, "s2", true);
    start("    first_byte_timeout: 50ms\n");
    int client = plane_dial(&plane);
    int server;
    plane_accept(&plane, &server);
    assert_false(is_readable_within(server, 200));
    assert_int_equal(plane_stats(&plane).retries, 0);
    close(client);
    close(server);
}

static void more_than_is_held_goes_on_without_a_second_chance(void **state)
{
    (void)state;
    struct fake *s = plane_add_server(&plane, "s1", true);
    start("");
    static char much[100000];
    static char got[sizeof(much)];
    int client = plane_dial(&plane);
    int server = fake_accept(s);
    memset(much, 'x', sizeof(much));
    assert_int_equal(send(client, much, sizeof(much), 0), sizeof(much));
    for (size_t n = 0; n < sizeof(much);) {
        wait_readable(server);
        ssize_t r = recv(server, got + n, sizeof(got) - n, 0);
        assert_true(r > 0);
        n += (size_t)r;
    }
    assert_memory_equal(much, got, sizeof(much));
    say(server, "ok");
    hear(client, "ok");
    close(client);
    close(server);
}

static void proxy_header_comes_with_the_first_bytes(void **state)
{
    (void)state;
    struct fake *s = plane_add_server(&plane, "s1", true);
    unsigned char buf[256];
    start("    proxy_protocol: v2\n");
    int client = plane_dial(&plane);
    struct sockaddr_in own;
    socklen_t len = sizeof(own);
    getsockname(client, (struct sockaddr *)&own, &len);
    say(client, "hello");
    int server = fake_accept(s);
    wait_readable(server);
    assert_int_equal(recv(server, buf, sizeof(buf), 0), 28 + 5);
    assert_int_equal(buf[12], 0x21); /* version 2, PROXY */
    assert_int_equal(buf[13], 0x11); /* TCP over IPv4 */
    assert_memory_equal(buf + 16, &own.sin_addr, 4);
    assert_memory_equal(buf + 24, &own.sin_port, 2);
    assert_memory_equal(buf + 28, "hello", 5);
    close(client);
    close(server);
}

static void proxy_header_of_a_silent_client_comes_alone(void **state)
{
    (void)state;
    struct fake *s = plane_add_server(&plane, "s1", true);
    unsigned char buf[256];
    start("    proxy_protocol: v2\n");
    int client = plane_dial(&plane);
    int server = fake_accept(s);
    wait_readable(server);
    assert_int_equal(recv(server, buf, sizeof(buf), 0), 28);
    say(client, "at last");
    hear(server, "at last");
    close(client);
    close(server);
}

static void flow_waits_for_a_server_and_is_served_when_one_comes_up(void **state)
{
    (void)state;
    struct fake *s = plane_add_server(&plane, "s1", false);
    start("    queue_timeout: 5s\n");
    int client = plane_dial(&plane);
    say(client, "hello");
    WAIT_UNTIL(plane_stats(&plane).queued == 1);
    atomic_store(&s->server->health, SERVER_UP);
    workers_wake(plane.workers);
    int server = fake_accept(s);
    hear(server, "hello");
    assert_int_equal(plane_stats(&plane).queued, 0);
    close(client);
    close(server);
}

static void flow_is_closed_when_no_server_comes_up_in_time(void **state)
{
    (void)state;
    plane_add_server(&plane, "s1", false);
    start("    queue_timeout: 100ms\n");
    int client = plane_dial(&plane);
    hear_closed(client);
    close(client);
    WAIT_UNTIL(plane_stats(&plane).queue_timeouts == 1);
    assert_int_equal(plane_stats(&plane).queued, 0);
}

static void half_closed_flow_ends_by_its_timeout(void **state)
{
    (void)state;
    int client;
    int server;
    plane_add_server(&plane, "s1", true);
    start("    half_close_timeout: 100ms\n");
    open_flow(&client, &server);
    shutdown(client, SHUT_WR);
    hear_end(server);
    hear_closed(client);
    assert_int_equal(plane_stats(&plane).half_close_timeouts, 1);
    close(client);
    close(server);
}

static void reload_keeps_flows_and_sockets_of_an_unchanged_address(void **state)
{
    (void)state;
    int client;
    int server;
    plane_add_server(&plane, "s1", true);
    start("");
    unsigned port = workers_port(plane.workers, "l");
    open_flow(&client, &server);
    start("    proxy_protocol: v2\n");
    assert_int_equal(workers_port(plane.workers, "l"), port);
    say(client, "same flow");
    hear(server, "same flow");
    close(client);
    close(server);
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

static bool refuses(const struct sockaddr_in *addr)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    bool refused = connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) != 0;
    close(fd);
    return refused;
}

static void removed_listener_refuses_but_its_flows_go_on(void **state)
{
    (void)state;
    int client;
    int server;
    plane_add_server(&plane, "s1", true);
    start("");
    struct sockaddr_in old = loopback(workers_port(plane.workers, "l"));
    open_flow(&client, &server);
    plane_apply(&plane, "listeners:\n"
                        "  - { name: other, bind: \"[::1]:0\", backend: b }\n"
                        "backends: { b: { servers: [ { address: \"127.0.0.1:9\" } ] } }\n");
    assert_int_equal(workers_port(plane.workers, "l"), 0);
    assert_true(workers_port(plane.workers, "other") > 0);
    WAIT_UNTIL(refuses(&old));
    say(client, "goes on");
    hear(server, "goes on");
    close(client);
    close(server);
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
    start("");
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
    open_flow(&client, &server);
    close(client);
    close(server);
    close(holder);
}

static void draining_refuses_new_flows_and_closes_the_last_ones_in_time(void **state)
{
    (void)state;
    int client;
    int server;
    plane_add_server(&plane, "s1", true);
    start("");
    struct sockaddr_in addr = loopback(workers_port(plane.workers, "l"));
    open_flow(&client, &server);
    workers_drain(plane.workers, 500);
    WAIT_UNTIL(refuses(&addr));
    say(client, "still relayed");
    hear(server, "still relayed");
    hear_closed(client);
    hear_closed(server);
    WAIT_UNTIL(workers_flows(plane.workers) == 0);
    close(client);
    close(server);
}

static void closing_a_server_closes_its_flows_only(void **state)
{
    (void)state;
    int clients[2];
    int servers[2];
    struct fake *of[2];
    plane_add_server(&plane, "s1", true);
    plane_add_server(&plane, "s2", true);
    start("");
    for (int i = 0; i < 2; i++) {
        clients[i] = plane_dial(&plane);
        of[i] = plane_accept(&plane, &servers[i]);
    }
    assert_ptr_not_equal(of[0], of[1]); /* fewest connections first */
    workers_close_server(plane.workers, of[0]->server);
    hear_closed(clients[0]);
    say(clients[1], "untouched");
    hear(servers[1], "untouched");
    for (int i = 0; i < 2; i++) {
        close(clients[i]);
        close(servers[i]);
    }
}

static void accepting_pauses_at_max_flows(void **state)
{
    (void)state;
    int clients[3];
    int servers[3];
    struct fake *s = plane_add_server(&plane, "s1", true);
    plane_apply(&plane, plane_yaml("    max_flows: 2\n", ""));
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
    start("");
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
    start("");
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
    struct sockaddr_in addr;
    struct fake *s = plane_add_server(&plane, "s1", true);
    start("");
    addr = loopback(workers_port(plane.workers, "l"));
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

static void flow_of_one_client_id_comes_to_one_server(void **state)
{
    (void)state;
    static const unsigned char connect_packet[] = {0x10, 16, 0,  4, 'M', 'Q', 'T', 'T', 4,
                                                   2,    0,  60, 0, 4,   'd', 'e', 'v', '7'};
    plane_add_server(&plane, "s1", true);
    plane_add_server(&plane, "s2", true);
    plane_add_server(&plane, "s3", true);
    start("    balance: hash\n");
    struct fake *first = NULL;
    for (int i = 0; i < 6; i++) {
        unsigned char got[64];
        int server;
        int client = plane_dial(&plane);
        assert_int_equal(send(client, connect_packet, 7, 0), 7); /* in two pieces */
        assert_int_equal(send(client, connect_packet + 7, sizeof(connect_packet) - 7, 0),
                         sizeof(connect_packet) - 7);
        struct fake *f = plane_accept(&plane, &server);
        if (first == NULL)
            first = f;
        assert_ptr_equal(f, first);
        wait_readable(server);
        assert_int_equal(recv(server, got, sizeof(got), 0), sizeof(connect_packet));
        assert_memory_equal(got, connect_packet, sizeof(connect_packet));
        close(client);
        hear_end(server);
        close(server);
    }
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
    start("");
    open_flow(&fds[0], &fds[1]);
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
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(bytes_and_half_close_pass_in_both_directions),
        TEST(server_may_speak_first),
        TEST(client_that_vanishes_ends_the_server_side_after_its_last_bytes),
        TEST(refused_server_is_passed_over_unnoticed),
        TEST(server_that_closes_before_its_first_byte_is_replaced_with_the_bytes_sent_again),
        TEST(bytes_are_sent_again_only_once),
        TEST(server_that_ends_after_the_client_did_is_no_failure),
        TEST(silent_server_is_left_for_another_one),
        TEST(silent_server_is_kept_when_there_is_no_other),
        TEST(connect_that_times_out_goes_to_another_server),
        TEST(idle_flow_is_closed_only_when_nothing_moved_for_long),
        TEST(silent_client_is_not_moved_around),
        TEST(more_than_is_held_goes_on_without_a_second_chance),
        TEST(proxy_header_comes_with_the_first_bytes),
        TEST(proxy_header_of_a_silent_client_comes_alone),
        TEST(flow_waits_for_a_server_and_is_served_when_one_comes_up),
        TEST(flow_is_closed_when_no_server_comes_up_in_time),
        TEST(half_closed_flow_ends_by_its_timeout),
        TEST(reload_keeps_flows_and_sockets_of_an_unchanged_address),
        TEST(removed_listener_refuses_but_its_flows_go_on),
        TEST(address_in_use_is_an_error_that_changes_nothing),
        TEST(draining_refuses_new_flows_and_closes_the_last_ones_in_time),
        TEST(closing_a_server_closes_its_flows_only),
        TEST(accepting_pauses_at_max_flows),
        TEST(connections_in_the_backlog_are_served_when_their_listener_goes),
        TEST(no_worker_gets_far_more_flows_than_the_other),
        TEST(accepting_waits_when_descriptors_run_out),
        TEST(flow_of_one_client_id_comes_to_one_server),
        TEST(bulk_arrives_whole_through_a_flow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
