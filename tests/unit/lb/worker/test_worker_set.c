/* Which worker takes a connection, and when none may be taken. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

#include "lb/worker/worker.h"
#include "lb/worker/worker_set.h"

enum { WORKERS = 3 };

static struct worker workers[WORKERS];
static struct worker_set *set;

static int setup(void **state)
{
    (void)state;
    set = calloc(1, sizeof(*set) + WORKERS * sizeof(set->items[0]));
    assert_non_null(set);
    set->count = WORKERS;
    for (unsigned i = 0; i < WORKERS; i++)
        set->items[i] = &workers[i];
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    free(set);
    return 0;
}

static void have(long a, long b, long c)
{
    const long flows[WORKERS] = {a, b, c};
    for (unsigned i = 0; i < WORKERS; i++) {
        atomic_store(&workers[i].counters.flows, flows[i]);
        atomic_store(&workers[i].incoming, 0);
    }
}

static struct worker *taker_of(unsigned i)
{
    return worker_set_taker(set, &workers[i]);
}

static void keeps_up_to_a_fifth_more_than_the_average(void **state)
{
    (void)state;
    have(120, 100, 80);
    assert_ptr_equal(taker_of(0), &workers[0]);
    have(121, 100, 79);
    assert_ptr_equal(taker_of(0), &workers[2]);
    assert_ptr_equal(taker_of(1), &workers[1]);
}

static void few_flows_are_nobodys_trouble(void **state)
{
    (void)state;
    have(31, 0, 0);
    assert_ptr_equal(taker_of(0), &workers[0]);
    have(32, 0, 0);
    assert_ptr_equal(taker_of(0), &workers[1]);
}

static void what_is_on_its_way_counts(void **state)
{
    (void)state;
    have(60, 0, 10);
    atomic_store(&workers[1].incoming, 20);
    assert_ptr_equal(taker_of(0), &workers[2]);
    assert_int_equal(worker_set_flows(set), 90);
}

static void one_worker_has_nobody_to_ask(void **state)
{
    (void)state;
    have(1000, 0, 0);
    set->count = 1;
    assert_ptr_equal(taker_of(0), &workers[0]);
}

static void room_ends_at_the_limit(void **state)
{
    (void)state;
    have(3, 4, 2);
    assert_true(worker_set_has_room(set));
    atomic_store(&set->flow_limit, 10);
    assert_true(worker_set_has_room(set));
    atomic_store(&workers[1].incoming, 1);
    assert_false(worker_set_has_room(set));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(keeps_up_to_a_fifth_more_than_the_average, setup, teardown),
        cmocka_unit_test_setup_teardown(few_flows_are_nobodys_trouble, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_on_its_way_counts, setup, teardown),
        cmocka_unit_test_setup_teardown(one_worker_has_nobody_to_ask, setup, teardown),
        cmocka_unit_test_setup_teardown(room_ends_at_the_limit, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
