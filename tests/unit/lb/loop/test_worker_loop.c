/* The thread of one worker: what it does on each command, and how it ends. */
#include "lb/loop/worker_loop.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/base/clock.h"
#include "lb/flow/flow_rules.h"
#include "lb/worker/command.h"
#include "lb/worker/listener.h"
#include "lb/worker/worker.h"
#include "lb/worker/worker_set.h"
#include "tests/unit/lb/flow/flow_fixture.h"

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
    plane_start("", "");
    struct sockaddr_in old = loopback(workers_port(plane.workers, "l"));
    plane_open_flow(&plane, &client, &server);
    plane_apply(&plane, "listeners:\n"
                        "  - { name: other, bind: \"[::1]:0\", backend: b }\n"
                        "backends: { b: { servers: [ { address: \"127.0.0.1:9\" } ] } }\n");
    assert_int_equal(workers_port(plane.workers, "l"), 0);
    assert_true(workers_port(plane.workers, "other") > 0);
    WAIT_UNTIL(refuses(&old));
    pass(client, server, "goes on");
    close_pair(client, server);
}

static void draining_refuses_new_flows_and_closes_the_last_ones_in_time(void **state)
{
    (void)state;
    int client;
    int server;
    plane_add_server(&plane, "s1", true);
    plane_start("", "");
    struct sockaddr_in addr = loopback(workers_port(plane.workers, "l"));
    plane_open_flow(&plane, &client, &server);
    workers_drain(plane.workers, 500);
    WAIT_UNTIL(refuses(&addr));
    pass(client, server, "still relayed");
    hear_closed(client);
    hear_closed(server);
    WAIT_UNTIL(workers_flows(plane.workers) == 0);
    close_pair(client, server);
}

/* Without it they look again every FLOW_QUEUE_POLL_MS: several times that is longer than a wake ever takes. */
static void a_wake_has_the_waiting_flows_try_again(void **state)
{
    (void)state;
    enum { ROUNDS = 5 };
    struct fake *s = plane_add_server(&plane, "s1", false);
    plane_start("", "    queue_timeout: 60s\n");
    uint64_t took_ms = 0;
    for (int i = 0; i < ROUNDS; i++) {
        int client = plane_dial(&plane);
        WAIT_UNTIL(plane_stats(&plane).queued == 1);
        uint64_t since_ms = clock_monotonic_ms();
        atomic_store(&s->server->health, SERVER_UP);
        workers_wake(plane.workers);
        int server = fake_accept(s);
        took_ms += clock_monotonic_ms() - since_ms;
        atomic_store(&s->server->health, SERVER_DOWN);
        close_pair(client, server);
        WAIT_UNTIL(workers_flows(plane.workers) == 0);
    }
    assert_true(took_ms < ROUNDS * FLOW_QUEUE_POLL_MS / 2);
}

static void closing_a_server_closes_its_flows_only(void **state)
{
    (void)state;
    int clients[2];
    int servers[2];
    struct fake *of[2];
    plane_add_server(&plane, "s1", true);
    plane_add_server(&plane, "s2", true);
    plane_start("", "");
    for (int i = 0; i < 2; i++) {
        clients[i] = plane_dial(&plane);
        of[i] = plane_accept(&plane, &servers[i]);
    }
    assert_ptr_not_equal(of[0], of[1]); /* fewest connections first */
    workers_close_server(plane.workers, of[0]->server);
    hear_closed(clients[0]);
    pass(clients[1], servers[1], "untouched");
    for (int i = 0; i < 2; i++) {
        close(clients[i]);
        close(servers[i]);
    }
}

static void after_a_drain_nothing_is_opened_any_more(void **state)
{
    (void)state;
    plane_add_server(&plane, "s1", true);
    plane_start("", "");
    struct sockaddr_in addr = loopback(workers_port(plane.workers, "l"));
    workers_drain(plane.workers, 10000);
    plane_apply(&plane, "listeners: [ { name: other, bind: \"127.0.0.2:0\", backend: b } ]\n"
                        "backends: { b: { servers: [ { address: \"127.0.0.1:9\" } ] } }\n");
    WAIT_UNTIL(refuses(&addr));
    addr = loopback(workers_port(plane.workers, "other"));
    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1);
    WAIT_UNTIL(refuses(&addr));
}

static void stopping_ends_all_flows_at_once(void **state)
{
    (void)state;
    int client;
    int server;
    plane_add_server(&plane, "s1", true);
    plane_start("", "");
    plane_open_flow(&plane, &client, &server);
    workers_free(plane.workers);
    plane.workers = NULL;
    hear_closed(client);
    hear_closed(server);
    close_pair(client, server);
}

/* One worker that only this test commands. */
static struct worker_set *alone_start(void)
{
    struct worker_set *set = calloc(1, sizeof(*set) + sizeof(set->items[0]));
    assert_non_null(set);
    set->items[0] = worker_loop_start(set, 0);
    assert_non_null(set->items[0]);
    set->count = 1;
    return set;
}

static void alone_stop(struct worker_set *set)
{
    worker_loop_stop(set->items[0]);
    worker_loop_free(set->items[0]);
    worker_loop_free(NULL);
    free(set);
}

static void a_connection_that_another_worker_accepted_becomes_a_flow_of_this_one(void **state)
{
    (void)state;
    char err[128];
    int unused;
    int fds[2];
    struct fake *fake = plane_add_server(&plane, "s1", true);
    struct snapshot *s = plane_load(&plane, plane_yaml("", ""));
    const struct snapshot_listener *settings = &s->listeners[0];
    struct listener *l =
        listener_open(&settings->addr, settings->addrlen, 1, &unused, 1, err, sizeof(err));
    assert_non_null(l);
    struct worker_set *set = alone_start();
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    struct command *c = command_new(COMMAND_CONNECTION);
    assert_true(listener_reserve(l, 0));
    c->fd = fds[0];
    c->listener = listener_ref(l);
    c->snapshot = snapshot_ref(s);
    c->peer.ss_family = AF_INET;
    atomic_store(&set->items[0]->incoming, 1);
    command_post(&set->items[0]->commands, c);
    int server = fake_accept(fake);
    pass(fds[1], server, "hello");
    assert_int_equal(atomic_load(&set->items[0]->incoming), 0);
    assert_int_equal(atomic_load(&set->items[0]->counters.flows), 1);
    alone_stop(set);
    assert_int_equal(atomic_load(&l->flows), 0);
    assert_int_equal(atomic_load(&l->refs), 1);
    assert_int_equal(atomic_load(&s->refs), 1);
    hear_closed(server);
    close_pair(fds[1], server);
    close(unused);
    listener_unref(l);
    snapshot_unref(s);
}

static void commands_that_come_after_the_stop_are_given_back(void **state)
{
    (void)state;
    struct worker_set *set = alone_start();
    struct fake *s = plane_add_server(&plane, "s1", true);
    worker_loop_stop(set->items[0]);
    struct command *c = command_new(COMMAND_CLOSE_SERVER);
    c->server = server_ref(s->server);
    command_post(&set->items[0]->commands, c);
    worker_loop_free(set->items[0]);
    assert_int_equal(atomic_load(&s->server->refs), 2); /* the test's and the set's */
    free(set);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, plane_setup, plane_teardown)
    const struct CMUnitTest tests[] = {
        TEST(removed_listener_refuses_but_its_flows_go_on),
        TEST(draining_refuses_new_flows_and_closes_the_last_ones_in_time),
        TEST(a_wake_has_the_waiting_flows_try_again),
        TEST(closing_a_server_closes_its_flows_only),
        TEST(after_a_drain_nothing_is_opened_any_more),
        TEST(stopping_ends_all_flows_at_once),
        TEST(a_connection_that_another_worker_accepted_becomes_a_flow_of_this_one),
        TEST(commands_that_come_after_the_stop_are_given_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
