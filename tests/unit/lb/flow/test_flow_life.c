/*
 * A flow from its opening to its end: what it takes, which deadline each state has, and what closing
 * gives back. One worker that the test turns; the client is the other end of a pair.
 */
#include "lb/flow/flow_life.h"

#include "common/log/log.h"
#include "tests/unit/lb/worker/worker_bench.h"

#include <fcntl.h>

static struct worker *const worker = &bench.workers[0];
static int client; /* -1: no flow was opened */

static int setup(void **state)
{
    (void)state;
    client = -1;
    bench_start("    handshake_timeout: 700ms\n    idle_timeout: 900ms\n",
                "    connect_timeout: 800ms\n    queue_timeout: 300ms\n");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    if (client >= 0)
        close(client);
    bench_end();
    return 0;
}

/* As an acceptor does. */
static bool open_with(int fd)
{
    const struct sockaddr_storage peer = {.ss_family = AF_INET};
    assert_true(listener_reserve(bench.listener, 0));
    return flow_open(worker, bench.listener, bench.snapshot, 0, fd, &peer);
}

static struct flow *open_flow(void)
{
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    client = fds[1];
    assert_true(open_with(fds[0]));
    return LIST_FIRST(&worker->flows);
}

static void an_opened_flow_is_counted_and_waits_when_there_is_no_server(void **state)
{
    (void)state;
    struct flow *f = open_flow();
    assert_int_equal(f->state, FLOW_CHOOSING);
    assert_int_equal(f->place, FLOW_ON_WAITING);
    assert_ptr_equal(f->settings, &bench.snapshot->listeners[0]);
    assert_int_equal(atomic_load(&worker->counters.flows), 1);
    assert_int_equal(atomic_load(&bench.listener->flows), 1);
    assert_int_equal(atomic_load(&bench.listener->refs), 2);
    assert_int_equal(atomic_load(&bench.snapshot->refs), 2);
}

static void a_descriptor_that_cannot_be_watched_is_closed_and_nothing_stays(void **state)
{
    (void)state;
    int fd = open("/dev/null", O_RDWR | O_CLOEXEC); /* epoll takes no such file */
    assert_true(fd >= 0);
    assert_false(open_with(fd));
    assert_int_equal(fcntl(fd, F_GETFD), -1);
    assert_true(LIST_EMPTY(&worker->flows));
    assert_int_equal(atomic_load(&worker->counters.flows), 0);
    assert_int_equal(atomic_load(&bench.listener->flows), 0);
}

static void closing_gives_everything_back_once(void **state)
{
    (void)state;
    char byte;
    struct flow *f = open_flow();
    for (int i = 0; i < 2; i++) {
        flow_close(f);
        assert_int_equal(f->state, FLOW_CLOSED);
        assert_int_equal(f->place, FLOW_ON_CLOSED);
        assert_false(wheel_is_set(&f->timer));
        assert_int_equal(atomic_load(&worker->counters.flows), 0);
        assert_int_equal(atomic_load(&worker->counters.queued), 0);
        assert_int_equal(atomic_load(&bench.listener->flows), 0);
        assert_int_equal(atomic_load(&bench.listener->refs), 1);
        assert_int_equal(atomic_load(&bench.snapshot->refs), 1);
    }
    assert_int_equal(recv(client, &byte, 1, 0), 0);
    flow_handle(f); /* events that were in flight change nothing */
    assert_int_equal(f->state, FLOW_CLOSED);
}

static void a_flow_whose_time_is_up_ends_by_its_timer(void **state)
{
    (void)state;
    const struct flow *f = open_flow();
    bench_turn(worker, 0);   /* that the client can be written is no news later */
    bench_turn(worker, 260); /* it asks again, and waits on */
    assert_int_equal(f->state, FLOW_CHOOSING);
    assert_false(f->expired); /* that was the timer's run, and it is over */
    bench_turn(worker, 320);
    assert_int_equal(f->state, FLOW_CLOSED);
    assert_int_equal(atomic_load(&worker->counters.queue_timeouts), 1);
}

static void a_tls_client_has_the_handshake_timeout_for_its_handshake(void **state)
{
    (void)state;
    int listen_fd;
    struct server *s = bench_add_server(&listen_fd);
    bench.snapshot->listeners[0].tls = SSL_CTX_new(TLS_server_method()); /* the snapshot's */
    struct flow *f = open_flow();
    assert_int_equal(f->state, FLOW_HANDSHAKING);
    assert_int_equal(f->timer.at_ms, BENCH_NOW_MS + 700);
    assert_false(f->secured);
    bench_turn(worker, 720);
    assert_int_equal(f->state, FLOW_CLOSED);
    assert_int_equal(atomic_load(&worker->counters.handshake_fails), 1);
    server_set_remove(bench.servers, s);
    server_unref(s);
    close(listen_fd);
}

/* Until the state is reached, for which events must come. */
static void turn_until(const struct flow *f, enum flow_state state, uint64_t later_ms)
{
    for (int i = 0; i < 500 && f->state != state; i++)
        bench_turn_waiting(worker, later_ms, 10);
    assert_int_equal(f->state, state);
}

struct served {
    struct server *server;
    int listen_fd, fd;
};

static void served_fini(struct served *s)
{
    close(s->fd);
    close(s->listen_fd);
    server_set_remove(bench.servers, s->server);
    server_unref(s->server);
}

/* At 10 ms it is connected, at 15 ms it relays. */
static struct flow *open_relaying(struct served *s)
{
    char buf[8];
    s->server = bench_add_server(&s->listen_fd);
    struct flow *f = open_flow();
    assert_int_equal(f->state, FLOW_CONNECTING);
    assert_ptr_equal(f->chosen, s->server);
    assert_int_equal(send(client, "hello", 5, 0), 5);
    turn_until(f, FLOW_TRYING, 10);
    s->fd = accept(s->listen_fd, NULL, NULL);
    ssize_t n = -1;
    for (int i = 0; i < 500 && n <= 0; i++) {
        bench_turn_waiting(worker, 10, 10);
        n = recv(s->fd, buf, sizeof(buf), MSG_DONTWAIT);
    }
    assert_int_equal(n, 5);
    assert_int_equal(send(s->fd, "hi", 2, 0), 2);
    turn_until(f, FLOW_RELAYING, 15);
    assert_int_equal(f->since_ms, BENCH_NOW_MS + 15);
    return f;
}

static void a_connect_has_the_connect_timeout(void **state)
{
    (void)state;
    struct served s = {.fd = -1};
    s.server = bench_add_server(&s.listen_fd);
    const struct flow *f = open_flow();
    assert_int_equal(f->state, FLOW_CONNECTING);
    assert_int_equal(f->since_ms, BENCH_NOW_MS);
    assert_int_equal(f->timer.at_ms, BENCH_NOW_MS + 800);
    flow_close(LIST_FIRST(&worker->flows));
    assert_int_equal(atomic_load(&s.server->connections), 0);
    served_fini(&s);
}

static void a_flow_that_relays_has_the_idle_timeout_and_remembers_nothing_of_before(void **state)
{
    (void)state;
    struct served s;
    const struct flow *f = open_relaying(&s);
    assert_int_equal(f->timer.at_ms, BENCH_NOW_MS + 15 + 900);
    assert_int_equal(f->progress_ms, BENCH_NOW_MS + 15);
    assert_null(f->attempt);
    served_fini(&s);
}

static void without_an_idle_timeout_it_has_no_deadline(void **state)
{
    (void)state;
    struct served s;
    bench_end();
    bench_start("    idle_timeout: 0\n", "");
    const struct flow *f = open_relaying(&s);
    assert_false(wheel_is_set(&f->timer));
    served_fini(&s);
}

static void when_one_side_has_ended_the_other_one_goes_on_until_it_ends(void **state)
{
    (void)state;
    struct served s;
    const struct flow *f = open_relaying(&s);
    shutdown(client, SHUT_WR);
    turn_until(f, FLOW_HALF_CLOSED, 18);
    assert_int_equal(f->since_ms, BENCH_NOW_MS + 18);
    assert_int_equal(atomic_load(&worker->counters.flows), 1);
    shutdown(s.fd, SHUT_WR);
    turn_until(f, FLOW_CLOSED, 19);
    assert_int_equal(atomic_load(&worker->counters.flows), 0);
    assert_int_equal(atomic_load(&s.server->connections), 0);
    served_fini(&s);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(an_opened_flow_is_counted_and_waits_when_there_is_no_server),
        TEST(a_descriptor_that_cannot_be_watched_is_closed_and_nothing_stays),
        TEST(closing_gives_everything_back_once),
        TEST(a_flow_whose_time_is_up_ends_by_its_timer),
        TEST(a_tls_client_has_the_handshake_timeout_for_its_handshake),
        TEST(a_connect_has_the_connect_timeout),
        TEST(a_flow_that_relays_has_the_idle_timeout_and_remembers_nothing_of_before),
        TEST(without_an_idle_timeout_it_has_no_deadline),
        TEST(when_one_side_has_ended_the_other_one_goes_on_until_it_ends),
    };
    log_init("test_flow_life", LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
