/*
 * One listening socket of one worker: what becomes of the connections that wait at it. The worker is
 * turned by the test; no server is up, so flows stay where they were opened.
 */
#include "lb/loop/acceptor.h"

#include "common/log/log.h"
#include "tests/unit/lb/worker/worker_bench.h"

#include <sys/resource.h>

#define CLIENTS_MAX 100

static struct worker *const worker = &bench.workers[0];
static struct worker *const neighbour = &bench.workers[1];
static struct acceptor *acceptor; /* NULL: closed */
static int clients[CLIENTS_MAX];
static size_t client_count;

static void start(const char *listener)
{
    bench_start(listener, "    queue_timeout: 1h\n");
    int fd = bench.listen_fd;
    bench.listen_fd = -1;
    client_count = 0;
    assert_true(acceptor_open(worker, bench.listener, fd, bench.snapshot, 0));
    acceptor = LIST_FIRST(&worker->acceptors);
}

static void close_it(void)
{
    acceptor_close(acceptor);
    acceptor = NULL;
}

static int teardown(void **state)
{
    (void)state;
    if (acceptor != NULL)
        close_it();
    for (size_t i = 0; i < client_count; i++)
        close(clients[i]);
    bench_end();
    return 0;
}

static void dial(size_t count)
{
    for (size_t i = 0; i < count; i++)
        clients[client_count++] = bench_dial();
}

static size_t flows_of(const struct worker *w)
{
    size_t n = 0;
    const struct flow *f;
    LIST_FOREACH (f, &w->flows, all)
        n++;
    return n;
}

static void each_connection_that_waits_becomes_a_flow(void **state)
{
    (void)state;
    start("");
    dial(3);
    bench_turn(worker, 0);
    assert_int_equal(flows_of(worker), 3);
    assert_int_equal(atomic_load(&worker->counters.accepted), 3);
    assert_int_equal(atomic_load(&bench.listener->accepted), 3);
    assert_int_equal(atomic_load(&bench.listener->flows),
                     3); /* a place each, none for the last ask */
}

static void a_turn_accepts_64_and_leaves_the_rest_to_the_next(void **state)
{
    (void)state;
    start("");
    dial(ACCEPTS_PER_TURN + 1);
    bench_turn(worker, 0);
    assert_int_equal(flows_of(worker), ACCEPTS_PER_TURN);
    bench_turn(worker, 0);
    assert_int_equal(flows_of(worker), ACCEPTS_PER_TURN + 1);
}

static void at_max_flows_it_pauses_and_looks_again_when_the_pause_is_over(void **state)
{
    (void)state;
    start("    max_flows: 2\n");
    dial(3);
    bench_turn(worker, 0);
    assert_int_equal(flows_of(worker), 2);
    assert_true(acceptor->paused);
    assert_int_equal(acceptor->timer.at_ms, BENCH_NOW_MS + ACCEPT_PAUSE_MS);
    assert_int_equal(atomic_load(&worker->counters.accept_pauses), 1);
    assert_int_equal(atomic_load(&bench.listener->paused), 1);
    flow_close(LIST_FIRST(&worker->flows)); /* a place is free, but the pause isn't over */
    bench_turn(worker, ACCEPT_PAUSE_MS - 1);
    assert_int_equal(flows_of(worker), 1);
    bench_turn(worker, ACCEPT_PAUSE_MS + WHEEL_TICK_MS);
    assert_false(acceptor->paused);
    bench_turn(worker, ACCEPT_PAUSE_MS + WHEEL_TICK_MS);
    assert_int_equal(flows_of(worker), 2);
    assert_int_equal(atomic_load(&worker->counters.accept_pauses), 2); /* it is full again */
}

static void as_long_as_it_is_full_each_pause_is_followed_by_another(void **state)
{
    (void)state;
    start("    max_flows: 1\n");
    dial(2);
    bench_turn(worker, 0);
    for (unsigned i = 1; i <= 3; i++) {
        assert_int_equal(atomic_load(&worker->counters.accept_pauses), i);
        bench_turn(worker, i * (ACCEPT_PAUSE_MS + WHEEL_TICK_MS));
        bench_turn(worker, i * (ACCEPT_PAUSE_MS + WHEEL_TICK_MS));
    }
    assert_int_equal(flows_of(worker), 1);
    assert_int_equal(atomic_load(&bench.listener->flows), 1);
}

static void without_descriptors_to_spare_it_pauses_without_asking_for_a_place(void **state)
{
    (void)state;
    start("");
    atomic_store(&bench.set->flow_limit, 1);
    dial(2);
    bench_turn(worker, 0);
    assert_int_equal(flows_of(worker), 1);
    assert_true(acceptor->paused);
    assert_int_equal(atomic_load(&bench.listener->paused),
                     0); /* it isn't the listener that is full */
    assert_int_equal(atomic_load(&bench.listener->flows), 1);
}

static void when_the_last_descriptor_is_gone_it_pauses_and_gives_the_place_back(void **state)
{
    struct rlimit before;
    (void)state;
    start("");
    dial(1);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    const struct rlimit few = {.rlim_cur = 3, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    bench_turn(worker, 0);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_true(acceptor->paused);
    assert_int_equal(flows_of(worker), 0);
    assert_int_equal(atomic_load(&bench.listener->flows), 0);
    assert_int_equal(atomic_load(&worker->counters.accept_pauses), 1);
}

static void a_worker_that_has_too_many_hands_the_connection_over(void **state)
{
    (void)state;
    start("");
    bench.set->count = BENCH_WORKERS;
    atomic_store(&worker->counters.flows, 100);
    dial(1);
    bench_turn(worker, 0);
    atomic_store(&worker->counters.flows, 0);
    assert_int_equal(flows_of(worker), 0);
    assert_int_equal(atomic_load(&neighbour->incoming), 1);
    assert_int_equal(atomic_load(&worker->counters.handed_over), 1);
    assert_int_equal(atomic_load(&bench.listener->flows), 1); /* its place goes with it */
    struct command *c = command_take(&neighbour->commands);
    assert_non_null(c);
    assert_int_equal(c->kind, COMMAND_CONNECTION);
    assert_ptr_equal(c->listener, bench.listener);
    assert_ptr_equal(c->snapshot, bench.snapshot);
    assert_true(c->fd >= 0 && c->peer.ss_family == AF_INET);
    command_free(c);
}

static void new_flows_get_the_settings_of_a_new_snapshot(void **state)
{
    (void)state;
    start("");
    dial(1);
    bench_turn(worker, 0);
    struct snapshot *next = bench_load("    max_flows: 2\n", "    queue_timeout: 1h\n");
    acceptor_use(acceptor, next, 0);
    dial(2);
    bench_turn(worker, 0);
    assert_int_equal(flows_of(worker), 2); /* the limit of the new one */
    assert_ptr_equal(LIST_FIRST(&worker->flows)->snapshot, next);
    flow_close(LIST_FIRST(&worker->flows));
    assert_ptr_equal(LIST_FIRST(&worker->flows)->snapshot, bench.snapshot);
    acceptor_use(acceptor, bench.snapshot, 0);
    assert_int_equal(atomic_load(&next->refs), 1);
    snapshot_unref(next);
}

static void what_waits_in_the_backlog_is_accepted_before_the_close(void **state)
{
    (void)state;
    start("");
    dial(ACCEPTS_PER_TURN + 6); /* more than a turn's */
    int refs = (int)atomic_load(&bench.listener->refs);
    close_it();
    assert_int_equal(flows_of(worker), ACCEPTS_PER_TURN + 6);
    assert_int_equal(atomic_load(&bench.listener->refs), refs - 1 + ACCEPTS_PER_TURN + 6);
    assert_true(LIST_EMPTY(&worker->acceptors));
}

static void closing_while_it_pauses_leaves_no_timer(void **state)
{
    (void)state;
    start("    max_flows: 1\n");
    dial(2);
    bench_turn(worker, 0);
    assert_true(acceptor->paused);
    close_it();
    bench_turn(worker, 10 * ACCEPT_PAUSE_MS); /* would call it */
    assert_int_equal(flows_of(worker), 1);
}

static void a_socket_that_cannot_be_watched_is_closed(void **state)
{
    (void)state;
    start("");
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    int epoll_fd = worker->poller.fd;
    worker->poller.fd = -1;
    assert_false(acceptor_open(worker, bench.listener, fds[0], bench.snapshot, 0));
    worker->poller.fd = epoll_fd;
    assert_int_equal(close(fds[0]), -1);
    assert_ptr_equal(LIST_FIRST(&worker->acceptors), acceptor);
    close(fds[1]);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_teardown(name, teardown)
    const struct CMUnitTest tests[] = {
        TEST(each_connection_that_waits_becomes_a_flow),
        TEST(a_turn_accepts_64_and_leaves_the_rest_to_the_next),
        TEST(at_max_flows_it_pauses_and_looks_again_when_the_pause_is_over),
        TEST(as_long_as_it_is_full_each_pause_is_followed_by_another),
        TEST(without_descriptors_to_spare_it_pauses_without_asking_for_a_place),
        TEST(when_the_last_descriptor_is_gone_it_pauses_and_gives_the_place_back),
        TEST(a_worker_that_has_too_many_hands_the_connection_over),
        TEST(new_flows_get_the_settings_of_a_new_snapshot),
        TEST(what_waits_in_the_backlog_is_accepted_before_the_close),
        TEST(closing_while_it_pauses_leaves_no_timer),
        TEST(a_socket_that_cannot_be_watched_is_closed),
    };
    log_init("test_acceptor", LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
