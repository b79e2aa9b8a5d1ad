/* leftovers: queues are released in pieces, and every item of them once. */
#include "broker/base/leftovers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "common/base/timebox.h"

/* A queue that counts. */
struct counted {
    unsigned items;
    unsigned freed;
};

static bool release(void *queue)
{
    struct counted *q = queue;
    assert_int_equal(q->freed, 0);
    if (q->items > 0)
        q->items--;
    q->freed = q->items == 0;
    return q->items > 0;
}

static void add(struct leftovers *l, struct counted *q)
{
    leftovers_add(l, release, q, q->items, 10 * q->items + 7);
}

static void a_short_queue_goes_at_once(void **state)
{
    (void)state;
    struct leftovers l;
    struct counted shortish = {.items = 256};
    struct counted empty = {0};
    leftovers_init(&l);
    add(&l, &shortish);
    add(&l, &empty);
    assert_false(leftovers_wait(&l));
    assert_int_equal(l.bytes, 0);
    assert_int_equal(shortish.freed, 1);
    assert_int_equal(empty.freed, 1);
}

static void long_queues_go_in_pieces(void **state)
{
    (void)state;
    struct leftovers l;
    struct counted queues[2] = {{.items = 12000}, {.items = 300}};
    leftovers_init(&l);
    add(&l, &queues[0]);
    add(&l, &queues[1]);
    unsigned turns = 0;
    for (; leftovers_wait(&l); turns++) {
        assert_in_range(l.bytes, 1, 10 * (queues[0].items + queues[1].items) + 14);
        struct timebox over = {.over = true};
        leftovers_release(&l, &over);
    }
    assert_int_equal(turns, (12000 + 300 + 255) / 256);
    assert_int_equal(queues[0].freed + queues[1].freed, 2);
    assert_int_equal(l.bytes, 0);
}

static void a_turn_with_time_releases_all(void **state)
{
    (void)state;
    struct leftovers l;
    struct timebox box;
    struct counted queues[2] = {{.items = 20000}, {.items = 20000}};
    leftovers_init(&l);
    add(&l, &queues[0]);
    timebox_open(&box, 60 * 1000 * 1000);
    leftovers_release(&l, &box);
    assert_false(leftovers_wait(&l));
    add(&l, &queues[1]);
    leftovers_fini(&l);
    assert_false(leftovers_wait(&l));
    assert_int_equal(queues[0].freed + queues[1].freed, 2);
    assert_int_equal(l.bytes, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_short_queue_goes_at_once),
        cmocka_unit_test(long_queues_go_in_pieces),
        cmocka_unit_test(a_turn_with_time_releases_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
