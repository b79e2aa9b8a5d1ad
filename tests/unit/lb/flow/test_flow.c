/* What the parts of a flow's life share: its place on the worker's lists, its timer, its server. */
#include "lb/flow/flow.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lb/backend/server.h"
#include "lb/stream/stream_record.h"
#include "lb/worker/worker.h"

#define NOW_MS 100000u

static struct worker worker;
static struct flow flow, other;

static int setup(void **state)
{
    (void)state;
    memset(&worker, 0, sizeof(worker));
    wheel_init(&worker.wheel, NOW_MS);
    TAILQ_INIT(&worker.ready);
    TAILQ_INIT(&worker.waiting);
    TAILQ_INIT(&worker.closed);
    assert_true(poller_init(&worker.poller));
    flow = other = (struct flow){.worker = &worker};
    stream_init_plain(&flow.client.stream, -1);
    stream_init_plain(&flow.server.stream, -1);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    wheel_cancel(&flow.timer);
    poller_fini(&worker.poller);
    return 0;
}

static void each_state_has_a_name_of_its_own(void **state)
{
    (void)state;
    for (int i = 0; i < FLOW_STATES; i++)
        for (int j = 0; j < i; j++)
            assert_string_not_equal(flow_state_name((enum flow_state)i),
                                    flow_state_name((enum flow_state)j));
    assert_string_equal(flow_state_name(FLOW_HALF_CLOSED), "half-closed");
}

static void a_flow_is_on_one_list_at_most_and_behind_those_that_came_before(void **state)
{
    (void)state;
    static const enum flow_place places[] = {FLOW_ON_READY, FLOW_ON_WAITING, FLOW_ON_CLOSED};
    struct flow_list *const lists[] = {&worker.ready, &worker.waiting, &worker.closed};
    for (size_t i = 0; i < 3; i++) {
        flow_place(&other, places[i]);
        flow_place(&flow, places[i]);
        flow_place(&other, places[i]); /* where it is already, it keeps its turn */
        for (size_t j = 0; j < 3; j++) {
            assert_ptr_equal(TAILQ_FIRST(lists[j]), i == j ? &other : NULL);
            assert_ptr_equal(TAILQ_LAST(lists[j], flow_list), i == j ? &flow : NULL);
        }
    }
    flow_place(&flow, FLOW_NOWHERE);
    flow_place(&other, FLOW_NOWHERE);
    assert_true(TAILQ_EMPTY(&worker.closed));
}

static void those_that_wait_for_a_server_are_counted(void **state)
{
    (void)state;
    flow_place(&flow, FLOW_ON_READY);
    assert_int_equal(atomic_load(&worker.counters.queued), 0);
    flow_place(&flow, FLOW_ON_WAITING);
    flow_place(&flow, FLOW_ON_WAITING);
    assert_int_equal(atomic_load(&worker.counters.queued), 1);
    flow_place(&flow, FLOW_ON_CLOSED);
    assert_int_equal(atomic_load(&worker.counters.queued), 0);
    flow_place(&flow, FLOW_NOWHERE);
}

static void a_timer_is_set_moved_and_cancelled_by_0(void **state)
{
    (void)state;
    flow_set_timer(&flow, NOW_MS + 500);
    assert_int_equal(flow.timer.at_ms, NOW_MS + 500);
    flow_set_timer(&flow, NOW_MS + 900);
    assert_int_equal(flow.timer.at_ms, NOW_MS + 900);
    flow_set_timer(&flow, 0);
    assert_false(wheel_is_set(&flow.timer));
}

static void a_timer_that_is_set_by_a_time_leaves_an_earlier_one(void **state)
{
    (void)state;
    flow_set_timer_by(&flow, 0);
    assert_false(wheel_is_set(&flow.timer));
    flow_set_timer_by(&flow, NOW_MS + 500);
    assert_int_equal(flow.timer.at_ms, NOW_MS + 500);
    flow_set_timer_by(&flow, NOW_MS + 501);
    assert_int_equal(flow.timer.at_ms, NOW_MS + 500);
    flow_set_timer_by(&flow, NOW_MS + 499);
    assert_int_equal(flow.timer.at_ms, NOW_MS + 499);
    flow_set_timer_by(&flow, 0);
    assert_true(wheel_is_set(&flow.timer));
}

static struct server *choose_server(void)
{
    struct sockaddr_storage addr = {.ss_family = AF_INET};
    struct server *s =
        server_new("b", "s", &addr, sizeof(struct sockaddr_in), 1, SERVER_FROM_LIST, -1);
    assert_non_null(s);
    atomic_store(&s->connections, 1);
    flow.chosen = server_ref(s);
    return s;
}

static void leaving_a_server_closes_its_socket_and_gives_back_the_flows_place(void **state)
{
    (void)state;
    int fds[2];
    char byte;
    struct server *s = choose_server();
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    stream_init_plain(&flow.server.stream, fds[0]);
    flow_leave_server(&flow);
    assert_int_equal(recv(fds[1], &byte, 1, MSG_DONTWAIT), 0);
    assert_int_equal(flow.server.stream.fd, -1);
    assert_null(flow.chosen);
    assert_int_equal(atomic_load(&s->connections), 0);
    assert_int_equal(atomic_load(&s->refs), 1);
    flow_leave_server(&flow); /* there is none */
    server_unref(s);
    close(fds[1]);
}

static void a_server_that_was_left_before_is_not_counted_down_twice(void **state)
{
    (void)state;
    struct server *s = choose_server();
    server_leave(s);
    flow.uncounted = true;
    flow_leave_server(&flow);
    assert_int_equal(atomic_load(&s->connections), 0);
    assert_int_equal(atomic_load(&s->refs), 1);
    assert_false(flow.uncounted);
    server_unref(s);
}

static void tls_flows_are_counted_by_whose_records_they_use(void **state)
{
    (void)state;
    assert_ptr_equal(flow_records_gauge(&flow), &worker.counters.openssl_records);
    flow.client.stream.ops = &stream_record_ops;
    assert_ptr_equal(flow_records_gauge(&flow), &worker.counters.own_records);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(each_state_has_a_name_of_its_own),
        TEST(a_flow_is_on_one_list_at_most_and_behind_those_that_came_before),
        TEST(those_that_wait_for_a_server_are_counted),
        TEST(a_timer_is_set_moved_and_cancelled_by_0),
        TEST(a_timer_that_is_set_by_a_time_leaves_an_earlier_one),
        TEST(leaving_a_server_closes_its_socket_and_gives_back_the_flows_place),
        TEST(a_server_that_was_left_before_is_not_counted_down_twice),
        TEST(tls_flows_are_counted_by_whose_records_they_use),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
