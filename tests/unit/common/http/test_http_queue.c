/*
 * Requests that wait for the loop: which are answered at once, which later, which not at all. They
 * are requests without sockets; a connection is only told apart by its address.
 */
#include "common/http/http_queue.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <event2/event.h>
#include <event2/http.h>
#include <event2/http_struct.h>
#include <string.h>

#include "common/base/clock.h"

#define MOST 400

static struct event_base *base;
static struct http_queue queue;
static struct evhttp_request *requests[MOST];
static size_t made;
static size_t answered[MOST], answers; /* which, in order */
static bool slow;                      /* an answer takes more CPU time than a turn has */
static char connections[4];            /* their addresses stand for connections */

static struct evhttp_connection *connection(size_t i)
{
    return (struct evhttp_connection *)(void *)&connections[i];
}

static void on_done(struct evhttp_request *req, void *arg)
{
    (void)req;
    (void)arg;
}

/* The next request, whose index is its name. */
static struct evhttp_request *request_of(size_t connection_index)
{
    struct evhttp_request *req = evhttp_request_new(on_done, NULL);
    assert_non_null(req);
    assert_true(made < MOST);
    req->evcon = connection(connection_index);
    requests[made++] = req;
    return req;
}

static void answer(struct evhttp_request *req, void *arg)
{
    uint64_t end_ns = clock_thread_cpu_ns() + (HTTP_TURN_US + 1000) * UINT64_C(1000);
    assert_ptr_equal(arg, &queue);
    while (slow && clock_thread_cpu_ns() < end_ns)
        ;
    for (size_t i = 0; i < made; i++)
        if (requests[i] == req)
            answered[answers++] = i;
}

static void turn(void)
{
    event_base_loop(base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
}

static int setup(void **state)
{
    (void)state;
    made = answers = 0;
    slow = false;
    base = event_base_new();
    return http_queue_init(&queue, base, answer, &queue) ? 0 : -1;
}

/* The requests that the queue has left with their owner. */
static int teardown(void **state)
{
    (void)state;
    http_queue_fini(&queue);
    for (size_t i = 0; i < made; i++)
        if (requests[i] != NULL)
            evhttp_request_free(requests[i]);
    event_base_free(base);
    return 0;
}

/* The queue has freed it: the sanitizer would tell if it hadn't, or if it is freed again. */
static void is_the_queues(size_t i)
{
    requests[i] = NULL;
}

static void what_comes_while_there_is_time_is_answered_at_once(void **state)
{
    (void)state;
    for (size_t i = 0; i < 10; i++)
        assert_true(http_queue_take(&queue, request_of(0)));
    assert_int_equal(answers, 10);
    turn();
    assert_int_equal(answers, 10);
}

/* One answer has used up the turn, so the following wait. */
static void use_up_the_turn(void)
{
    slow = true;
    assert_true(http_queue_take(&queue, request_of(0)));
    assert_int_equal(answers, 1);
    slow = false;
}

static void what_comes_too_late_waits_for_the_next_turn_in_order(void **state)
{
    (void)state;
    use_up_the_turn();
    for (size_t i = 0; i < 3; i++)
        assert_true(http_queue_take(&queue, request_of(i)));
    assert_int_equal(answers, 1);
    turn();
    assert_int_equal(answers, 4);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(answered[i], i);
}

static void a_turn_answers_one_at_least_and_leaves_the_rest(void **state)
{
    (void)state;
    use_up_the_turn();
    for (size_t i = 0; i < 3; i++)
        assert_true(http_queue_take(&queue, request_of(0)));
    slow = true;
    for (size_t i = 2; i <= 4; i++) {
        turn();
        assert_int_equal(answers, i);
    }
    turn();
    assert_int_equal(answers, 4);
}

static void nobody_overtakes_who_waits(void **state)
{
    (void)state;
    use_up_the_turn();
    assert_true(http_queue_take(&queue, request_of(0)));
    assert_true(http_queue_take(&queue, request_of(1)));
    slow = true; /* so that one is left */
    turn();
    slow = false;
    assert_int_equal(answers, 2);
    assert_true(http_queue_take(&queue, request_of(2))); /* comes while that one waits */
    assert_int_equal(answers, 2);
    turn();
    assert_int_equal(answers, 4);
    assert_int_equal(answered[2], 2);
    assert_int_equal(answered[3], 3);
}

static void as_many_as_connections_may_wait_and_no_more(void **state)
{
    (void)state;
    use_up_the_turn();
    for (size_t i = 0; i < HTTP_CONNECTIONS_MAX; i++)
        assert_true(http_queue_take(&queue, request_of(0)));
    assert_false(http_queue_take(&queue, request_of(0)));
    turn();
    assert_int_equal(answers, 1 + HTTP_CONNECTIONS_MAX);
    assert_true(http_queue_take(&queue, requests[made - 1]));
    turn();
    assert_int_equal(answers, 2 + HTTP_CONNECTIONS_MAX);
}

static void requests_of_a_connection_that_goes_are_forgotten_the_others_stay_in_order(void **state)
{
    (void)state;
    use_up_the_turn();
    static const size_t of[] = {1, 2, 1, 3, 2};
    for (size_t i = 0; i < 5; i++)
        assert_true(http_queue_take(&queue, request_of(of[i])));
    http_queue_forget(&queue, connection(1));
    turn();
    assert_int_equal(answers, 4);
    assert_int_equal(answered[1], 2);
    assert_int_equal(answered[2], 4);
    assert_int_equal(answered[3], 5);
}

static void a_request_that_has_lost_its_connection_is_freed_and_not_answered(void **state)
{
    (void)state;
    use_up_the_turn();
    assert_true(http_queue_take(&queue, request_of(0)));
    assert_true(http_queue_take(&queue, request_of(0)));
    requests[1]->evcon = NULL;
    turn();
    assert_int_equal(answers, 2);
    assert_int_equal(answered[1], 2);
    is_the_queues(1);
}

static void the_end_frees_those_without_connection_and_leaves_the_others(void **state)
{
    (void)state;
    use_up_the_turn();
    assert_true(http_queue_take(&queue, request_of(0)));
    assert_true(http_queue_take(&queue, request_of(0)));
    requests[1]->evcon = NULL;
    http_queue_fini(&queue);
    assert_int_equal(queue.count, 0);
    is_the_queues(1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(what_comes_while_there_is_time_is_answered_at_once),
        TEST(what_comes_too_late_waits_for_the_next_turn_in_order),
        TEST(a_turn_answers_one_at_least_and_leaves_the_rest),
        TEST(nobody_overtakes_who_waits),
        TEST(as_many_as_connections_may_wait_and_no_more),
        TEST(requests_of_a_connection_that_goes_are_forgotten_the_others_stay_in_order),
        TEST(a_request_that_has_lost_its_connection_is_freed_and_not_answered),
        TEST(the_end_frees_those_without_connection_and_leaves_the_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
